#include "agent/datapath/ruleset.h"

#include <set>

#include "tests/catch.h"

namespace dove::agent {
namespace {

const WallOptions kOptions{.vtep = *IpAddress::parse("192.0.2.1"),
                           .vxlan_port = 4789,
                           .uid = 108,
                           .log_group = 7,
                           .limits = {}};

TEST_CASE("the base: the host's stack, the tunnel and the punt") {
  CHECK(base_ruleset(kOptions) == R"(add table inet dove
add set inet dove ports { type ifname; }
add table arp dove
add set arp dove ports { type ifname; }
add table bridge dove
add set bridge dove ports { type ifname; }
add map bridge dove walled { type ifname : verdict; }
add set inet dove vteps { type ipv4_addr; }
add set inet dove vteps6 { type ipv6_addr; }
add set inet dove vnis { typeof @th,96,24; }
add set inet dove routers { typeof @th,176,48; }
add set bridge dove routers { type ether_addr; }
add map inet dove homes { type mark : verdict; }
add map bridge dove homes { type mark : verdict; }
add set inet dove punts { type mark; size 4096; flags dynamic; }
flush set inet dove punts
add counter inet dove host_input
add counter inet dove host_forward
add counter inet dove foreign_punt
add counter inet dove punts_dropped
add counter inet dove punts_astray
add counter inet dove foreign_vxlan
add counter inet dove unrouted_sent
add counter inet dove strangers_dropped
add counter arp dove host_arp
add counter bridge dove host_frame
add counter bridge dove unrouted_received
add counter bridge dove unwalled
add chain inet dove input { type filter hook input priority -350; policy accept; }
flush chain inet dove input
add rule inet dove input iifname "dvbr*" counter name host_input drop
add rule inet dove input iifname @ports counter name host_input drop
add rule inet dove input iifname "dvpunt" counter name host_input drop
add rule inet dove input iifname != "lo" udp dport 4789 ip daddr 192.0.2.1 ip saddr != @vteps counter name strangers_dropped drop
add rule inet dove input iifname != "lo" udp dport 4789 ip daddr != 192.0.2.1 @th,64,8 & 0x08 == 0x08 @th,96,24 @vnis counter name strangers_dropped drop
add rule inet dove input meta mark & 0xfff00000 != 0 udp dport 4789 meta mark set meta mark & 0xfffff
add chain inet dove forward { type filter hook forward priority -350; policy accept; }
flush chain inet dove forward
add rule inet dove forward iifname "dvbr*" oifname "dvbr*" accept
add rule inet dove forward iifname "dvbr*" counter name host_forward drop
add rule inet dove forward oifname "dvbr*" counter name host_forward drop
add rule inet dove forward iifname @ports counter name host_forward drop
add rule inet dove forward iifname "dvpunt" counter name host_forward drop
add rule inet dove forward oifname "dvpunt" counter name host_forward drop
add chain inet dove unmarked
flush chain inet dove unmarked
add rule inet dove unmarked oifname "dvpunt" counter name foreign_punt drop
add rule inet dove unmarked oifname "dvbr*" ip protocol igmp drop
add rule inet dove unmarked udp dport 4789 meta skuid != 108 counter name foreign_vxlan drop
add chain inet dove output { type filter hook output priority -350; policy accept; }
flush chain inet dove output
add rule inet dove output meta mark & 0xfff00000 == 0 goto unmarked
add rule inet dove output meta l4proto udp @th,176,48 != @routers meta mark & 0xfff00000 vmap @homes
add rule inet dove output oifname "dvpunt" update @punts { meta mark & 0xfff00000 limit rate over 20000/second burst 200 packets } counter name punts_dropped drop
add chain arp dove input { type filter hook input priority -350; policy accept; }
flush chain arp dove input
add rule arp dove input iifname "dvbr*" counter name host_arp drop
add rule arp dove input iifname @ports counter name host_arp drop
add chain bridge dove prerouting { type filter hook prerouting priority -350; policy accept; }
flush chain bridge dove prerouting
add rule bridge dove prerouting iifname vmap @walled
add chain bridge dove from_tunnel
flush chain bridge dove from_tunnel
add rule bridge dove from_tunnel meta mark & 0xfff00000 != 0 ether saddr != @routers meta mark & 0xfff00000 vmap @homes
add rule bridge dove from_tunnel oifname != @ports counter name unwalled drop
add chain bridge dove forward { type filter hook forward priority -350; policy accept; }
flush chain bridge dove forward
add rule bridge dove forward iifname "dvx*" goto from_tunnel
add rule bridge dove forward meta mark & 0xfff00000 == 0 oifname "dvx*" counter name unwalled drop
add chain bridge dove input { type filter hook input priority -350; policy accept; }
flush chain bridge dove input
add rule bridge dove input iifname "dvx*" counter name host_frame drop
add rule bridge dove input iifname @ports counter name host_frame drop
)");
}

IpAddress ip(const char* text) { return *IpAddress::parse(text); }

TEST_CASE("VXLAN comes from known VTEPs of our family, and is not tracked") {
  CHECK(
      untracked_ruleset(kOptions) ==
      R"(add chain inet dove raw_bridged { type filter hook prerouting priority -450; policy accept; }
flush chain inet dove raw_bridged
add rule inet dove raw_bridged iifname "dvbr*" notrack
add chain inet dove raw_prerouting { type filter hook prerouting priority -300; policy accept; }
flush chain inet dove raw_prerouting
add rule inet dove raw_prerouting udp dport 4789 ip daddr 192.0.2.1 notrack
add chain inet dove raw_output { type filter hook output priority -300; policy accept; }
flush chain inet dove raw_output
add rule inet dove raw_output udp dport 4789 ip saddr 192.0.2.1 notrack
)");
  CHECK(known_vteps(kOptions, std::set{ip("192.0.2.2"), ip("192.0.2.3"), ip("2001:db8::2")}) ==
        "flush set inet dove vteps\nadd element inet dove vteps { 192.0.2.2, 192.0.2.3 }\n");
  CHECK(known_vteps(kOptions, std::set<IpAddress>{}) == "flush set inet dove vteps\n");
  // What is not there can be taken out all the same.
  CHECK(known_vteps(kOptions, VtepChange{{ip("192.0.2.4")}, {ip("192.0.2.2")}}) ==
        "add element inet dove vteps { 192.0.2.4 }\nadd element inet dove vteps { 192.0.2.2 }\n"
        "delete element inet dove vteps { 192.0.2.2 }\n");
  CHECK(known_vteps(kOptions, VtepChange{}).empty());

  CHECK(known_networks("add", {*Vni::from(100), *Vni::from(16777215)}) ==
        "add element inet dove vnis { 100, 16777215 }\n");
  CHECK(known_networks("delete", {}).empty());
  CHECK(known_router(*MacAddress::parse("02:00:5e:00:00:fe")) ==
        "flush set inet dove routers\nadd element inet dove routers { 2200600314110 }\n"
        "flush set bridge dove routers\nadd element bridge dove routers { 02:00:5e:00:00:fe }\n");

  WallOptions options = kOptions;
  options.vtep = ip("2001:db8::1");
  options.vxlan_port = 8472;
  CHECK(base_ruleset(options).find("udp dport 8472 ip6 daddr 2001:db8::1 ip6 saddr != @vteps6 "
                                   "counter name strangers_dropped drop") != std::string::npos);
  CHECK(untracked_ruleset(options).find("udp dport 8472 ip6 saddr 2001:db8::1 notrack") !=
        std::string::npos);
  CHECK(known_vteps(options, std::set{ip("192.0.2.2"), ip("2001:db8::2")}) ==
        "flush set inet dove vteps6\nadd element inet dove vteps6 { 2001:db8::2 }\n");
}

TEST_CASE("a secured port: its guest is itself only") {
  const WalledPort port{"tap0", 17, *Vni::from(100),
                        GuestIdentity{*MacAddress::parse("02:00:00:00:00:0a"),
                                      {ip("10.0.0.1"), ip("fd00::1"), ip("10.0.0.2")}}};
  const auto text = port_ruleset(kOptions, port);
  const auto from = text.find("add counter bridge dove port-17-foreign_mac_dropped");
  REQUIRE(from != std::string::npos);
  CHECK(text.substr(from) == R"(add counter bridge dove port-17-foreign_mac_dropped
add counter bridge dove port-17-foreign_ip_dropped
add counter bridge dove port-17-forged_arp_dropped
add counter bridge dove port-17-forged_nd_dropped
add counter bridge dove port-17-dhcp_server_dropped
add counter bridge dove port-17-router_dropped
add counter bridge dove port-17-hidden_dropped
add set bridge dove port-17-own4 { type ether_addr . ipv4_addr; }
flush set bridge dove port-17-own4
add set bridge dove port-17-own6 { type ether_addr . ipv6_addr; }
flush set bridge dove port-17-own6
add element bridge dove port-17-own4 { 02:00:00:00:00:0a . 10.0.0.1, 02:00:00:00:00:0a . 10.0.0.2 }
add element bridge dove port-17-own6 { 02:00:00:00:00:0a . fe80::ff:fe00:a, 02:00:00:00:00:0a . fd00::1 }
add chain bridge dove port-17-ip4
flush chain bridge dove port-17-ip4
add chain bridge dove port-17-ip6
flush chain bridge dove port-17-ip6
add chain bridge dove port-17-arp
flush chain bridge dove port-17-arp
add chain bridge dove port-17-icmp6
flush chain bridge dove port-17-icmp6
add chain bridge dove port-17-nd
flush chain bridge dove port-17-nd
add chain bridge dove port-17-strange
flush chain bridge dove port-17-strange
add rule bridge dove port-17-ip4 udp sport 67 counter name port-17-dhcp_server_dropped drop
add rule bridge dove port-17-ip4 udp dport 68 counter name port-17-dhcp_server_dropped drop
add rule bridge dove port-17-ip4 ether saddr . ip saddr @port-17-own4 accept
add rule bridge dove port-17-ip4 ether saddr != 02:00:00:00:00:0a counter name port-17-foreign_mac_dropped drop
add rule bridge dove port-17-ip4 ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept
add rule bridge dove port-17-ip4 ip saddr 0.0.0.0 ip protocol igmp accept
add rule bridge dove port-17-ip4 counter name port-17-foreign_ip_dropped drop
add rule bridge dove port-17-ip6 ip6 nexthdr { 0, 43, 44, 60 } frag nexthdr { 0, 43, 60 } counter name port-17-hidden_dropped drop
add rule bridge dove port-17-ip6 meta l4proto ipv6-icmp goto port-17-icmp6
add rule bridge dove port-17-ip6 udp sport 547 counter name port-17-dhcp_server_dropped drop
add rule bridge dove port-17-ip6 udp dport 546 counter name port-17-dhcp_server_dropped drop
add rule bridge dove port-17-ip6 ether saddr . ip6 saddr @port-17-own6 accept
add rule bridge dove port-17-ip6 ether saddr != 02:00:00:00:00:0a counter name port-17-foreign_mac_dropped drop
add rule bridge dove port-17-ip6 counter name port-17-foreign_ip_dropped drop
add rule bridge dove port-17-arp arp htype 1 arp ptype ip arp hlen 6 arp plen 4 arp operation request arp saddr ether 02:00:00:00:00:0a arp saddr ip 0.0.0.0 goto port-17-queries
add rule bridge dove port-17-arp arp htype 1 arp ptype ip arp hlen 6 arp plen 4 arp saddr ether . arp saddr ip @port-17-own4 arp operation request goto port-17-queries
add rule bridge dove port-17-arp arp htype 1 arp ptype ip arp hlen 6 arp plen 4 arp saddr ether . arp saddr ip @port-17-own4 goto port-17-announcements
add rule bridge dove port-17-arp counter name port-17-forged_arp_dropped drop
add rule bridge dove port-17-icmp6 icmpv6 type { nd-router-advert, nd-redirect } counter name port-17-router_dropped drop
add rule bridge dove port-17-icmp6 icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit } ip6 nexthdr != ipv6-icmp counter name port-17-forged_nd_dropped drop
add rule bridge dove port-17-icmp6 ether saddr . ip6 saddr @port-17-own6 goto port-17-nd
add rule bridge dove port-17-icmp6 ether saddr != 02:00:00:00:00:0a counter name port-17-foreign_mac_dropped drop
add rule bridge dove port-17-icmp6 ip6 saddr :: icmpv6 type { nd-neighbor-solicit, nd-router-solicit, mld-listener-report, mld2-listener-report } goto port-17-nd
add rule bridge dove port-17-icmp6 ip6 saddr fe80::/10 icmpv6 type { nd-neighbor-solicit, nd-router-solicit, mld-listener-report, mld2-listener-report } goto port-17-strange
add rule bridge dove port-17-icmp6 counter name port-17-foreign_ip_dropped drop
add rule bridge dove port-17-nd icmpv6 type nd-neighbor-solicit ip6 length 24 goto port-17-queries
add rule bridge dove port-17-nd icmpv6 type nd-neighbor-solicit ip6 length 32 @th,192,64 0x010102000000000a goto port-17-queries
add rule bridge dove port-17-nd icmpv6 type nd-neighbor-solicit ip6 length 32 ip6 saddr :: @th,192,16 0x0e01 goto port-17-queries
add rule bridge dove port-17-nd icmpv6 type nd-neighbor-solicit ip6 length 40 @th,192,64 0x010102000000000a @th,256,16 0x0e01 goto port-17-queries
add rule bridge dove port-17-nd icmpv6 type nd-router-solicit ip6 length 8 goto port-17-queries
add rule bridge dove port-17-nd icmpv6 type nd-router-solicit ip6 length 16 @th,64,64 0x010102000000000a goto port-17-queries
add rule bridge dove port-17-nd icmpv6 type nd-neighbor-advert @th,64,128 { 0xfe80000000000000000000fffe00000a, 0xfd000000000000000000000000000001 } ip6 length 24 goto port-17-announcements
add rule bridge dove port-17-nd icmpv6 type nd-neighbor-advert @th,64,128 { 0xfe80000000000000000000fffe00000a, 0xfd000000000000000000000000000001 } ip6 length 32 @th,192,64 0x020102000000000a goto port-17-announcements
add rule bridge dove port-17-nd icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert, nd-router-solicit } counter name port-17-forged_nd_dropped drop
add rule bridge dove port-17-nd icmpv6 type { mld-listener-report, mld2-listener-report } goto port-17-announcements
add rule bridge dove port-17-strange limit rate over 100/second burst 100 packets counter name port-17-announcements_dropped drop
add rule bridge dove port-17-strange log group 7 snaplen 512
add rule bridge dove port-17-strange counter name port-17-foreign_ip_dropped drop
add chain inet dove port-17-home
flush chain inet dove port-17-home
add rule inet dove port-17-home @th,96,24 != 100 counter name unrouted_sent drop
add chain bridge dove port-17-home
flush chain bridge dove port-17-home
add rule bridge dove port-17-home iifname != "dvx100" counter name unrouted_received drop
add chain bridge dove port-17
flush chain bridge dove port-17
add rule bridge dove port-17 meta mark set meta mark & 0xfffff | 0x1100000
add rule bridge dove port-17 ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00 counter name port-17-reserved_dropped drop
add rule bridge dove port-17 ether type ip goto port-17-ip4
add rule bridge dove port-17 ether type ip6 goto port-17-ip6
add rule bridge dove port-17 ether type { 8021q, 8021ad } counter name port-17-tagged_dropped drop
add rule bridge dove port-17 ether saddr != 02:00:00:00:00:0a counter name port-17-foreign_mac_dropped drop
add rule bridge dove port-17 ether type arp goto port-17-arp
add rule bridge dove port-17 ether type 0x8035 goto port-17-announcements
add element inet dove ports { "tap0" }
add element arp dove ports { "tap0" }
add element bridge dove ports { "tap0" }
add element inet dove homes { 17825792 : jump port-17-home }
add element bridge dove homes { 17825792 : jump port-17-home }
add element bridge dove walled { "tap0" : goto port-17 }
)");
}

