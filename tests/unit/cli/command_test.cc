// What a command line asks the daemons for, and what it says when it is wrong.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tests/catch.h"
#include "tests/unit/cli/harness.h"

namespace dove::cli {
namespace {

v1::Operation asked(std::string_view line) {
  FakeBackend backend;
  const auto outcome = run_line(backend, line);
  INFO(line << ": " << outcome.err);
  REQUIRE(outcome.exit == Exit::kDone);
  CHECK(outcome.out.empty());
  CHECK(outcome.err.empty());
  REQUIRE(backend.operations.size() == 1);
  return backend.operations.front();
}

// The line on stderr. The daemons have not been asked for anything.
std::string wrong(std::string_view line) {
  FakeBackend backend;
  const auto outcome = run_line(backend, line);
  INFO(line);
  CHECK(outcome.exit == Exit::kWrong);
  CHECK(outcome.out.empty());
  CHECK(backend.operations.empty());
  CHECK(backend.shows.empty());
  REQUIRE(!outcome.err.empty());
  CHECK(outcome.err.find('\n') == outcome.err.size() - 1);
  return outcome.err.substr(0, outcome.err.size() - 1);
}

std::string refused(std::string_view line) {
  FakeBackend backend;
  const auto outcome = run_line(backend, line);
  INFO(line);
  CHECK(outcome.exit == Exit::kRefused);
  CHECK(outcome.out.empty());
  CHECK(backend.operations.empty());
  CHECK(backend.port_adds.empty());
  return outcome.err;
}

std::string incomplete_line(std::string_view expected) {
  return "Command line is not complete. Try option \"help\" (expected " + std::string{expected} +
         ")";
}

}  // namespace

TEST_CASE("tenant", "[cli]") {
  CHECK(asked("tenant add red").tenant_add().name() == "red");
  CHECK(asked("t del red").tenant_del() == "red");
  CHECK(asked("tenant delete red").tenant_del() == "red");
  const auto set = asked("tenant set red routing deny").tenant_set();
  CHECK(set.name() == "red");
  CHECK(set.routing() == v1::Tenant::DENY);
  // What is not said is not sent: the controller compares it with nothing.
  CHECK_FALSE(asked("tenant add red").tenant_add().has_routing());
  CHECK(wrong("tenant add") == incomplete_line("a name"));
  CHECK(wrong("tenant set red") == incomplete_line("what to set"));
  CHECK(wrong("tenant set red routing") == incomplete_line("a value behind \"routing\""));
  CHECK(wrong("tenant set red routing maybe") ==
        "Error: argument \"maybe\" is wrong: expected allow or deny");
  CHECK(wrong("tenant add red blue") ==
        "Error: argument \"blue\" is wrong: nothing is expected here");
  CHECK(wrong("tenant add a/b") ==
        "Error: argument \"a/b\" is wrong: \"/\" is not one of A-Z a-z 0-9 . _ -");
}

TEST_CASE("network", "[cli]") {
  const auto add =
      asked(
          "network add web tenant red vni 100 subnet 10.1.0.0/24 gateway 10.1.0.254 subnet "
          "2001:db8::/64 learn on")
          .network_add();
  CHECK(add.name() == "web");
  CHECK(add.tenant() == "red");
  CHECK(add.vni() == 100);
  CHECK(add.learn());
  REQUIRE(add.subnets_size() == 2);
  CHECK(add.subnets(0).network() == std::string("\x0a\x01\x00\x00", 4));
  CHECK(add.subnets(0).length() == 24);
  CHECK(add.subnets(0).gateway() == std::string("\x0a\x01\x00\xfe", 4));
  CHECK(add.subnets(1).length() == 64);
  CHECK(add.subnets(1).gateway().empty());

  const auto chosen =
      asked("network add web tenant red vni auto subnet 10.1.0.0/24 gateway auto").network_add();
  CHECK(chosen.vni() == 0);
  CHECK(chosen.subnets(0).gateway().empty());
  CHECK_FALSE(chosen.has_learn());
  CHECK(asked("network add web tenant red learn off").network_add().has_learn());

  const auto set = asked("network set web learn off").network_set();
  CHECK(set.has_learn());
  CHECK_FALSE(set.learn());
  CHECK(asked("network set web subnet 10.2.0.0/16").network_set().subnets_size() == 1);
  CHECK(asked("network set web subnet 10.2.0.0/16").network_set().subnets(0).gateway().empty());
  CHECK(
      asked("network set web subnet 10.2.0.0/16 gateway auto").network_set().subnets(0).gateway() ==
      std::string("\x0a\x02\x00\x01", 4));

  CHECK(wrong("network add web") == "Not enough information: \"tenant\" argument is required.");
  CHECK(wrong("network set web") == incomplete_line("what to set"));
  CHECK(wrong("network set web vni 5") ==
        "Error: argument \"vni\" is wrong: expected subnet, gateway, learn");
  CHECK(wrong("network add web tenant red vni 1 vni 2") ==
        "Error: duplicate \"vni\": \"2\" is the second value.");
  CHECK(wrong("network add web tenant red gateway 10.0.0.1") ==
        "Error: argument \"gateway\" is wrong: it stands behind the subnet that it is of");
  CHECK(wrong("network add web tenant red subnet 10.0.0.0/24 gateway 10.0.0.1 gateway 10.0.0.2") ==
        "Error: argument \"10.0.0.2\" is wrong: the subnet before it has a gateway already");
  CHECK(wrong("network add web tenant red learn maybe") ==
        "Error: argument \"maybe\" is wrong: expected off or on");
}

TEST_CASE("policy", "[cli]") {
  const auto add = asked("policy add tenant red between web and db deny").policy_add();
  CHECK(add.tenant() == "red");
  CHECK(add.network() == "web");
  CHECK(add.other() == "db");
  CHECK(add.routing() == v1::Tenant::DENY);
  CHECK(asked("p a tenant red between web and db allow").policy_add().routing() ==
        v1::Tenant::ALLOW);
  for (const auto* line : {"policy del tenant red between web and db",
                           "policy delete tenant red between web and db deny"}) {
    const auto del = asked(line).policy_del();
    CHECK(del.network() == "web");
    CHECK(del.other() == "db");
    CHECK(del.has_routing() == std::string_view{line}.ends_with("deny"));
  }
  FakeBackend backend;
  CHECK(run_line(backend, "policy show tenant red network web").exit == Exit::kDone);
  CHECK(run_line(backend, "po").exit == Exit::kDone);
  REQUIRE(backend.shows.size() == 2);
  CHECK(backend.shows[0].kind() == v1::ShowRequest::POLICY);
  CHECK(backend.shows[0].tenant() == "red");
  CHECK(backend.shows[0].network() == "web");
  CHECK(backend.shows[1].tenant().empty());

  CHECK(wrong("policy add") == incomplete_line("\"tenant\""));
  CHECK(wrong("policy add red") == "Error: argument \"red\" is wrong: expected tenant");
  CHECK(wrong("policy add tenant red between web") == incomplete_line("\"and\""));
  CHECK(wrong("policy add tenant red between web or db") ==
        "Error: argument \"or\" is wrong: expected and");
  CHECK(wrong("policy add tenant red between web and web deny") ==
        "Error: argument \"web\" is wrong: expected another network than the one before");
  CHECK(wrong("policy add tenant red between web and db") == incomplete_line("allow or deny"));
  CHECK(wrong("policy add tenant red between web and db maybe") ==
        "Error: argument \"maybe\" is wrong: expected allow or deny");
  CHECK(wrong("policy del tenant red between web and db deny now") ==
        "Error: argument \"now\" is wrong: nothing is expected here");
  CHECK(wrong("policy show red") == "Error: argument \"red\" is wrong: expected tenant, network");
}

TEST_CASE("a VNI is 1 to 2^24 - 1", "[cli]") {
  CHECK(asked("network add web tenant red vni 16777215").network_add().vni() == 16777215);
  for (const std::string vni : {"0", "16777216", "-1", "0x10", "1.5", "99999999999999999999"})
    CHECK(wrong("network add web tenant red vni " + vni) ==
          "Error: argument \"" + vni + "\" is wrong: a VNI is a number from 1 to 16777215");
}

TEST_CASE("a subnet with host bits is told which was meant", "[cli]") {
  CHECK(wrong("network add web tenant red subnet 10.1.2.3/16") ==
        "Error: argument \"10.1.2.3/16\" is wrong: host bits are set; did you mean 10.1.0.0/16?");
  CHECK(wrong("network add web tenant red subnet 2001:db8::1/64") ==
        "Error: argument \"2001:db8::1/64\" is wrong: host bits are set; did you mean "
        "2001:db8::/64?");
  for (const std::string subnet : {"10.0.0.0", "10.0.0.0/33", "10.0.0.0/", "x/8", "/8"})
    CHECK(wrong("network add web tenant red subnet " + subnet) ==
          "Error: argument \"" + subnet +
              "\" is wrong: a subnet is ADDRESS/LENGTH, for example 10.1.0.0/24");
}

TEST_CASE("endpoint", "[cli]") {
  const auto add =
      asked(
          "endpoint add vm1 network web mac 52:54:00:00:00:01 ip 10.1.0.5 ip auto shared-ip "
          "10.1.0.9")
          .endpoint_add();
  CHECK(add.name() == "vm1");
  CHECK(add.network() == "web");
  CHECK(add.mac() == std::string("\x52\x54\x00\x00\x00\x01", 6));
  REQUIRE(add.ips_size() == 2);
  CHECK(add.ips(0) == std::string("\x0a\x01\x00\x05", 4));
  CHECK(add.ips(1).empty());
  CHECK(add.shared_ips_size() == 1);
  CHECK(asked("endpoint add vm1 network web mac auto").endpoint_add().mac().empty());
  const auto set = asked("endpoint set vm1 ip 10.1.0.6 ip 2001:db8::6").endpoint_set();
  CHECK(set.ips_size() == 2);
  CHECK(set.mac().empty());
  CHECK_FALSE(set.choose_mac());
  CHECK(asked("endpoint set vm1 ip auto").endpoint_set().ips(0).empty());
  const auto chosen = asked("endpoint set vm1 mac auto").endpoint_set();
  CHECK(chosen.choose_mac());
  CHECK(chosen.mac().empty());
  const auto none = asked("endpoint set vm1 ip 10.1.0.6 shared-ip none").endpoint_set();
  CHECK(none.no_shared_ips());
  CHECK_FALSE(none.no_ips());
  CHECK(none.ips_size() == 1);
  CHECK(asked("endpoint set vm1 ip none").endpoint_set().no_ips());
  CHECK(wrong("endpoint set vm1 ip none ip 10.1.0.6") ==
        "Error: argument \"none\" is wrong: there is another ip, too");
  CHECK(asked("endpoint del vm1").endpoint_del() == "vm1");

  CHECK(wrong("endpoint add vm1") == "Not enough information: \"network\" argument is required.");
  CHECK(wrong("endpoint add vm1 network web mac 01:00:5e:00:00:01") ==
        "Error: argument \"01:00:5e:00:00:01\" is wrong: a multicast address cannot be an "
        "endpoint's");
  CHECK(wrong("endpoint add vm1 network web mac 00:00:00:00:00:00") ==
        "Error: argument \"00:00:00:00:00:00\" is wrong: the zero address cannot be an "
        "endpoint's");
  CHECK(wrong("endpoint add vm1 network web mac 52-54-00-00-00-01") ==
        "Error: argument \"52-54-00-00-00-01\" is wrong: a MAC address is six pairs of hex digits "
        "joined by \":\"");
  CHECK(wrong("endpoint add vm1 network web ip 224.0.0.1") ==
        "Error: argument \"224.0.0.1\" is wrong: this address cannot be an endpoint's");
  CHECK(wrong("endpoint add vm1 netwrk web") ==
        "Error: argument \"netwrk\" is wrong: expected network, mac, ip, shared-ip; did you mean "
        "\"network\"?");
}

TEST_CASE("endpoint show takes a name, a network, both, or nothing", "[cli]") {
  const auto shown = [](std::string_view line) {
    FakeBackend backend;
    backend.objects.resize(1);
    backend.objects[0].mutable_endpoint()->set_name("x");
    CHECK(run_line(backend, line).exit == Exit::kDone);
    REQUIRE(backend.shows.size() == 1);
    const auto& request = backend.shows.front();
    CHECK(request.kind() == v1::ShowRequest::ENDPOINT);
    return request.name() + "@" + request.network();
  };
  CHECK(shown("endpoint") == "@");
  CHECK(shown("endpoint show") == "@");
  CHECK(shown("endpoint show vm1") == "vm1@");
  CHECK(shown("endpoint show network web") == "@web");
  CHECK(shown("endpoint show vm1 network web") == "vm1@web");
  CHECK(shown("endpoint show network") == "network@");
  CHECK(shown("endpoint show network network network") == "network@network");
  CHECK(wrong("endpoint show vm1 network") == incomplete_line("a value behind \"network\""));
  CHECK(wrong("endpoint show vm1 web") == "Error: argument \"web\" is wrong: expected network");
}

TEST_CASE("host", "[cli]") {
  CHECK(asked("host del kvm1").host_del() == "kvm1");
  CHECK(refused("host set kvm1 x y") == "Error: host set is not supported by this version\n");
  CHECK(wrong("host add kvm1") == "Command \"add\" is unknown, try \"dovectl host help\".");
}

TEST_CASE("port, join and leave", "[cli]") {
  FakeBackend backend;
  CHECK(run_line(backend, "port add tap0 endpoint vm1").exit == Exit::kDone);
  REQUIRE(backend.port_adds.size() == 1);
  CHECK(backend.port_adds[0].dev() == "tap0");
  CHECK(backend.port_adds[0].endpoint() == "vm1");
  CHECK(run_line(backend, "port del tap0").exit == Exit::kDone);
  CHECK(backend.port_dels == std::vector<std::string>{"tap0"});
  CHECK(run_line(backend, "join help").exit == Exit::kDone);
  CHECK(backend.joins.empty());
  CHECK(run_line(backend, "join web").exit == Exit::kDone);
  CHECK(run_line(backend, "leave h").exit == Exit::kDone);
  CHECK(backend.joins == std::vector<std::string>{"web"});
  CHECK(backend.leaves == std::vector<std::string>{"h"});
  CHECK(run_line(backend, "-echo -j join web").out == "[{\"network\":\"web\",\"vni\":100}]\n");

  CHECK(wrong("port add tap0") ==
        "Not enough information: \"endpoint or network\" argument is required.");
  CHECK(wrong("port add averyveryverylongname endpoint x") ==
        "Error: argument \"averyveryverylongname\" is wrong: a device's name has 1 to 15 bytes");
  CHECK(wrong("port del a/b") == "Error: argument \"a/b\" is wrong: no device can have this name");
  CHECK(wrong("port del ..") == "Error: argument \"..\" is wrong: no device can have this name");
  CHECK(wrong("join") == incomplete_line("a name"));
  CHECK(wrong("join a b") == "Error: argument \"b\" is wrong: nothing is expected here");
  CHECK(wrong("port add tap0 network web endpoint vm1").find("\"network\"") != std::string::npos);
}

TEST_CASE("a port of a network instead of an endpoint", "[cli]") {
  FakeBackend backend;
  CHECK(run_line(backend, "port add tap0 network web security off").exit == Exit::kDone);
  REQUIRE(backend.port_adds.size() == 1);
  CHECK(backend.port_adds[0].network() == "web");
  CHECK(backend.port_adds[0].endpoint().empty());
  CHECK_FALSE(backend.port_adds[0].security());
}

TEST_CASE("port security is on, off, or left to doved", "[cli]") {
  FakeBackend backend;
  for (const auto* rest : {"", " security on", " security off"})
    CHECK(run_line(backend, std::string{"port add tap0 endpoint vm1"} + rest).exit == Exit::kDone);
  REQUIRE(backend.port_adds.size() == 3);
  CHECK_FALSE(backend.port_adds[0].has_security());
  CHECK(backend.port_adds[1].has_security());
  CHECK(backend.port_adds[1].security());
  CHECK(backend.port_adds[2].has_security());
  CHECK_FALSE(backend.port_adds[2].security());
  CHECK(wrong("port add tap0 endpoint vm1 security maybe").find("\"maybe\"") != std::string::npos);
}

TEST_CASE("port show: what the walls dropped is shown with -s", "[cli]") {
  FakeBackend backend;
  v1::Port port;
  port.set_dev("tap0");
  port.set_security(true);
  backend.ports = {port};
  const auto add = [&](const char* name, const char* dev, std::uint64_t value) {
    auto* counter = backend.counters_reply.add_counters();
    counter->set_name(name);
    counter->set_dev(dev);
    counter->set_value(value);
  };
  add("wall_port_foreign_mac_dropped", "tap0", 3);
  add("wall_port_queries_dropped", "tap0", 0);
  add("wall_port_queries_dropped", "tap1", 9);
  add("wall_host_input", "", 9);
  const auto plain = run_line(backend, "port show").out;
  CHECK(plain.find("security on") != std::string::npos);
  CHECK(plain.find("dropped") == std::string::npos);
  CHECK(run_line(backend, "-s port show")
            .out.find("\n    foreign_mac_dropped 3 queries_dropped 0\n") != std::string::npos);
  CHECK(run_line(backend, "-s -j port show")
            .out.find(R"("counters":{"foreign_mac_dropped":3,"queries_dropped":0})") !=
        std::string::npos);
}

TEST_CASE("what the servers do not have yet is refused, and not advertised", "[cli]") {
  CHECK(refused("host set kvm1").ends_with("is not supported by this version\n"));
  FakeBackend backend;
  const auto help = run_line(backend, "help");
  CHECK(help.exit == Exit::kDone);
  CHECK(help.err.empty());
  for (const auto* word :
       {"tenant", "check", "counters", "-j[son]", "-wait[=SECS]", "sync", "--insecure"}) {
    INFO(word);
    CHECK(help.out.find(word) != std::string::npos);
  }
}

TEST_CASE("an abbreviation of what is not there yet is told what is", "[cli]") {
  const std::string_view no = " is not supported by this version";
  const auto told = [&](std::string_view line, std::string what, std::string_view rest) {
    CHECK(refused(line) == "Error: " + what + std::string{no} + std::string{rest} + "\n");
  };
  told("host s", "host set", "; did you mean \"show\"?");
  told("host se kvm1", "host set", "");
}

TEST_CASE("check says what differs, and its status whether anything is left", "[cli]") {
  FakeBackend backend;
  CHECK(run_line(backend, "check").exit == Exit::kDone);
  CHECK(run_line(backend, "check web -fix").exit == Exit::kDone);
  CHECK(run_line(backend, "c -fix web").exit == Exit::kDone);
  REQUIRE(backend.checks.size() == 3);
  CHECK(backend.checks[0].network().empty());
  CHECK_FALSE(backend.checks[0].fix());
  for (const int i : {1, 2}) {
    CHECK(backend.checks[static_cast<std::size_t>(i)].network() == "web");
    CHECK(backend.checks[static_cast<std::size_t>(i)].fix());
  }
  CHECK(run_line(backend, "check web db").exit == Exit::kWrong);

  auto& one = *backend.check_reply.add_differences();
  one.set_network("web");
  one.set_vni(100);
  one.set_what("neighbour 10.0.0.1 lladdr 02:00:00:00:00:01 permanent is missing");
  one.set_command("ip neigh replace 10.0.0.1 lladdr 02:00:00:00:00:01 dev dvx100 nud permanent");
  const auto left = run_line(backend, "check");
  CHECK(left.exit == Exit::kRefused);
  CHECK(left.out.find(one.command()) != std::string::npos);
  CHECK(left.err == "Error: 1 difference left\n");
  CHECK(run_line(backend, "-j check").out ==
        R"([{"network":"web","vni":100,"with":"kernel","what":"neighbour 10.0.0.1 lladdr )"
        R"(02:00:00:00:00:01 permanent is missing","mended":false,"problem":null,"command":")" +
            one.command() + "\"}]\n");
  one.set_mended(true);
  CHECK(run_line(backend, "check -fix").exit == Exit::kDone);
  backend.check_reply.set_unasked("there is no session");
  CHECK(run_line(backend, "check").exit == Exit::kRefused);
}

