// The tables of iptables-legacy, of both versions of IP: no crash, an end, and only names as long
// as the kernel's. The input is a table, behind three bytes: its version, and where its policy is.
#include <vector>

#include "agent/datapath/legacy_filter.h"
#include "tests/fuzz/agent/must.h"

namespace dove::agent::fuzz {
namespace {

constexpr std::size_t kLongestName = 30;  // XT_FUNCTION_MAXNAMELEN

void read(LegacyFilter (*parse)(std::span<const std::byte>, std::size_t),
          std::span<const std::byte> entries, std::size_t policy) {
  const auto filter = parse(entries, policy);
  for (const auto& name : filter.chains)
    must(name.size() <= kLongestName && name.find('\0') == std::string::npos);
  must(!parse(entries, entries.size()).drops_forwarded);
  must(!filter.drops_forwarded || policy < entries.size());
}

}  // namespace
}  // namespace dove::agent::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dove::agent;
  if (size < 3) return 0;
  // In memory of its own, which ends where it ends.
  const auto bytes = fuzz::bytes_of(data + 3, size - 3);
  const std::vector<std::byte> entries{bytes.begin(), bytes.end()};
  const std::size_t policy = data[1] * std::size_t{256} + data[2];
  fuzz::read(data[0] == 6 ? parse_ipv6_filter : parse_ipv4_filter, entries, policy);
  return 0;
}
