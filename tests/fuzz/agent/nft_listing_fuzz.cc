// What a program called nft prints: an error, or numbers of ports and networks there can be.
#include "agent/datapath/learning_ruleset.h"
#include "agent/datapath/policy_ruleset.h"
#include "agent/datapath/ruleset.h"
#include "tests/fuzz/agent/must.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dove::agent;
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  const auto ports = parse_ports(text);
  if (ports)
    for (const auto& [device, number] : *ports) fuzz::must(number >= 1 && number <= kPortLimit);
  (void)parse_counters(text, ports ? *ports : std::map<std::string, unsigned>{{"tap0", 1}});
  (void)parse_policies(text);
  if (const auto activity = parse_activity(text))
    for (const auto& [number, guests] : *activity) fuzz::must(!guests.empty());
  return 0;
}
