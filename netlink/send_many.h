// sendmmsg over any number of packets, each to an address of its own.
#pragma once

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <system_error>

#include "netlink/message.h"
#include "netlink/packet_socket.h"

namespace dove::netlink {

inline void note_failure(Sent& sent, int os_error) {
  if (sent.failed++ == 0) sent.first_error = {os_error, std::system_category()};
}

// `describe(item, address)` fills in the (zeroed) address and gives the bytes to send; no bytes:
// the item is malformed and fails as EINVAL. sendmmsg stops at the first that fails, which is then
// skipped.
template <class Address, class Item, class Describe>
Sent send_many(int fd, std::span<const Item> items, Describe describe) {
  constexpr std::size_t kAtOnce = 64;
  std::array<Address, kAtOnce> addresses;
  std::array<iovec, kAtOnce> vectors;
  std::array<mmsghdr, kAtOnce> headers;
  Sent total;
  while (!items.empty()) {
    const auto some = items.first(std::min(items.size(), kAtOnce));
    items = items.subspan(some.size());
    unsigned count = 0;
    for (const Item& item : some) {
      addresses[count] = Address{};
      const ByteView bytes = describe(item, addresses[count]);
      if (bytes.empty()) {
        note_failure(total, EINVAL);
        continue;
      }
      vectors[count] = {const_cast<std::byte*>(bytes.data()), bytes.size()};
      headers[count] = {};
      headers[count].msg_hdr.msg_name = &addresses[count];
      headers[count].msg_hdr.msg_namelen = sizeof(Address);
      headers[count].msg_hdr.msg_iov = &vectors[count];
      headers[count].msg_hdr.msg_iovlen = 1;
      ++count;
    }
    for (unsigned done = 0; done < count;) {
      const int result = ::sendmmsg(fd, &headers[done], count - done, 0);
      if (result > 0) {
        total.sent += static_cast<std::size_t>(result);
        done += static_cast<unsigned>(result);
      } else if (errno != EINTR) {
        note_failure(total, errno == EAGAIN ? ENOBUFS : errno);
        ++done;
      }
    }
  }
  return total;
}

}  // namespace dove::netlink
