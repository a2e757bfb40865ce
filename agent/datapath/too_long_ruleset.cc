#include "agent/datapath/too_long_ruleset.h"

#include "agent/datapath/ruleset_text.h"

namespace dove::agent {
namespace {

constexpr std::uint32_t kIpv6Header = 40;  // which IPv6's length does not count

// There from the beginning, whatever rules come later: so a listing is the same after every
// renewal.
constexpr const char* kObjects =
    "add map bridge dove routed_senders { type mark : ether_addr; size 4096; "
    "flags dynamic,timeout; timeout 10s; }\n"
    "add counter bridge dove routed_answers\n"
    "add counter bridge dove df_set\n";

std::string df_rules(std::uint32_t above) {
  return rule("bridge dove forward",
              fmt::format(R"(oifname "dvx*" ip length > {} ip frag-off & 0x4000 == 0 )"
                          "counter name df_set ip frag-off set ip frag-off | 0x4000",
                          above));
}

std::string routed_answer_rules(std::uint32_t above, const std::string& router) {
  std::string text;
  for (const auto& length :
       {fmt::format("ip length > {}", above), fmt::format("ip6 length > {}", above - kIpv6Header)})
    text += rule("bridge dove forward",
                 fmt::format(R"(oifname "dvx*" ether daddr {} {} )"
                             "update @routed_senders {{ meta mark : ether saddr }}",
                             router, length));
  for (const auto* answer :
       {"icmp type destination-unreachable icmp code frag-needed", "icmpv6 type packet-too-big"})
    text += rule("bridge dove prerouting",
                 fmt::format(R"(iifname "dvx*" ether daddr {} {} counter name routed_answers )"
                             "ether daddr set meta mark map @routed_senders",
                             router, answer));
  return text;
}

}  // namespace

std::string too_long_ruleset(const TooLong& too_long) {
  if (too_long.above == 0) return {};
  std::string text = kObjects;
  if (too_long.set_df) text += df_rules(too_long.above);
  if (too_long.router) text += routed_answer_rules(too_long.above, too_long.router->to_string());
  return text;
}

}  // namespace dove::agent
