// Outside bytes as a datagram, aligned as an Inbox aligns them and exactly as long as they are.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "netlink/message.h"

namespace dove::netlink::fuzz {

class Datagram {
 public:
  Datagram(const std::uint8_t* data, std::size_t size)
      : size_{size}, memory_{std::make_unique<std::byte[]>(size)} {
    if (size != 0) std::memcpy(memory_.get(), data, size);
  }
  ByteView bytes() const { return {memory_.get(), size_}; }

 private:
  std::size_t size_;
  std::unique_ptr<std::byte[]> memory_;  // operator new aligns it
};

inline void must(bool condition) {
  if (!condition) std::abort();
}

}  // namespace dove::netlink::fuzz
