// General queries of a multicast querier: IGMPv3 (RFC 3376 4.1) and MLDv2 (RFC 3810 5.1), frames
// with their Ethernet header.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>

#include "core/mac_address.h"

namespace dove::agent {

struct QueryTimes {
  std::chrono::milliseconds response{10'000};  // within which listeners answer; at most 3 minutes
  std::chrono::seconds interval{125};          // between queries
};

// From 0.0.0.0, which never wins against a querier that routes (RFC 4541 2.1.1).
std::array<std::byte, 50> build_igmp_query(const MacAddress& source,
                                           const QueryTimes& times) noexcept;
// From the link-local address of `source`: from another, nobody would take it.
std::array<std::byte, 90> build_mld_query(const MacAddress& source,
                                          const QueryTimes& times) noexcept;

}  // namespace dove::agent
