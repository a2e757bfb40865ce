#include "agent/datapath/host_check.h"

#include <fmt/format.h>
#include <linux/capability.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <thread>

#include "netlink/batch.h"

namespace dove::agent {
namespace {

using namespace std::chrono_literals;

// Abstract names belong to the network namespace.
constexpr std::string_view kLockName{"\0dove/datapath", 14}, kNftLockName{"\0dove/nft", 9};
// Of a doved that was killed while it started nft, the new process has the lock until it is nft.
constexpr auto kLockPatience = 2000ms, kLockPause = 20ms;
// For the walls of some thousand ports, on a slow machine.
constexpr auto kNftPatience = 30000ms;

Status check_kind(netlink::Batch& batch, const char* kind) {
  // A kind alone, without what it requires: refused for that by a kernel that has it, and for the
  // kind by one that does not. `bridge` requires nothing, so it gets a master that cannot be.
  batch.begin(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL)
      .family(ifinfomsg{})
      .put(IFLA_IFNAME, std::string_view{"dvprobe"})
      .put_number(IFLA_MASTER, 0x7fffffff)
      .begin_nest(IFLA_LINKINFO)
      .put(IFLA_INFO_KIND, std::string_view{kind})
      .end_nest();
  const auto error = batch.commit()[0].error;
  if (error != std::errc::operation_not_supported) return {};
  return Error{ErrorCode::kSystem,
               fmt::format("this kernel has no {0} devices: load or build the module {0}", kind),
               error.value()};
}

// kConflict when it does not come free in that time.
Result<netlink::FileDescriptor> lock(std::string_view name, int flags,
                                     std::chrono::milliseconds patience, const char* held) {
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | flags, 0);
  if (fd < 0) return Error{ErrorCode::kSystem, fmt::format("socket: {}", strerror(errno)), errno};
  netlink::FileDescriptor lock{fd};
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, name.data(), name.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  for (auto waited = 0ms; waited <= patience; waited += kLockPause) {
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), size) == 0) return lock;
    if (errno != EADDRINUSE)
      return Error{ErrorCode::kSystem, fmt::format("bind: {}", strerror(errno)), errno};
    std::this_thread::sleep_for(kLockPause);
  }
  return Error{ErrorCode::kConflict, held, EADDRINUSE};
}

}  // namespace

Status check_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2]{};
  if (::syscall(SYS_capget, &header, data) != 0)
    return Error{ErrorCode::kSystem, fmt::format("capget: {}", strerror(errno)), errno};
  std::string missing;
  if ((data[0].effective & 1U << CAP_NET_ADMIN) == 0) missing += " CAP_NET_ADMIN";
  if ((data[0].effective & 1U << CAP_NET_RAW) == 0) missing += " CAP_NET_RAW";
  if (missing.empty()) return {};
  return Error{ErrorCode::kDenied,
               fmt::format("missing capability:{}; run doved as root, or with both of "
                           "CAP_NET_ADMIN and CAP_NET_RAW ambient",
                           missing)};
}

Status check_device_kinds() {
  auto batch = netlink::Batch::open();
  if (!batch) return batch.error();
  for (const auto* kind : {"vxlan", "bridge"})
    if (auto status = check_kind(*batch, kind); !status) return status;
  return {};
}

Result<NamespaceLock> lock_namespace() {
  auto doved =
      lock(kLockName, SOCK_CLOEXEC, kLockPatience, "another doved runs in this network namespace");
  if (!doved) return doved.error();
  auto nft = lock(kNftLockName, 0, kNftPatience,
                  "an nft that a former doved left behind in this network namespace does not end");
  if (!nft) return nft.error();
  return NamespaceLock{std::move(*doved), std::move(*nft)};
}

}  // namespace dove::agent
