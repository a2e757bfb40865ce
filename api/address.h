// Where a controller or a doved listens: HOST:PORT, [V6]:PORT or unix:PATH. The same text in every
// program's options, configuration and environment.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace dove::api {

struct Address {
  enum class Kind : std::uint8_t { kTcp, kUnix };
  Kind kind = Kind::kUnix;
  std::string host;  // of kTcp: a name, an IPv4 address, or an IPv6 address without brackets
  std::uint16_t port = 0;
  std::string path;  // of kUnix

  // What parse_address() takes; it is also what gRPC takes.
  std::string to_string() const;
  // A Unix socket, a loopback address or "localhost": what is said there stays on this machine.
  bool is_local() const;

  friend bool operator==(const Address&, const Address&) = default;
};

Result<Address> parse_address(std::string_view text);
// Joined by ','; at least one, none empty, none twice.
Result<std::vector<Address>> parse_address_list(std::string_view text);

// Plain TCP beyond this machine only when `insecure` was asked for.
Status check_plaintext(const Address& address, bool insecure);

}  // namespace dove::api
