// Values for the property-like checks: the same ones in every run.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>

#include "core/ip_address.h"
#include "core/mac_address.h"

namespace dove::test {

class Random {
 public:
  std::uint64_t number(std::uint64_t limit) { return engine_() % limit; }
  template <std::size_t N>
  std::array<std::uint8_t, N> bytes() {
    std::array<std::uint8_t, N> out{};
    for (auto& byte : out) byte = static_cast<std::uint8_t>(engine_());
    return out;
  }
  MacAddress mac() { return MacAddress{bytes<6>()}; }
  IpAddress v4() { return IpAddress::v4(static_cast<std::uint32_t>(engine_())); }
  IpAddress v6() {
    // Runs of zeros, so that every way of shortening the text comes up.
    auto raw = bytes<16>();
    for (std::size_t i = number(16), n = number(16); n > 0 && i < 16; --n, ++i) raw[i] = 0;
    return *IpAddress::from_wire(std::as_bytes(std::span{raw}));
  }

 private:
  std::mt19937_64 engine_{20140414};
};

constexpr int kRounds = 2000;

}  // namespace dove::test
