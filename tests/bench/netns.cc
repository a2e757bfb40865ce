#include "tests/bench/netns.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>

namespace dove::bench {
namespace {

netlink::FileDescriptor open_namespace(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw std::system_error(errno, std::system_category(), path);
  return netlink::FileDescriptor{fd};
}

}  // namespace

Inside::Inside(const std::string& netns) : home_{open_namespace("/proc/thread-self/ns/net")} {
  const auto there = open_namespace("/run/netns/" + netns);
  if (::setns(there.get(), CLONE_NEWNET) != 0) {
    throw std::system_error(errno, std::system_category(), "network namespace " + netns);
  }
}

Inside::~Inside() {
  // Anywhere else everything that follows would be measured in the wrong place.
  if (::setns(home_.get(), CLONE_NEWNET) != 0) std::abort();
}

IfIndex device_index(const std::string& device) {
  const unsigned index = ::if_nametoindex(device.c_str());
  if (index == 0) throw std::system_error(errno, std::system_category(), "device " + device);
  return IfIndex{static_cast<int>(index)};
}

}  // namespace dove::bench
