#include "netlink/tun.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "netlink/system_error.h"

namespace dove::netlink {
namespace {

constexpr const char* kControl = "/dev/net/tun";

Result<FileDescriptor> open_control(std::string_view what) {
  const int fd = ::open(kControl, O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd >= 0) return FileDescriptor{fd};
  if (errno == ENOENT || errno == ENODEV || errno == ENXIO) {
    auto error = system_error(
        what, errno,
        fmt::format("this machine has no {} (is the module \"tun\" there?)", kControl));
    error.code = ErrorCode::kSystem;
    return error;
  }
  return system_error(what, errno);
}

// EINVAL is how the kernel says that `name` is a device of another kind.
Error attach_error(std::string_view what, int os_error) {
  if (os_error == EINVAL) {
    auto error = system_error(what, os_error, "a device of another kind has that name");
    error.code = ErrorCode::kExists;
    return error;
  }
  if (os_error == EBUSY) return system_error(what, os_error, "somebody else has it open");
  return system_error(what, os_error);
}

}  // namespace

Result<Tun> Tun::open(std::string_view name, const TunOptions& options) {
  const std::string what = fmt::format("open {} device \"{}\"", options.tap ? "tap" : "tun", name);
  ifreq request{};
  if (name.empty() || name.size() >= sizeof request.ifr_name)
    return Error{ErrorCode::kInvalid,
                 fmt::format("cannot {}: the name must have 1 to {} characters", what,
                             sizeof request.ifr_name - 1)};
  auto fd = open_control(what);
  if (!fd) return fd.error();

  std::copy(name.begin(), name.end(), request.ifr_name);
  request.ifr_flags = static_cast<short>((options.tap ? IFF_TAP : IFF_TUN) | IFF_NO_PI);
  if (::ioctl(fd->get(), TUNSETIFF, &request) != 0) return attach_error(what, errno);
  if (options.owner && ::ioctl(fd->get(), TUNSETOWNER, *options.owner) != 0)
    return system_error(what, errno);
  if (::ioctl(fd->get(), TUNSETPERSIST, options.persistent ? 1 : 0) != 0)
    return system_error(what, errno);
  const unsigned index = ::if_nametoindex(request.ifr_name);
  if (index == 0) return system_error(what, errno);
  return Tun{*std::move(fd), IfIndex{static_cast<int>(index)}, request.ifr_name};
}

// Opening what is there and closing it without persistence is how such a device is removed.
Status Tun::remove(std::string_view name, bool tap) {
  if (::if_nametoindex(std::string{name}.c_str()) == 0) return {};
  const auto tun = open(name, {.tap = tap, .persistent = false});
  return tun ? Status{} : Status{tun.error()};
}

Result<std::optional<std::size_t>> Tun::read(std::span<std::byte> buffer) {
  for (;;) {
    const ssize_t length = ::read(fd_.get(), buffer.data(), buffer.size());
    if (length >= 0) return std::optional{static_cast<std::size_t>(length)};
    if (errno == EAGAIN) return std::optional<std::size_t>{};
    if (errno != EINTR) return system_error(fmt::format("read from \"{}\"", name_), errno);
  }
}

Status Tun::write(ByteView packet) {
  for (;;) {
    if (::write(fd_.get(), packet.data(), packet.size()) >= 0) return {};
    if (errno == EINTR) continue;
    auto error = system_error(fmt::format("write to \"{}\"", name_), errno);
    if (errno == EIO || errno == EAGAIN) error.code = ErrorCode::kUnavailable;
    return error;
  }
}

}  // namespace dove::netlink