TEST_CASE("help is had everywhere, is JSON too, and takes no word more", "[cli]") {
  FakeBackend backend;
  for (const std::string line : {"help", "tenant help", "join help", "monitor help", "help tenant",
                                 "help net", "tenant add help", "network set help", "port add help"}) {
    INFO(line);
    const auto shown = run_line(backend, line).out;
    CHECK(shown.starts_with("Usage: "));
    const auto json = run_line(backend, "-j " + line);
    CHECK(json.exit == Exit::kDone);
    CHECK(nlohmann::json::parse(json.out) == nlohmann::json{{{"usage", shown}}});
  }
  CHECK(run_line(backend, "tenant add help").out == run_line(backend, "help tenant").out);
  CHECK(wrong("help tenant me") == "Error: argument \"me\" is wrong: nothing is expected here");
  CHECK(wrong("help tenat").find("Did you mean \"tenant\"?") != std::string::npos);
  CHECK(wrong("tenant help me") == "Error: argument \"me\" is wrong: nothing is expected here");
}

TEST_CASE("unknown words", "[cli]") {
  CHECK(wrong("") == incomplete_line("an object"));
  CHECK(wrong("tenat show") ==
        "Object \"tenat\" is unknown, try \"dovectl help\". Did you mean \"tenant\"?");
  CHECK(wrong("5 tenant show") ==
        "Object \"5\" is unknown, try \"dovectl help\". Did you mean \"-wait=5\"?");
  for (const auto* option : {"-j", "-wait=5", "--json", "-br"})
    CHECK(wrong(fmt::format("tenant show {}", option)) ==
          fmt::format("Error: argument \"{}\" is wrong: an option belongs before \"tenant\"",
                      option));
  CHECK(wrong("xyzzy") == "Object \"xyzzy\" is unknown, try \"dovectl help\".");
  CHECK(wrong("polcy") ==
        "Object \"polcy\" is unknown, try \"dovectl help\". Did you mean \"policy\"?");
  CHECK(wrong("network shwo") ==
        "Command \"shwo\" is unknown, try \"dovectl network help\". Did you mean \"show\"?");
  CHECK(wrong("net frob") == "Command \"frob\" is unknown, try \"dovectl network help\".");
  CHECK(wrong("\"\"") == "Object \"\" is unknown, try \"dovectl help\".");
  CHECK(wrong("tenant \"\"") == "Command \"\" is unknown, try \"dovectl tenant help\".");
  CHECK(wrong("\x1b[31mred") == "Object \"\\x1b[31mred\" is unknown, try \"dovectl help\".");
  CHECK(wrong("\xff") == "Object \"\\xff\" is unknown, try \"dovectl help\".");
}

