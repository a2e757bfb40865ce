// Read-only views over datagrams received from the kernel, on libmnl.
//
// A view borrows: it is valid until the buffer is reused for the next receive. Nothing here
// allocates, logs or throws, and no accessor can read past the span it was built on. Every length
// arrives from outside this process and is checked where it is used; malformed input ends the walk
// (messages) or gives no table (attributes). The buffer must be aligned to 4, as every Inbox is.
#pragma once

#include <libmnl/libmnl.h>
#include <linux/netlink.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>

namespace dove::netlink {

using ByteView = std::span<const std::byte>;

constexpr std::size_t align(std::size_t n) noexcept { return (n + 3) & ~std::size_t{3}; }

// Copies a T off the front of `bytes`: safe at any alignment, empty when too few bytes remain.
template <class T>
std::optional<T> load(ByteView bytes) noexcept {
  static_assert(std::is_trivially_copyable_v<T>);
  if (bytes.size() < sizeof(T)) return std::nullopt;
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

class Message {
 public:
  // Takes the first message off `rest` and advances it. Empty at the end or on a bad length.
  static std::optional<Message> next(ByteView& rest) noexcept;

  std::uint16_t type() const noexcept { return header_.nlmsg_type; }
  std::uint16_t flags() const noexcept { return header_.nlmsg_flags; }
  std::uint32_t sequence() const noexcept { return header_.nlmsg_seq; }
  // Of whoever caused it, as far as the kernel says so (0: the kernel itself, or it does not say).
  std::uint32_t port_id() const noexcept { return header_.nlmsg_pid; }
  bool interrupted() const noexcept { return (header_.nlmsg_flags & NLM_F_DUMP_INTR) != 0; }

  ByteView payload() const noexcept { return payload_; }
  // The family header (ndmsg, ifinfomsg, nlmsgerr) and, after it, the attributes.
  template <class Family>
  std::optional<Family> family() const noexcept {
    return load<Family>(payload_);
  }
  template <class Family>
  ByteView attributes() const noexcept {
    return payload_.subspan(std::min(align(sizeof(Family)), payload_.size()));
  }

 private:
  Message(const nlmsghdr& header, ByteView payload) noexcept : header_{header}, payload_{payload} {}
  nlmsghdr header_;
  ByteView payload_;
};

// Fills `slots` (indexed by type) in one pass over `bytes`; false when a length lies. Types beyond
// the slots are newer than this program and are skipped; of a repeated type the last one wins, as
// in the kernel.
bool parse_attributes(ByteView bytes, std::span<const nlattr*> slots) noexcept;

// The attributes of one message or nest, indexed by type.
template <std::uint16_t Max>
class Attributes {
 public:
  static std::optional<Attributes> parse(ByteView bytes) noexcept {
    Attributes table;
    if (!parse_attributes(bytes, table.slots_)) return std::nullopt;
    return table;
  }
  template <class Family>
  static std::optional<Attributes> of(const Message& message) noexcept {
    return parse(message.attributes<Family>());
  }
  // The table of a nest; an absent nest is an empty table.
  template <std::uint16_t Inner>
  std::optional<Attributes<Inner>> nested(std::uint16_t type) const noexcept {
    return Attributes<Inner>::parse((*this)[type]);
  }

  bool has(std::uint16_t type) const noexcept { return slots_[type] != nullptr; }
  // The payload of `type`, empty when absent. Value types parse it: MacAddress::from_wire(...).
  ByteView operator[](std::uint16_t type) const noexcept {
    const nlattr* const attribute = slots_[type];
    if (attribute == nullptr) return {};
    return {static_cast<const std::byte*>(mnl_attr_get_payload(attribute)),
            mnl_attr_get_payload_len(attribute)};
  }
  // A number of exactly its size, as it lies there (mind those in network order); empty when absent
  // or of another size.
  template <class Number>
  std::optional<Number> number(std::uint16_t type) const noexcept {
    static_assert(std::is_integral_v<Number>);
    const ByteView payload = (*this)[type];
    return payload.size() == sizeof(Number) ? load<Number>(payload) : std::nullopt;
  }
  // Up to the terminating zero; empty when absent or not terminated.
  std::optional<std::string_view> text(std::uint16_t type) const noexcept {
    const nlattr* const attribute = slots_[type];
    if (attribute == nullptr || mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) < 0)
      return std::nullopt;
    return mnl_attr_get_str(attribute);
  }

 private:
  std::array<const nlattr*, Max + std::size_t{1}> slots_{};
};

}  // namespace dove::netlink
