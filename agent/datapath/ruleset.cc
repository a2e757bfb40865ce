// Only named counters are used: they survive that their rules are renewed. `add X` before
// `delete X` makes a deletion of what may be absent (nft 1.0.6 has no `destroy`).
#include "agent/datapath/ruleset.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>

#include "agent/datapath/nft_listing.h"
#include "agent/datapath/ruleset_text.h"
#include "core/quoted.h"

namespace dove::agent {
namespace {

// Before every other filter of the host: what these drop is nobody's to accept.
constexpr int kPriority = -350;
// Before connection tracking (-200), behind the reassembly that comes with it (-400).
constexpr int kRawPriority = -300;
constexpr int kBridgedPriority = -450;  // before that, too

constexpr std::array kHostCounters{
    "inet host_input",   "inet host_forward",  "inet foreign_punt",        "inet punts_dropped",
    "inet punts_astray", "inet foreign_vxlan", "inet unrouted_sent",       "inet strangers_dropped",
    "arp host_arp",      "bridge host_frame",  "bridge unrouted_received", "bridge unwalled"};

std::string add_chain(std::string_view table, std::string_view name, std::string_view hook,
                      int priority = kPriority) {
  return fresh_hook(fmt::format("{} dove {}", table, name), hook, priority);
}

const char* ip_word(const WallOptions& options) { return options.vtep.is_v4() ? "ip" : "ip6"; }
const char* vtep_set(const WallOptions& options) {
  return options.vtep.is_v4() ? "vteps" : "vteps6";
}

std::string tunnel_to(const WallOptions& options) {
  return fmt::format("udp dport {} {} daddr {}", options.vxlan_port, ip_word(options),
                     options.vtep.to_string());
}

std::string elements(std::string_view verb, const char* set,
                     const std::vector<std::string>& texts) {
  if (texts.empty()) return {};
  return fmt::format("{} element inet dove {} {{ {} }}\n", verb, set, fmt::join(texts, ", "));
}

std::string vtep_elements(const WallOptions& options, std::string_view verb, const auto& vteps) {
  std::vector<std::string> texts;
  for (const IpAddress& vtep : vteps)
    if (vtep.family() == options.vtep.family()) texts.push_back(vtep.to_string());
  return elements(verb, vtep_set(options), texts);
}

std::string tables() {
  std::string text;
  for (const auto* table : {"inet", "arp", "bridge"})
    text += fmt::format("add table {0} dove\nadd set {0} dove ports {{ type ifname; }}\n", table);
  text += "add map bridge dove walled { type ifname : verdict; }\n";
  text += "add set inet dove vteps { type ipv4_addr; }\n";
  text += "add set inet dove vteps6 { type ipv6_addr; }\n";
  text += fmt::format("add set inet dove vnis {{ typeof {}; }}\n", kVxlanVni);
  text += fmt::format("add set inet dove routers {{ typeof {}; }}\n", kInnerSource);
  text += "add set bridge dove routers { type ether_addr; }\n";
  for (const auto* table : {"inet", "bridge"})
    text += fmt::format("add map {} dove homes {{ type mark : verdict; }}\n", table);
  text += fmt::format(
      "add set inet dove punts {{ type mark; size {}; flags dynamic; }}\n"
      "flush set inet dove punts\n",  // its buckets may have an older limit
      kPortLimit + 1);
  for (const std::string_view counter : kHostCounters) {
    const auto space = counter.find(' ');
    text += fmt::format("add counter {} dove {}\n", counter.substr(0, space),
                        counter.substr(space + 1));
  }
  return text;
}

std::string port_mark() { return fmt::format("meta mark & {:#x}", kMarkMask); }
std::string is_unmarked() { return port_mark() + " == 0"; }

std::string inet_rules(const WallOptions& options) {
  std::string text = add_chain("inet", "input", "input");
  for (const auto* from : {R"("dvbr*")", "@ports", R"("dvpunt")"})
    text += rule("inet dove input", fmt::format("iifname {} counter name host_input drop", from));

  // Routed between networks of this host it comes by lo, from doved.
  text +=
      rule("inet dove input",
           fmt::format("iifname != \"lo\" {} {} saddr != @{} counter name strangers_dropped drop",
                       tunnel_to(options), ip_word(options), vtep_set(options)));
  // The kernel takes it at every address of the host, broadcast and multicast ones too. There the
  // port may have other users; but not of our networks.
  text += rule("inet dove input",
               fmt::format("iifname != \"lo\" udp dport {} {} daddr != {} {} {} @vnis counter name "
                           "strangers_dropped drop",
                           options.vxlan_port, ip_word(options), options.vtep.to_string(), kHasVni,
                           kVxlanVni));

  // A mark that others gave it would be taken for a guest's.
  text +=
      rule("inet dove input", fmt::format("{} != 0 udp dport {} meta mark set meta mark & {:#x}",
                                          port_mark(), options.vxlan_port, ~kMarkMask));

  text += add_chain("inet", "forward", "forward");
  // With br_netfilter what is bridged between guests comes here as well.
  text += rule("inet dove forward", R"(iifname "dvbr*" oifname "dvbr*" accept)");
  for (const auto* path : {R"(iifname "dvbr*")", R"(oifname "dvbr*")", "iifname @ports",
                           R"(iifname "dvpunt")", R"(oifname "dvpunt")"})
    text += rule("inet dove forward", fmt::format("{} counter name host_forward drop", path));

  // What carries a guest's mark is judged by its limit alone: the tunnel's own path is the short
  // one.
  text += fresh_chain("inet dove unmarked");
  text += rule("inet dove unmarked", R"(oifname "dvpunt" counter name foreign_punt drop)");
  // A bridge that listens to IGMP joins a group of its own, and would tell the guests.
  text += rule("inet dove unmarked", R"(oifname "dvbr*" ip protocol igmp drop)");
  text += rule("inet dove unmarked",
               fmt::format("udp dport {} meta skuid != {} counter name foreign_vxlan drop",
                           options.vxlan_port, options.uid));
  text += add_chain("inet", "output", "output");
  text += rule("inet dove output", is_unmarked() + " goto unmarked");
  // Whatever port the other host has: of what a guest sent only the tunnel's packets come here.
  text += rule("inet dove output", fmt::format("meta l4proto udp {} != @routers {} vmap @homes",
                                               kInnerSource, port_mark()));
  text += rule("inet dove output", fmt::format(R"(oifname "dvpunt" update @punts {{ {} {} }} )"
                                               "counter name punts_dropped drop",
                                               port_mark(), limit_over(options.limits.punts)));
  // It has lost its address, perhaps. Over IPv4 the `via dvpunt` of the entry is enough; IPv6 takes
  // another device that has a way before the one that is named.
  if (options.punt && options.vtep.is_v6())
    text += rule("inet dove output",
                 fmt::format(R"(ip6 daddr {} oifname != "dvpunt" counter name punts_astray drop)",
                             options.punt->to_string()));
  return text;
}

std::string arp_rules() {
  std::string text = add_chain("arp", "input", "input");
  for (const auto* from : {R"("dvbr*")", "@ports"})
    text += rule("arp dove input", fmt::format("iifname {} counter name host_arp drop", from));
  return text;
}

// `input` of the bridge family is everything a bridge hands to the host, whatever its ethertype.
std::string bridge_rules() {
  std::string text = add_chain("bridge", "prerouting", "prerouting");
  text += rule("bridge dove prerouting", "iifname vmap @walled");
  // Every frame between guests passes here: names of devices are looked at as seldom as can be.
  text += fresh_chain("bridge dove from_tunnel");
  text += rule("bridge dove from_tunnel",
               fmt::format("{0} != 0 ether saddr != @routers {0} vmap @homes", port_mark()));
  text += rule("bridge dove from_tunnel", "oifname != @ports counter name unwalled drop");
  text += add_chain("bridge", "forward", "forward");
  text += rule("bridge dove forward", R"(iifname "dvx*" goto from_tunnel)");
  text +=
      rule("bridge dove forward", is_unmarked() + R"( oifname "dvx*" counter name unwalled drop)");
  text += add_chain("bridge", "input", "input");
  for (const auto* from : {R"("dvx*")", "@ports"})
    text += rule("bridge dove input", fmt::format("iifname {} counter name host_frame drop", from));
  return text;
}

// "port-17" => 17, anything else => 0.
unsigned port_number(std::string_view chain) {
  constexpr std::string_view kPrefix = "port-";
  if (chain.substr(0, kPrefix.size()) != kPrefix) return 0;
  unsigned number = 0;
  for (const char c : chain.substr(kPrefix.size())) {
    if (c < '0' || c > '9' || number > kPortLimit) return 0;
    number = number * 10 + static_cast<unsigned>(c - '0');
  }
  return number <= kPortLimit ? number : 0;
}

// "port-17-queries_dropped" => "port tap0 queries_dropped"; another name as it is.
std::string counter_name(const std::string& name, const std::map<std::string, unsigned>& ports) {
  const auto dash = name.rfind('-');
  if (dash == std::string::npos) return name;
  const unsigned number = port_number(name.substr(0, dash));
  for (const auto& [device, owner] : ports)
    if (owner == number) return fmt::format("port {} {}", device, name.substr(dash + 1));
  return name;
}

}  // namespace

Status check_device_name(std::string_view name) {
  constexpr std::string_view kAllowed =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@+#=,~";
  const bool length = !name.empty() && name.size() <= 15 && name != "." && name != "..";
  if (length && name.find_first_not_of(kAllowed) == std::string_view::npos) return {};
  return Error{ErrorCode::kInvalid,
               fmt::format("{} cannot be a port: expected a device name of 1 to 15 "
                           "letters, digits and ._-@+#=,~",
                           quoted(name))};
}

std::string base_ruleset(const WallOptions& options) {
  return tables() + inet_rules(options) + arp_rules() + bridge_rules() +
         too_long_ruleset(options.too_long);
}

std::string untracked_ruleset(const WallOptions& options) {
  return add_chain("inet", "raw_bridged", "prerouting", kBridgedPriority) +
         rule("inet dove raw_bridged", R"(iifname "dvbr*" notrack)") +
         add_chain("inet", "raw_prerouting", "prerouting", kRawPriority) +
         rule("inet dove raw_prerouting", tunnel_to(options) + " notrack") +
         add_chain("inet", "raw_output", "output", kRawPriority) +
         rule("inet dove raw_output",
              fmt::format("udp dport {} {} saddr {} notrack", options.vxlan_port, ip_word(options),
                          options.vtep.to_string()));
}

std::string known_vteps(const WallOptions& options, const std::set<IpAddress>& all) {
  return fmt::format("flush set inet dove {}\n", vtep_set(options)) +
         vtep_elements(options, "add", all);
}

std::string known_vteps(const WallOptions& options, const VtepChange& change) {
  return vtep_elements(options, "add", change.add) + vtep_elements(options, "add", change.remove) +
         vtep_elements(options, "delete", change.remove);
}

std::string known_networks(std::string_view verb, const std::set<Vni>& networks) {
  std::vector<std::string> texts;
  for (const Vni vni : networks) texts.push_back(vni.to_string());
  return elements(verb, "vnis", texts);
}

std::string no_networks() { return "flush set inet dove vnis\n"; }

std::string known_router(const MacAddress& router) {
  std::uint64_t number = 0;
  for (const auto byte : router.wire()) number = number << 8U | std::to_integer<unsigned>(byte);
  return fmt::format(
      "flush set inet dove routers\nadd element inet dove routers {{ {} }}\n"
      "flush set bridge dove routers\nadd element bridge dove routers {{ {} }}\n",
      number, router.to_string());
}

std::string no_ports() {
  std::string text =
      "flush map bridge dove walled\nflush map inet dove homes\nflush map bridge dove homes\n";
  for (const auto* table : {"inet", "arp", "bridge"})
    text += fmt::format("flush set {} dove ports\n", table);
  return text;
}

std::string removal() {
  std::string text;
  for (const auto* table : {"inet", "arp", "bridge"})
    text += fmt::format("add table {0} dove\ndelete table {0} dove\n", table);
  return text;
}

Result<std::map<std::string, unsigned>> parse_ports(std::string_view json) {
  std::map<std::string, unsigned> ports;
  const auto status = each_object(json, "map", [&](const nlohmann::json& map) {
    if (!map.contains("elem")) return;
    for (const auto& element : map.at("elem"))
      if (const auto number = port_number(element.at(1).at("goto").at("target").get<std::string>());
          number != 0)
        ports[element.at(0).get<std::string>()] = number;
  });
  if (!status) return status.error();
  return ports;
}

Result<std::map<std::string, std::uint64_t>> parse_counters(
    std::string_view json, const std::map<std::string, unsigned>& ports) {
  std::map<std::string, std::uint64_t> counters;
  const auto status = each_object(json, "counter", [&](const nlohmann::json& counter) {
    if (counter.at("table") != "dove") return;
    counters[counter_name(counter.at("name").get<std::string>(), ports)] =
        counter.at("packets").get<std::uint64_t>();
  });
  if (!status) return status.error();
  return counters;
}

}  // namespace dove::agent
