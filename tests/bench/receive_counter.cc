#include "tests/bench/receive_counter.h"

#include <fcntl.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <stdexcept>
#include <string_view>
#include <system_error>

#include "tests/bench/netns.h"

namespace dove::bench {
namespace {

netlink::FileDescriptor open_table(const std::string& netns) {
  const Inside inside{netns};
  const int fd = ::open("/proc/thread-self/net/dev", O_RDONLY | O_CLOEXEC);
  if (fd < 0) throw std::system_error(errno, std::system_category(), "/proc/net/dev");
  return netlink::FileDescriptor{fd};
}

}  // namespace

ReceiveCounter::ReceiveCounter(const std::string& netns, const std::string& device)
    : device_{device + ":"}, file_{open_table(netns)} {
  packets();
}

std::uint64_t ReceiveCounter::packets() const {
  std::array<char, 8192> text;
  const ssize_t size = ::pread(file_.get(), text.data(), text.size() - 1, 0);
  if (size < 0) throw std::system_error(errno, std::system_category(), "/proc/net/dev");
  text[static_cast<std::size_t>(size)] = '\0';
  const std::string_view table{text.data(), static_cast<std::size_t>(size)};
  const auto line = table.find(device_);
  unsigned long long bytes = 0;
  unsigned long long packets = 0;
  if (line == table.npos ||
      std::sscanf(table.data() + line + device_.size(), "%llu %llu", &bytes, &packets) != 2) {
    throw std::runtime_error("no device " + device_);
  }
  return packets;
}

}  // namespace dove::bench