TEST_CASE("a secured port whose endpoint has no addresses has its link-local one") {
  const WalledPort port{"tap0", 1, *Vni::from(100),
                        GuestIdentity{*MacAddress::parse("52:54:00:12:34:56"), {}}};
  const auto text = port_ruleset(kOptions, port);
  CHECK(text.find("add element bridge dove port-1-own4") == std::string::npos);
  CHECK(text.find("add element bridge dove port-1-own6 { 52:54:00:12:34:56 . "
                  "fe80::5054:ff:fe12:3456 }\n") != std::string::npos);
}

TEST_CASE("a port: what it is marked with, what it may not send, what is heard of it") {
  CHECK(port_ruleset(kOptions, {"tap0", 17, *Vni::from(100)}) ==
        R"(add counter bridge dove port-17-tagged_dropped
add counter bridge dove port-17-reserved_dropped
add counter bridge dove port-17-queries_dropped
add counter bridge dove port-17-announcements_dropped
add chain bridge dove port-17-queries
flush chain bridge dove port-17-queries
add rule bridge dove port-17-queries limit rate over 2000/second burst 1000 packets counter name port-17-queries_dropped drop
add rule bridge dove port-17-queries log group 7 snaplen 512
add rule bridge dove port-17-queries accept
add chain bridge dove port-17-announcements
flush chain bridge dove port-17-announcements
add rule bridge dove port-17-announcements limit rate over 100/second burst 100 packets counter name port-17-announcements_dropped drop
add rule bridge dove port-17-announcements log group 7 snaplen 512
add rule bridge dove port-17-announcements accept
add counter bridge dove port-17-forged_router_dropped
add chain inet dove port-17-home
flush chain inet dove port-17-home
add rule inet dove port-17-home @th,96,24 != 100 counter name unrouted_sent drop
add chain bridge dove port-17-home
flush chain bridge dove port-17-home
add rule bridge dove port-17-home iifname != "dvx100" counter name unrouted_received drop
add chain bridge dove port-17
flush chain bridge dove port-17
add rule bridge dove port-17 meta mark set meta mark & 0xfffff | 0x1100000
add rule bridge dove port-17 ether type { 8021q, 8021ad } counter name port-17-tagged_dropped drop
add rule bridge dove port-17 ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00 counter name port-17-reserved_dropped drop
add rule bridge dove port-17 ether saddr @routers counter name port-17-forged_router_dropped drop
add rule bridge dove port-17 ether type ip accept
add rule bridge dove port-17 ether type arp arp operation request goto port-17-queries
add rule bridge dove port-17 ether type { arp, 0x8035 } goto port-17-announcements
add rule bridge dove port-17 icmpv6 type { nd-neighbor-solicit, nd-router-solicit } goto port-17-queries
add rule bridge dove port-17 icmpv6 type { nd-neighbor-advert, nd-router-advert, mld-listener-report, mld2-listener-report } goto port-17-announcements
add element inet dove ports { "tap0" }
add element arp dove ports { "tap0" }
add element bridge dove ports { "tap0" }
add element inet dove homes { 17825792 : jump port-17-home }
add element bridge dove homes { 17825792 : jump port-17-home }
add element bridge dove walled { "tap0" : goto port-17 }
)");
}

