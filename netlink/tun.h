// TUN devices (IP packets) and TAP devices (Ethernet frames): the kernel's packets come to a file
// descriptor, and what is written to it enters the kernel there.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/result.h"
#include "core/vtep.h"
#include "netlink/file_descriptor.h"
#include "netlink/message.h"

namespace dove::netlink {

struct TunOptions {
  bool tap = false;
  // Stays when its last descriptor is closed, for the next open of the same name. Opening one that
  // is there without this makes it go when it is closed.
  bool persistent = false;
  std::optional<unsigned> owner;  // this user may open it without CAP_NET_ADMIN
};

// Not thread-safe. Non-blocking. MTU, queue length, addresses and "up" are Links' work.
class Tun {
 public:
  // Creates `name`, or opens the one that is there. kSystem, saying so, when the machine has no
  // /dev/net/tun; kConflict when somebody else has it open; kExists when `name` is a device of
  // another kind.
  static Result<Tun> open(std::string_view name, const TunOptions& options = {});
  // Removes a persistent one; absent is fine.
  static Status remove(std::string_view name, bool tap = false);

  int fd() const noexcept { return fd_.get(); }
  IfIndex index() const noexcept { return index_; }
  const std::string& name() const noexcept { return name_; }

  // One packet into the front of `buffer`; empty: none waits. A packet longer than the buffer is
  // cut, so give it the MTU's size (and 14 for a TAP).
  Result<std::optional<std::size_t>> read(std::span<std::byte> buffer);
  // kUnavailable: the device is down.
  Status write(ByteView packet);

 private:
  Tun(FileDescriptor fd, IfIndex index, std::string name)
      : fd_{std::move(fd)}, index_{index}, name_{std::move(name)} {}
  FileDescriptor fd_;
  IfIndex index_;
  std::string name_;
};

}  // namespace dove::netlink
