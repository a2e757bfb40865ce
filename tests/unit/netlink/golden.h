// Messages captured from a kernel (6.18), as hex.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "netlink/message.h"
#include "tests/catch.h"

namespace dove::netlink::test {

// The bytes, aligned as an Inbox aligns them.
class Golden {
 public:
  explicit Golden(std::string_view hex) : size_{hex.size() / 2}, memory_(hex.size() / 16 + 1) {
    for (std::size_t i = 0; i < size_; ++i)
      data()[i] = static_cast<std::byte>(digit(hex[2 * i]) << 4U | digit(hex[2 * i + 1]));
  }
  std::byte* data() { return reinterpret_cast<std::byte*>(memory_.data()); }
  ByteView bytes() const { return {reinterpret_cast<const std::byte*>(memory_.data()), size_}; }
  // The one message they hold.
  Message message() const {
    ByteView rest = bytes();
    const auto first = Message::next(rest);
    REQUIRE(first);
    return *first;
  }
  // The same message with its last `n` bytes missing and its length saying so.
  Golden shortened(std::size_t n) const {
    Golden copy = *this;
    copy.size_ -= n;
    const auto length = static_cast<std::uint32_t>(copy.size_);
    std::memcpy(copy.data(), &length, sizeof length);
    return copy;
  }

 private:
  static unsigned digit(char c) { return static_cast<unsigned>(c >= 'a' ? c - 'a' + 10 : c - '0'); }
  std::size_t size_;
  std::vector<std::uint64_t> memory_;
};

}  // namespace dove::netlink::test