TEST_CASE("limits are the options'") {
  WallOptions options = kOptions;
  options.limits.punts = {5, 6};
  options.limits.queries = {7, 8};
  options.limits.announcements = {9, 10};
  CHECK(base_ruleset(options).find("limit rate over 5/second burst 6 packets") !=
        std::string::npos);
  const auto port = port_ruleset(options, {"tap0", 1, *Vni::from(100)});
  CHECK(port.find("port-1-queries limit rate over 7/second burst 8 packets") != std::string::npos);
  CHECK(port.find("port-1-announcements limit rate over 9/second burst 10 packets") !=
        std::string::npos);
}

TEST_CASE("over IPv6 what is for dvpunt leaves by no other device") {
  WallOptions options = kOptions;
  options.vtep = ip("2001:db8::1");
  options.punt = Prefix::parse("100::/127");
  CHECK(base_ruleset(options).find("add rule inet dove output ip6 daddr 100::/127 oifname != "
                                   "\"dvpunt\" counter name punts_astray drop\n") !=
        std::string::npos);
}

TEST_CASE("over IPv6 what is too long may not be fragmented, so that it is answered") {
  WallOptions options = kOptions;
  options.too_long = {.above = 1430, .set_df = true, .router = {}};
  CHECK(
      base_ruleset(options) ==
      base_ruleset(kOptions) +
          R"(add map bridge dove routed_senders { type mark : ether_addr; size 4096; flags dynamic,timeout; timeout 10s; }
add counter bridge dove routed_answers
add counter bridge dove df_set
add counter bridge dove group_too_long
add chain bridge dove groups_away
flush chain bridge dove groups_away
add rule bridge dove forward ether daddr & 01:00:00:00:00:00 == 01:00:00:00:00:00 oifname "dvx*" goto groups_away
add rule bridge dove groups_away ip length > 1430 counter name group_too_long
add rule bridge dove groups_away ip6 length > 1390 counter name group_too_long
add rule bridge dove forward oifname "dvx*" ip length > 1430 ip frag-off & 0x4000 == 0 counter name df_set ip frag-off set ip frag-off | 0x4000
)");
}

