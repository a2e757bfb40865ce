// The kernel's answer to one request.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "netlink/message.h"

namespace dove::netlink {

struct Ack {
  std::uint32_t sequence = 0;  // of the request
  int error = 0;               // positive errno; 0: done
  std::string_view text;       // the kernel's own words, mostly absent; a view into the datagram
};

// NLMSG_ERROR, or the NLMSG_DONE of a dump. Empty: another message, or malformed.
std::optional<Ack> decode_ack(const Message& message) noexcept;

}  // namespace dove::netlink
