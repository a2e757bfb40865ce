// ICMP and ICMPv6 echo (RFC 792, RFC 4443), for addresses that only we answer for.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace dove::agent {

// The reply of the one who has the destination addresses, MAC and IP, of this request; both with
// their Ethernet headers. Empty when it is no echo request, is cut off, has IP options or is a
// fragment, or comes from an address that nobody can have. Checksums that were right are right.
std::optional<std::vector<std::byte>> build_echo_reply(std::span<const std::byte> request);

}  // namespace dove::agent