TEST_CASE("the answer to what was routed and too long finds the guest") {
  WallOptions options = kOptions;
  options.too_long = {.above = 1450, .router = MacAddress::parse("02:00:5e:00:00:fe")};
  CHECK(
      base_ruleset(options) ==
      base_ruleset(kOptions) +
          R"(add map bridge dove routed_senders { type mark : ether_addr; size 4096; flags dynamic,timeout; timeout 10s; }
add counter bridge dove routed_answers
add counter bridge dove df_set
add counter bridge dove group_too_long
add chain bridge dove groups_away
flush chain bridge dove groups_away
add rule bridge dove forward ether daddr & 01:00:00:00:00:00 == 01:00:00:00:00:00 oifname "dvx*" goto groups_away
add rule bridge dove groups_away ip length > 1450 ip frag-off set ip frag-off & 0xbfff
add rule bridge dove groups_away ip6 length > 1410 counter name group_too_long
add chain bridge dove routed_away
flush chain bridge dove routed_away
add rule bridge dove forward ether daddr 02:00:5e:00:00:fe oifname "dvx*" goto routed_away
add rule bridge dove routed_away ip length > 1450 update @routed_senders { meta mark : ether saddr }
add rule bridge dove routed_away ip6 length > 1410 update @routed_senders { meta mark : ether saddr }
add chain bridge dove routed_back
flush chain bridge dove routed_back
add rule bridge dove prerouting ether daddr 02:00:5e:00:00:fe iifname "dvx*" goto routed_back
add rule bridge dove routed_back icmp type destination-unreachable icmp code frag-needed counter name routed_answers ether daddr set meta mark map @routed_senders
add rule bridge dove routed_back icmpv6 type packet-too-big counter name routed_answers ether daddr set meta mark map @routed_senders
)");
}

