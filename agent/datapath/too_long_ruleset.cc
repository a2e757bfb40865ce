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
    "add counter bridge dove df_set\n"
    "add counter bridge dove group_too_long\n";

// The kernel answers no IPv4 packet to a group, and what it answers to an IPv6 one comes from the
// group's address, which the bridge drops.
std::string group_rules(const TooLong& too_long) {
  const auto count = "counter name group_too_long";
  return fresh_chain("bridge dove groups_away") +
         rule("bridge dove forward",
              "ether daddr & 01:00:00:00:00:00 == 01:00:00:00:00:00 "
              R"(oifname "dvx*" goto groups_away)") +
         rule("bridge dove groups_away",
              fmt::format("ip length > {} {}", too_long.above,
                          too_long.set_df ? count : "ip frag-off set ip frag-off & 0xbfff")) +
         rule("bridge dove groups_away",
              fmt::format("ip6 length > {} {}", too_long.above - kIpv6Header, count));
}

std::string df_rules(std::uint32_t above) {
  return rule("bridge dove forward",
              fmt::format(R"(oifname "dvx*" ip length > {} ip frag-off & 0x4000 == 0 )"
                          "counter name df_set ip frag-off set ip frag-off | 0x4000",
                          above));
}

std::string routed_answer_rules(std::uint32_t above, const std::string& router) {
  std::string text = fresh_chain("bridge dove routed_away") +
                     rule("bridge dove forward",
                          fmt::format(R"(ether daddr {} oifname "dvx*" goto routed_away)", router));
  for (const auto& length :
       {fmt::format("ip length > {}", above), fmt::format("ip6 length > {}", above - kIpv6Header)})
    text += rule("bridge dove routed_away",
                 length + " update @routed_senders { meta mark : ether saddr }");
  text += fresh_chain("bridge dove routed_back") +
          rule("bridge dove prerouting",
               fmt::format(R"(ether daddr {} iifname "dvx*" goto routed_back)", router));
  for (const auto* answer :
       {"icmp type destination-unreachable icmp code frag-needed", "icmpv6 type packet-too-big"})
    text +=
        rule("bridge dove routed_back", fmt::format("{} counter name routed_answers "
                                                    "ether daddr set meta mark map @routed_senders",
                                                    answer));
  return text;
}

}  // namespace

std::string too_long_ruleset(const TooLong& too_long) {
  if (too_long.above == 0) return {};
  std::string text = kObjects + group_rules(too_long);
  if (too_long.set_df) text += df_rules(too_long.above);
  if (too_long.router) text += routed_answer_rules(too_long.above, too_long.router->to_string());
  return text;
}

}  // namespace dove::agent
