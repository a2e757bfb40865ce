// Golden text of everything that dovectl shows. The JSON keys are a contract.
#include "api/convert.h"
#include "cli/records.h"
#include "core/vtep.h"
#include "tests/catch.h"
#include "tests/unit/cli/harness.h"

namespace dove::cli {
namespace {

std::string ip(std::string_view text) { return api::to_bytes(*IpAddress::parse(text)); }
std::string mac(std::string_view text) { return api::to_bytes(*MacAddress::parse(text)); }

v1::Endpoint endpoint(bool attached) {
  v1::Endpoint endpoint;
  endpoint.set_name("vm1");
  endpoint.set_network("web");
  endpoint.set_tenant("red");
  endpoint.set_vni(100);
  endpoint.set_mac(mac("52:54:00:00:00:01"));
  endpoint.add_ips(ip("10.1.0.5"));
  endpoint.add_ips(ip("2001:db8::5"));
  endpoint.add_shared_ips(ip("10.1.0.9"));
  endpoint.set_revision(9);
  if (!attached) return endpoint;
  endpoint.add_held_ips(ip("10.1.0.9"));
  endpoint.set_state(v1::Attachment::ACTIVE);
  endpoint.set_host("kvm1");
  endpoint.set_vtep(ip("192.0.2.11"));
  endpoint.set_vtep_port(4789);
  endpoint.set_generation(3);
  return endpoint;
}

v1::Network network() {
  v1::Network network;
  network.set_name("web");
  network.set_tenant("red");
  network.set_vni(100);
  auto* const v4 = network.add_subnets();
  v4->set_network(ip("10.1.0.0"));
  v4->set_length(24);
  v4->set_gateway(ip("10.1.0.1"));
  auto* const v6 = network.add_subnets();
  v6->set_network(ip("2001:db8::"));
  v6->set_length(64);
  v6->set_gateway(ip("2001:db8::1"));
  network.set_revision(4);
  return network;
}

template <class T>
std::string text(const T& thing, const Format& format = {}) {
  return to_text(to_record(thing), format);
}
template <class T>
std::string json(const T& thing) {
  return to_json(to_record(thing), false);
}

}  // namespace

TEST_CASE("policy in every form", "[cli]") {
  v1::Policy policy;
  policy.set_tenant("red");
  policy.set_network("db");
  policy.set_other("web");
  policy.set_routing(v1::Tenant::DENY);
  policy.set_revision(7);
  CHECK(text(policy) == "red: between db and web deny\n");
  CHECK(text(policy, {.details = 1}) == "red: between db and web deny revision 7\n");
  CHECK(text(policy, {.brief = true}) ==
        "red              db                       web                      deny\n");
  CHECK(json(policy) ==
        R"({"tenant":"red","network":"db","other":"web","routing":"deny","revision":7})");
}

TEST_CASE("tenant in every form", "[cli]") {
  v1::Tenant tenant;
  tenant.set_name("red");
  tenant.set_routing(v1::Tenant::DENY);
  tenant.set_revision(2);
  CHECK(text(tenant) == "red: routing deny\n");
  CHECK(text(tenant, {.details = 1}) == "red: routing deny revision 2\n");
  CHECK(text(tenant, {.brief = true}) == "red                      deny\n");
  CHECK(json(tenant) == R"({"name":"red","routing":"deny","revision":2})");
}

TEST_CASE("network in every form", "[cli]") {
  CHECK(text(network()) ==
        "web: vni 100 tenant red\n"
        "    subnet 10.1.0.0/24 gateway 10.1.0.1\n"
        "    subnet 2001:db8::/64 gateway 2001:db8::1\n");
  CHECK(text(network(), {.oneline = true}) ==
        "web: vni 100 tenant red\\    subnet 10.1.0.0/24 gateway 10.1.0.1\\    subnet "
        "2001:db8::/64 gateway 2001:db8::1\n");
  CHECK(text(network(), {.brief = true}) ==
        "web                      100      red              10.1.0.0/24 2001:db8::/64\n");
  CHECK(text(network(), {.details = 1})
            .starts_with("web: vni 100 tenant red learn off revision 4\n"));
  CHECK(json(network()) ==
        R"({"name":"web","vni":100,"tenant":"red",)"
        R"("subnets":[{"subnet":"10.1.0.0/24","gateway":"10.1.0.1"},)"
        R"({"subnet":"2001:db8::/64","gateway":"2001:db8::1"}],"learn":false,"revision":4})");
}

TEST_CASE("endpoint, attached and not", "[cli]") {
  CHECK(text(endpoint(true)) ==
        "vm1: network web vni 100 mac 52:54:00:00:00:01 state active host kvm1 vtep 192.0.2.11\n"
        "    ip 10.1.0.5\n    ip 2001:db8::5\n    shared-ip 10.1.0.9\n    holds 10.1.0.9\n");
  CHECK(text(endpoint(false)) ==
        "vm1: network web vni 100 mac 52:54:00:00:00:01 state detached\n"
        "    ip 10.1.0.5\n    ip 2001:db8::5\n    shared-ip 10.1.0.9\n");
  CHECK(text(endpoint(false), {.brief = true}) ==
        "vm1                      web              52:54:00:00:00:01 detached -                "
        "10.1.0.5 2001:db8::5\n");
  CHECK(json(endpoint(true)) ==
        R"({"name":"vm1","network":"web","tenant":"red","vni":100,"mac":"52:54:00:00:00:01",)"
        R"("state":"active","host":"kvm1","vtep":"192.0.2.11",)"
        R"("ips":["10.1.0.5","2001:db8::5"],"shared_ips":["10.1.0.9"],"held_ips":["10.1.0.9"],)"
        R"("generation":3,)"
        R"("revision":9,"dynamic":false})");
  CHECK(json(endpoint(false)) ==
        R"({"name":"vm1","network":"web","tenant":"red","vni":100,"mac":"52:54:00:00:00:01",)"
        R"("state":"detached","host":null,"vtep":null,)"
        R"("ips":["10.1.0.5","2001:db8::5"],"shared_ips":["10.1.0.9"],"held_ips":[],)"
        R"("generation":0,)"
        R"("revision":9,"dynamic":false})");
}

TEST_CASE("host in text and JSON", "[cli]") {
  v1::Host host;
  host.set_name("kvm1");
  host.set_vtep(ip("192.0.2.11"));
  host.set_vtep_port(4790);
  host.set_state(v1::Host::CONNECTED);
  host.set_version("0.1.0");
  host.set_endpoints(5);
  host.set_revision(1);
  CHECK(text(host) == "kvm1: vtep 192.0.2.11:4790 state connected\n");
  CHECK(text(host, {.statistics = 1}) ==
        "kvm1: vtep 192.0.2.11:4790 state connected endpoints 5\n");
  CHECK(json(host) == R"({"name":"kvm1","vtep":"192.0.2.11:4790","state":"connected",)"
                      R"("silent_ms":null,"version":"0.1.0","endpoints":5,"revision":1,)"
                      R"("applied":null})");
  host.set_applied(12);
  CHECK(json(host).ends_with(R"("revision":1,"applied":12})"));
  CHECK(text(host, {.details = 1}).ends_with(" revision 1 applied 12\n"));
  host.clear_applied();
  host.set_state(v1::Host::SUSPECT);
  host.set_silent_ms(12345);
  host.clear_version();
  CHECK(text(host) == "kvm1: vtep 192.0.2.11:4790 state suspect\n");
  CHECK(text(host, {.statistics = 1}) ==
        "kvm1: vtep 192.0.2.11:4790 state suspect silent_ms 12345 endpoints 5\n");
  CHECK(json(host).find(R"("state":"suspect","silent_ms":12345,"version":null)") !=
        std::string::npos);
}

TEST_CASE("port in text and JSON", "[cli]") {
  v1::Port port;
  port.set_dev("tap0");
  port.set_endpoint("vm1");
  port.set_network("web");
  port.set_vni(100);
  port.set_mac(mac("52:54:00:00:00:01"));
  port.add_ips(ip("10.1.0.5"));
  port.set_mtu(1450);
  port.set_state(v1::Port::ACTIVE);
  port.set_generation(3);
  port.set_security(true);
  CHECK(text(port) ==
        "tap0: endpoint vm1 network web vni 100 mac 52:54:00:00:00:01 mtu 1450 state active "
        "security on\n"
        "    ip 10.1.0.5\n");
  CHECK(json(port) ==
        R"({"dev":"tap0","endpoint":"vm1","network":"web","vni":100,"mac":"52:54:00:00:00:01",)"
        R"("mtu":1450,"state":"active","owner":null,"security":true,"learned":0,)"
        R"("ips":["10.1.0.5"],)"
        R"("generation":3})");
  port.set_state(v1::Port::LOST);
  port.set_owner("kvm3");
  CHECK(text(port).find(" state lost owner kvm3 security on") != std::string::npos);
  CHECK(json(port).find(R"("state":"lost","owner":"kvm3")") != std::string::npos);
  port.set_state(v1::Port::ACTIVE);
  port.clear_owner();
  port.clear_endpoint();
  port.clear_mac();
  port.set_learned(2);
  CHECK(text(port).starts_with(
      "tap0: network web vni 100 mtu 1450 state active security on learned 2\n"));
  CHECK(json(port).find(R"("endpoint":null)") != std::string::npos);
}

TEST_CASE("fdb and neighbour in text and JSON", "[cli]") {
  v1::FdbEntry entry;
  entry.set_network("web");
  entry.set_vni(100);
  entry.set_dev("dvx100");
  entry.set_mac(mac("52:54:00:00:00:02"));
  CHECK(text(entry, {}) == "52:54:00:00:00:02 dev dvx100 network web vni 100 remote\n");
  entry.set_host("kvm2");
  entry.set_vtep(ip("192.0.2.12"));
  CHECK(text(entry) ==
        "52:54:00:00:00:02 dev dvx100 network web vni 100 host kvm2 vtep 192.0.2.12 remote\n");
  CHECK(json(entry) ==
        R"({"mac":"52:54:00:00:00:02","dev":"dvx100","network":"web","vni":100,"host":"kvm2",)"
        R"("vtep":"192.0.2.12","kind":"remote","target_vni":null,"error":null})");
  entry.set_target_vni(200);
  CHECK(text(entry).find("remote target-vni 200\n") != std::string::npos);
  CHECK(json(entry).find(R"("target_vni":200)") != std::string::npos);
  entry.set_error("No space left on device");
  CHECK(text(entry).find(" error No space left on device\n") != std::string::npos);

  v1::Neighbour neighbour;
  neighbour.set_network("web");
  neighbour.set_vni(100);
  neighbour.set_dev("dvx100");
  neighbour.set_ip(ip("10.1.0.6"));
  neighbour.set_mac(mac("52:54:00:00:00:02"));
  CHECK(text(neighbour) ==
        "10.1.0.6 mac 52:54:00:00:00:02 dev dvx100 network web vni 100 endpoint\n");
  CHECK(json(neighbour) ==
        R"({"ip":"10.1.0.6","mac":"52:54:00:00:00:02","dev":"dvx100","network":"web","vni":100,)"
        R"("kind":"endpoint","target_vni":null,"error":null})");
}

TEST_CASE("status is an array of one, counters one of many", "[cli]") {
  FakeBackend backend;
  backend.status_reply.set_host("kvm1");
  backend.status_reply.set_version("0.1.0");
  backend.status_reply.set_vtep(ip("192.0.2.11"));
  backend.status_reply.set_mtu(1450);
  backend.status_reply.set_miss_mode("punt");
  backend.status_reply.set_session_age_ms(12);
  backend.status_reply.set_store_id("\x01\xff");
  backend.status_reply.set_problem("no route");
  backend.status_reply.add_notes("n");
  backend.status_reply.set_lost_ports(1);
  CHECK(run_line(backend, "status").out ==
        "kvm1: vtep 192.0.2.11 mtu 1450 miss-mode punt connected off session-age-ms 12 problem no "
        "route lost-ports 1 replicated 0 knowledge-age-ms 0\n    note n\n");
  CHECK(run_line(backend, "-br status").out ==
        "kvm1                     192.0.2.11           -                                off no "
        "route\n");
  CHECK(
      run_line(backend, "-j status").out ==
      R"([{"host":"kvm1","version":"0.1.0","vtep":"192.0.2.11","mtu":1450,"miss_mode":"punt",)"
      R"("controller":null,"connected":false,"session_age_ms":12,"store_id":"01ff",)"
      R"("revision":0,"applied":0,"problem":"no route","notes":["n"],"ports":0,"lost_ports":1,"networks":0,"replicated":0,)"
      R"("knowledge_age_ms":0,"hosts":0,"fdb_entries":0,"neighbours":0,"put_back":0,"differences":0,"mended":0,"refused":0}])"
      "\n");
  auto& counter = *backend.counters_reply.add_counters();
  counter.set_name("misses");
  counter.set_value(18446744073709551615ULL);
  CHECK(run_line(backend, "counters").out == "misses: 18446744073709551615\n");
  CHECK(run_line(backend, "-j counters").out ==
        "[{\"name\":\"misses\",\"dev\":null,\"value\":18446744073709551615,\"p50\":null,"
        "\"p99\":null,\"sum\":null,\"unit\":null}]\n");
  counter.set_dev("tap0");
  CHECK(run_line(backend, "counters").out == "misses: dev tap0 18446744073709551615\n");
}

TEST_CASE("counters: what is measured has a spread", "[cli]") {
  FakeBackend backend;
  auto& counter = *backend.counters_reply.add_counters();
  counter.set_name("answer_time");
  counter.set_value(12);
  auto& spread = *counter.mutable_spread();
  spread.set_sum(5000);
  spread.set_p50(0);
  spread.set_p99(720);
  spread.set_unit("us");
  CHECK(run_line(backend, "counters").out == "answer_time: 12 p50 0 p99 720 unit us\n");
  CHECK(run_line(backend, "-s counters").out == "answer_time: 12 p50 0 p99 720 sum 5000 unit us\n");
  CHECK(run_line(backend, "-j counters").out ==
        "[{\"name\":\"answer_time\",\"dev\":null,\"value\":12,\"p50\":0,\"p99\":720,\"sum\":5000,"
        "\"unit\":\"us\"}]\n");
}

TEST_CASE("addresses of a wrong length are null, not a crash", "[cli]") {
  v1::Endpoint odd;
  odd.set_mac("abc");
  odd.add_ips("12345");
  odd.set_vtep("1");
  CHECK(json(odd).find(R"("mac":null)") != std::string::npos);
  CHECK(json(odd).find(R"("ips":[null])") != std::string::npos);
  CHECK(json(odd).find(R"("vtep":null)") != std::string::npos);
}

TEST_CASE("a kind that is newer than this program", "[cli]") {
  v1::FdbEntry entry;
  entry.set_kind(static_cast<v1::FdbEntry::Kind>(99));
  CHECK(json(entry).find(R"("kind":"unknown")") != std::string::npos);
}

TEST_CASE("monitor in text and JSON", "[cli]") {
  FakeBackend backend;
  v1::Event added;
  added.set_kind(v1::Event::NEIGHBOUR);
  added.mutable_neighbour()->set_dev("dvx100");
  added.mutable_neighbour()->set_network("web");
  added.mutable_neighbour()->set_vni(100);
  added.mutable_neighbour()->set_ip(ip("10.1.0.6"));
  added.mutable_neighbour()->set_mac(mac("52:54:00:00:00:02"));
  auto deleted = added;
  deleted.set_deleted(true);
  v1::Event lost;
  lost.set_kind(v1::Event::LOST_EVENTS);
  v1::Event unknown;
  unknown.set_kind(static_cast<v1::Event::Kind>(4711));
  backend.events = {added, deleted, unknown, lost};

  CHECK(run_line(backend, "monitor").out ==
        "10.1.0.6 mac 52:54:00:00:00:02 dev dvx100 network web vni 100 endpoint\n"
        "Deleted 10.1.0.6 mac 52:54:00:00:00:02 dev dvx100 network web vni 100 endpoint\n"
        "events were lost, look again\n");
  CHECK(run_line(backend, "monitor fdb").out == "events were lost, look again\n");
  CHECK(
      run_line(backend, "-j monitor nei").out ==
      R"([{"event":"neighbour","deleted":false,"ip":"10.1.0.6","mac":"52:54:00:00:00:02",)"
      R"("dev":"dvx100","network":"web","vni":100,"kind":"endpoint","target_vni":null,"error":null}])"
      "\n"
      R"([{"event":"neighbour","deleted":true,"ip":"10.1.0.6","mac":"52:54:00:00:00:02",)"
      R"("dev":"dvx100","network":"web","vni":100,"kind":"endpoint","target_vni":null,"error":null}])"
      "\n"
      R"([{"event":"lost","deleted":false,"problem":"events were lost, look again"}])"
      "\n");
  const auto stamped = run_line(backend, "-ts monitor nei").out;
  CHECK_THAT(stamped, Catch::Matchers::Matches(
                          "\\[\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d\\.\\d{6}[+-]\\d{4}\\] "
                          "10\\.1\\.0\\.6 [^]*\n\\[[^]*\\] Deleted 10\\.1\\.0\\.6 [^]*"));
  CHECK(run_line(backend, "-ts -j monitor nei").out.starts_with("[{\"timestamp\":\"2"));
  CHECK(run_line(backend, "monitor frob").exit == Exit::kWrong);
}

}  // namespace dove::cli