TEST_CASE("a device name that nft would read as something else is refused") {
  for (const auto* good : {"tap0", "vnet12", "eth0.100", "a@b", "fifteen-letters"})
    CHECK(check_device_name(good));
  for (const auto* bad : {"", ".", "..", "sixteen--letters", "a\"b", "a b", "a;b", "a{b", "tap*",
                          "a\\", "a/b", "a\n"})
    CHECK_FALSE(check_device_name(bad));
}

TEST_CASE("the numbers of the ports are read from nft's listing") {
  // nft 1.0.6: nft -j list map bridge dove walled
  const auto ports = parse_ports(
      R"({"nftables": [{"metainfo": {"version": "1.0.6", "release_name": "Lester Gooch #5",
      "json_schema_version": 1}}, {"map": {"family": "bridge", "name": "walled", "table": "dove",
      "type": "ifname", "handle": 4, "map": "verdict", "elem": [["tap0", {"goto": {"target":
      "port-1"}}], ["vnet7", {"goto": {"target": "port-4095"}}]]}}]})");
  REQUIRE(ports);
  CHECK(*ports == std::map<std::string, unsigned>{{"tap0", 1}, {"vnet7", 4095}});
  const auto none = parse_ports(R"({"nftables": [{"map": {"name": "walled", "table": "dove"}}]})");
  REQUIRE(none);
  CHECK(none->empty());
}