TEST_CASE("a refusal leaves stdout empty and names the reason", "[cli]") {
  FakeBackend backend;
  backend.objects.resize(3);
  for (auto& object : backend.objects) object.mutable_tenant()->set_name("red");
  backend.failure = Error{ErrorCode::kUnavailable, "dove-controller at unix:/x: Socket\nclosed"};
  for (const auto* line : {"tenant show", "-j tenant show", "-br tenant show", "-j -p tenant"}) {
    const auto outcome = run_line(backend, line);
    CHECK(outcome.exit == Exit::kRefused);
    CHECK(outcome.out.empty());
    CHECK(outcome.err == "Error: dove-controller at unix:/x: Socket\\x0aclosed\n");
  }
}

TEST_CASE("show of what is not there", "[cli]") {
  FakeBackend backend;
  CHECK(run_line(backend, "tenant show").out.empty());
  CHECK(run_line(backend, "-j tenant show").out == "[]\n");
  CHECK(run_line(backend, "-j -p tenant show").out == "[]\n");
  CHECK(run_line(backend, "-j port show").out == "[]\n");
  CHECK(run_line(backend, "-j fdb show").out == "[]\n");
  const auto tenant = run_line(backend, "-j tenant show red");
  CHECK(tenant.exit == Exit::kRefused);
  CHECK(tenant.out.empty());
  CHECK(tenant.err == "Error: tenant \"red\" does not exist\n");
  const auto port = run_line(backend, "port show tap9");
  CHECK(port.exit == Exit::kRefused);
  CHECK(port.err == "Error: device \"tap9\" is no port\n");
}

TEST_CASE("-echo prints what was made", "[cli]") {
  FakeBackend backend;
  auto& network = *backend.change_reply.add_objects()->mutable_network();
  network.set_name("web");
  network.set_tenant("red");
  network.set_vni(7);
  CHECK(run_line(backend, "network add web tenant red").out.empty());
  CHECK(run_line(backend, "-j network add web tenant red").out.empty());
  CHECK(run_line(backend, "-echo network add web tenant red").out == "web: vni 7 tenant red\n");
  CHECK(run_line(backend, "-echo -j network add web tenant red").out ==
        "[{\"name\":\"web\",\"vni\":7,\"tenant\":\"red\",\"subnets\":[],\"learn\":false,"
        "\"revision\":0}]\n");
}

TEST_CASE("fdb and neighbour of one network", "[cli]") {
  FakeBackend backend;
  run_line(backend, "fdb");
  run_line(backend, "fdb show network web");
  run_line(backend, "neighbor show network db");
  CHECK(backend.tables == std::vector<std::string>{"", "web", "db"});
  CHECK(wrong("fdb show web") == "Error: argument \"web\" is wrong: expected network");
}

}  // namespace dove::cli
