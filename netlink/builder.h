// Writes one netlink message into a caller's buffer, on libmnl. A put that does not fit marks the
// builder failed and later puts do nothing, so a caller chains freely and tests once, at finish().
#pragma once

#include <libmnl/libmnl.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

#include "netlink/message.h"

namespace dove::netlink {

class Builder {
 public:
  // `buffer` must outlive the builder and be aligned to 4.
  Builder(std::span<std::byte> buffer, std::uint16_t type, std::uint16_t flags,
          std::uint32_t sequence) noexcept;

  // The family header, before any put(); or the fixed part with which some nests begin.
  template <class Family>
  Builder& family(const Family& header) noexcept {
    static_assert(std::is_trivially_copyable_v<Family>);
    return append_header(std::as_bytes(std::span{&header, 1}));
  }
  Builder& put(std::uint16_t type, ByteView payload) noexcept;
  Builder& put(std::uint16_t type, std::string_view text) noexcept;  // with a terminating zero
  template <class Number>
  Builder& put_number(std::uint16_t type, Number number) noexcept {
    static_assert(std::is_integral_v<Number> || std::is_enum_v<Number>);
    return put(type, std::as_bytes(std::span{&number, 1}));
  }

  // Puts between the two are inside an attribute of `type`. Nests may nest, four deep.
  Builder& begin_nest(std::uint16_t type) noexcept;
  Builder& end_nest() noexcept;

  // A whole message made elsewhere, in place of this one; only its sequence is kept as ours, and
  // `flags` are added to its own.
  Builder& replace_with(const nlmsghdr& message, std::uint16_t flags) noexcept;

  void fail() noexcept { failed_ = true; }  // whoever fills it found that it cannot be made
  std::uint32_t sequence() const noexcept;
  bool failed() const noexcept { return failed_; }
  // The finished message, or empty if it did not fit or a nest is open. Its last byte is aligned.
  std::optional<ByteView> finish() noexcept;

 private:
  Builder& append_header(ByteView bytes) noexcept;
  static constexpr std::size_t kNests = 4;

  std::span<std::byte> buffer_;
  nlmsghdr* header_ = nullptr;
  nlattr* nests_[kNests] = {};
  std::size_t depth_ = 0;
  bool failed_ = false;
};

}  // namespace dove::netlink