TEST_CASE("a foreign chain is no port, and what is no listing is an error") {
  const auto ports = parse_ports(
      R"({"nftables": [{"map": {"elem": [["a", {"goto": {"target": "port-"}}],
      ["b", {"goto": {"target": "port-4096"}}], ["c", {"goto": {"target": "port-1x"}}],
      ["d", {"goto": {"target": "port-99999999999999999999"}}]]}}]})");
  REQUIRE(ports);
  CHECK(ports->empty());
  for (const auto* text :
       {"", "{", "[]", "{}", R"({"nftables": 1})", R"({"nftables": [{"map": {"elem": ["tap0"]}}]})",
        R"({"nftables": [{"map": {"elem": [["tap0", 1]]}}]})"})
    CHECK_FALSE(parse_ports(text));
}

TEST_CASE("counters are told by the device's name, foreign tables' not at all") {
  const auto counters = parse_counters(
      R"({"nftables": [{"counter": {"family": "inet", "name": "host_input", "table": "dove",
      "handle": 2, "packets": 5, "bytes": 300}}, {"counter": {"family": "bridge",
      "name": "port-17-queries_dropped", "table": "dove", "handle": 3, "packets": 7, "bytes": 1}},
      {"counter": {"family": "inet", "name": "host_input", "table": "other", "packets": 9}}]})",
      {{"tap0", 17}});
  REQUIRE(counters);
  CHECK(*counters ==
        std::map<std::string, std::uint64_t>{{"host_input", 5}, {"port tap0 queries_dropped", 7}});
}

}  // namespace
}  // namespace dove::agent
