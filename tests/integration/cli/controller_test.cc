// dovectl against the real dove-controller.
#include <signal.h>

#include <chrono>
#include <future>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "tests/catch.h"
#include "tests/integration/cli/process.h"

namespace dove::test {
namespace {

using nlohmann::json;
using namespace std::chrono_literals;

struct Fixture {
  Directory directory;
  std::string address = "unix:" + directory.file("controller.sock");
  std::unique_ptr<Daemon> controller;

  Fixture() { start(); }
  void start() {
    controller = std::make_unique<Daemon>(
        std::vector<std::string>{DOVE_CONTROLLER_PROGRAM, "--listen", address, "--store",
                                 "sqlite:" + directory.file("store.db")});
    for (int i = 0; i < 2000 && ctl("tenant show").code != 0; ++i) std::this_thread::sleep_for(5ms);
    REQUIRE(ctl("tenant show").code == 0);
  }
  Finished ctl(const std::string& line, std::string_view input = {}) const {
    return dovectl("-C " + address + " " + line, input);
  }
  void done(const std::string& line) const {
    const auto finished = ctl(line);
    INFO(line << ": " << finished.err);
    CHECK(finished.code == 0);
    CHECK(finished.out.empty());
    CHECK(finished.err.empty());
  }
  // The line on stderr.
  std::string refused(const std::string& line) const {
    const auto before = everything();
    const auto finished = ctl(line);
    INFO(line);
    CHECK(finished.code == 2);
    CHECK(finished.out.empty());
    CHECK(finished.err.starts_with("Error: "));
    CHECK(finished.err.find('\n') == finished.err.size() - 1);
    CHECK(everything() == before);
    return finished.err;
  }
  json shown(const std::string& line) const {
    const auto finished = ctl("-j " + line);
    INFO(line << ": " << finished.err);
    REQUIRE(finished.code == 0);
    return json::parse(finished.out);
  }
  std::string everything() const {
    return ctl("-j tenant show").out + ctl("-j network show").out + ctl("-j endpoint show").out +
           ctl("-j policy show").out;
  }
};

bool names(const std::string& text, const std::string& word) {
  return text.find(word) != std::string::npos;
}

}  // namespace

TEST_CASE("objects are made, shown, changed and removed", "[cli]") {
  const Fixture f;
  CHECK(f.shown("tenant show") == json::array());
  f.done("tenant add red");
  f.done("network add web tenant red vni 100 subnet 10.1.0.0/24 subnet 2001:db8::/64");
  f.done("endpoint add vm1 network web mac 02:00:00:00:00:01 ip 10.1.0.5 ip 2001:db8::5");

  const auto tenant = f.shown("tenant show red");
  REQUIRE(tenant.size() == 1);
  CHECK(tenant[0]["name"] == "red");
  CHECK(tenant[0]["routing"] == "allow");
  CHECK(tenant[0]["revision"].is_number());

  const auto network = f.shown("network show")[0];
  CHECK(network["tenant"] == "red");
  CHECK(network["vni"] == 100);
  CHECK(network["subnets"] == json::parse(R"([{"subnet":"10.1.0.0/24","gateway":"10.1.0.1"},
                        {"subnet":"2001:db8::/64","gateway":"2001:db8::1"}])"));

  const auto endpoint = f.shown("endpoint show vm1")[0];
  CHECK(endpoint["network"] == "web");
  CHECK(endpoint["vni"] == 100);
  CHECK(endpoint["mac"] == "02:00:00:00:00:01");
  CHECK(endpoint["ips"] == json::array({"10.1.0.5", "2001:db8::5"}));
  CHECK(endpoint["host"].is_null());
  CHECK(endpoint["vtep"].is_null());
  CHECK(endpoint["state"] == "detached");

  f.done("tenant set red routing deny");
  CHECK(f.shown("tenant show red")[0]["routing"] == "deny");
  f.done("endpoint set vm1 ip 10.1.0.6");
  CHECK(f.shown("endpoint show vm1")[0]["ips"] == json::array({"10.1.0.6"}));
  f.done("network set web learn on");
  CHECK(f.shown("network show web")[0]["learn"] == true);

  f.done("endpoint del vm1");
  f.done("network del web");
  f.done("tenant del red");
  CHECK(f.everything() == "[]\n[]\n[]\n[]\n");
}

TEST_CASE("policies are made, shown and removed, and go with their networks", "[cli]") {
  const Fixture f;
  for (const auto* line : {"tenant add red", "tenant add blue", "network add web tenant red",
                           "network add db tenant red", "network add mail tenant red",
                           "network add other tenant blue"})
    f.done(line);
  for (int i = 0; i < 2; ++i) f.done("policy add tenant red between web and db deny");
  f.done("policy add tenant red between db and web deny");
  const auto shown = f.shown("policy show");
  REQUIRE(shown.size() == 1);
  CHECK(shown[0]["tenant"] == "red");
  CHECK(shown[0]["network"] == "db");
  CHECK(shown[0]["other"] == "web");
  CHECK(shown[0]["routing"] == "deny");
  CHECK(shown[0]["revision"].get<int>() > 0);
  CHECK(json::parse(f.ctl("-echo -j pol add tenant red between web and db deny").out) == shown);
  CHECK(f.ctl("policy show").out == "red: between db and web deny\n");

  CHECK(names(f.refused("policy add tenant red between web and db allow"), "deny, not allow"));
  CHECK(names(f.refused("policy add tenant red between web and other deny"), "\"other\""));
  CHECK(names(f.refused("policy add tenant green between web and db deny"), "\"green\""));
  CHECK(names(f.refused("policy del tenant red between web and mail"), "no policy"));
  CHECK(names(f.refused("policy show tenant green"), "\"green\""));

  const auto batch = f.ctl("-b -",
                           "policy del tenant red between web and db\n"
                           "policy add tenant red between web and db allow\n"
                           "policy add tenant red between web and mail deny\n");
  CHECK(batch.code == 0);
  CHECK(f.shown("policy show").size() == 2);
  CHECK(f.shown("policy show network mail").size() == 1);
  CHECK(f.shown("policy show tenant red network db")[0]["routing"] == "allow");
  CHECK(f.shown("policy show tenant blue").empty());
  f.done("network del web");
  CHECK(f.shown("policy show").empty());
}

TEST_CASE("what is left out is chosen, and -echo tells", "[cli]") {
  const Fixture f;
  f.done("tenant add red");
  const auto network =
      json::parse(f.ctl("-echo -j network add web tenant red subnet 10.1.0.0/24").out)[0];
  CHECK(network["vni"].get<int>() >= 1);
  CHECK(network["subnets"][0]["gateway"] == "10.1.0.1");
  const auto endpoint = json::parse(f.ctl("-echo -j endpoint add vm1 network web ip auto").out)[0];
  CHECK(endpoint["mac"].get<std::string>().size() == 17);
  CHECK(endpoint["ips"].size() == 1);
  CHECK(f.shown("endpoint show vm1")[0] == endpoint);
  f.done("endpoint set vm1 mac 02:00:00:00:00:01");
  f.done("endpoint set vm1 mac auto");
  CHECK(f.shown("endpoint show vm1")[0]["mac"] == endpoint["mac"]);
}

TEST_CASE("the same again succeeds in silence, with other values it is refused", "[cli]") {
  const Fixture f;
  for (int i = 0; i < 2; ++i) {
    f.done("tenant add red");
    f.done("network add web tenant red vni 100 subnet 10.1.0.0/24");
    f.done("endpoint add vm1 network web mac 02:00:00:00:00:01 ip 10.1.0.5");
  }
  f.done("tenant set red routing deny");
  f.done("network set web learn on");
  f.done("endpoint set vm1 ip 10.1.0.6");
  f.done("tenant add red");
  f.done("network add web tenant red");
  f.done("endpoint add vm1 network web");
  CHECK(names(f.refused("endpoint add vm1 network web ip 10.1.0.5"), "10.1.0.6"));
  CHECK(names(f.refused("network add web tenant red learn off"), "learn on, not off"));
  CHECK(names(f.refused("network add web tenant red vni 101 subnet 10.1.0.0/24"), "web"));
  CHECK(names(f.refused("endpoint add vm1 network web mac 02:00:00:00:00:02"), "vm1"));
}

TEST_CASE("refusals name what was wrong and change nothing", "[cli]") {
  const Fixture f;
  f.done("tenant add red");
  f.done("network add web tenant red vni 100 subnet 10.1.0.0/24");
  f.done("endpoint add vm1 network web mac 02:00:00:00:00:01 ip 10.1.0.5");
  CHECK(names(f.refused("tenant del nosuch"), "nosuch"));
  CHECK(names(f.refused("tenant show nosuch"), "nosuch"));
  CHECK(names(f.refused("endpoint show nosuch"), "nosuch"));
  CHECK(names(f.refused("endpoint show network nosuch"), "nosuch"));
  CHECK(names(f.refused("tenant del red"), "red"));
  CHECK(names(f.refused("network del web"), "web"));
  CHECK(names(f.refused("network add db tenant red vni 100"), "100"));
  CHECK(names(f.refused("network add db tenant red subnet 10.1.0.128/25"), "10.1.0.128/25"));
  CHECK(
      names(f.refused("endpoint add vm2 network web mac 02:00:00:00:00:01"), "02:00:00:00:00:01"));
  CHECK(names(f.refused("endpoint add vm2 network web ip 10.1.0.5"), "10.1.0.5"));
  CHECK(names(f.refused("endpoint add vm2 network web ip 10.2.0.5"), "10.2.0.5"));
  CHECK(names(f.refused("host show nosuch"), "nosuch"));
  CHECK(names(f.refused("host del nosuch"), "nosuch"));
}

TEST_CASE("one network's endpoints", "[cli]") {
  const Fixture f;
  const auto batch = f.ctl("-b -",
                           "tenant add red\n"
                           "network add a tenant red subnet 10.1.0.0/24\n"
                           "network add b tenant red subnet 10.2.0.0/24\n"
                           "endpoint add a1 network a ip auto   # the first\n"
                           "endpoint add a2 network a ip auto\n"
                           "endpoint add b1 network b \\\n  ip auto\n");
  INFO(batch.err);
  REQUIRE(batch.code == 0);
  CHECK(f.shown("endpoint show").size() == 3);
  CHECK(f.shown("endpoint show network a").size() == 2);
  CHECK(f.shown("endpoint show b1 network b").size() == 1);
  CHECK(f.ctl("-j endpoint show b1 network a").code == 2);
}

TEST_CASE("many endpoints fit through, in order", "[cli]") {
  const Fixture f;
  std::string commands = "tenant add red\nnetwork add a tenant red subnet 10.0.0.0/8\n";
  for (int i = 0; i < 2000; ++i)
    commands += "endpoint add e" + std::to_string(10000 + i) + " network a ip auto\n";
  const auto batch = f.ctl("-b -", commands);
  INFO(batch.err);
  REQUIRE(batch.code == 0);
  const auto endpoints = f.shown("endpoint show");
  REQUIRE(endpoints.size() == 2000);
  for (std::size_t i = 0; i < endpoints.size(); ++i)
    REQUIRE(endpoints[i]["name"] == "e" + std::to_string(10000 + i));
}

TEST_CASE("a batch cut by the controller's death says so, and can be given again", "[cli]") {
  Fixture f;
  std::string commands = "tenant add red\nnetwork add a tenant red subnet 10.0.0.0/8\n";
  for (int i = 0; i < 5000; ++i)
    commands += "endpoint add e" + std::to_string(10000 + i) + " network a ip auto\n";
  auto batch = std::async(std::launch::async, [&] { return f.ctl("-b -", commands); });
  while (f.shown("endpoint show").size() < 20) std::this_thread::sleep_for(1ms);
  f.controller->signal(SIGKILL);
  const auto cut = batch.get();
  CHECK(cut.code == 2);
  CHECK(names(cut.err, "; the outcome is unknown"));
  CHECK(names(cut.err, "\nCommand failed -:"));
  f.start();
  CHECK(f.shown("endpoint show").size() < 5000);
  const auto again = f.ctl("-b -", commands);
  INFO(again.err);
  CHECK(again.code == 0);
  CHECK(f.shown("endpoint show").size() == 5000);
}

TEST_CASE("the first controller of a list that answers is asked", "[cli]") {
  const Fixture f;
  CHECK(dovectl("-C unix:/nonexistent/socket," + f.address + " -j tenant show").out == "[]\n");
}

}  // namespace dove::test
