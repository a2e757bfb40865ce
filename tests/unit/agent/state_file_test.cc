#include "agent/state_file.h"

#include <unistd.h>

#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <filesystem>
#include <fstream>
#include <string>

#include "tests/catch.h"

namespace dove::agent {
namespace {

namespace fs = std::filesystem;

// A directory of its own, removed at the end.
class Directory {
 public:
  Directory() {
    std::string name = (fs::temp_directory_path() / "dove-state-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~Directory() { fs::remove_all(path_); }
  fs::path file() const { return path_ / "state.json"; }
  std::size_t entries() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator{path_}, fs::directory_iterator{}));
  }

 private:
  fs::path path_;
};

State sample() {
  return {
      .store = {.store_id = std::string{"\x00\x7f\xff", 3},
                .revision = 18446744073709551615U,
                .opening = std::string{"\x01\x00", 2}},
      .self = HostId{3},
      .router_mac = MacAddress::parse("02:00:5e:64:00:01"),
      .ports = {{.dev = "tap\"0",
                 .endpoint = "vm1",
                 .network = "blue",
                 .vni = *Vni::from(16777215),
                 .mac = *MacAddress::parse("52:54:00:00:00:01"),
                 .ips = {*IpAddress::parse("10.0.0.1"), *IpAddress::parse("2001:db8::1")},
                 .shared_ips = {*IpAddress::parse("10.0.0.1")},
                 .generation = 3}},
      .joined = {{.name = "red", .vni = *Vni::from(7)}},
      .detached = {{.endpoint = "vm2", .generation = 9}},
      .vteps = {*IpAddress::parse("192.0.2.2"), *IpAddress::parse("2001:db8::2")},
      .hosts = {{.id = HostId{4294967295},
                 .name = "kvm2",
                 .vtep = Vtep{*IpAddress::parse("2001:db8::2"), 8472}}},
      .networks = {
          {.settings = {.vni = *Vni::from(16777215),
                        .name = "blue",
                        .tenant = "t",
                        .subnets = {{*Prefix::parse("10.0.0.0/24"), IpAddress::parse("10.0.0.254")},
                                    {*Prefix::parse("2001:db8::/64"), {}}},
                        .learn = true,
                        .revision = 12,
                        .denied = {*Prefix::parse("10.9.0.0/16")}},
           .members = {HostId{3}, HostId{4294967295}}}}};
}

// As parse_state() understands it, if it does so without a problem.
State understood(std::string_view text) {
  auto parsed = parse_state(text);
  CHECK(parsed.problems == std::vector<std::string>{});
  return std::move(parsed.state);
}

void write(const fs::path& file, std::string_view text) { std::ofstream{file} << text; }

TEST_CASE("state: what is saved is loaded") {
  const Directory directory;
  REQUIRE(save_state(directory.file(), sample()));
  const auto loaded = load_state(directory.file());
  REQUIRE(loaded);
  CHECK(loaded->problems.empty());
  CHECK(loaded->state == sample());
  CHECK(directory.entries() == 1);
}

TEST_CASE("state: an absent file is the empty state, an empty one is damaged") {
  const Directory directory;
  const auto absent = load_state(directory.file());
  REQUIRE(absent);
  CHECK(absent->state == State{});
  CHECK(absent->problems.empty());
  write(directory.file(), "");
  const auto empty = load_state(directory.file());
  REQUIRE(empty);
  CHECK(empty->problems.size() == 1);
  CHECK(empty->state.incomplete);
}

TEST_CASE("state: every prefix of a file is damaged, and kept aside") {
  const Directory directory;
  auto text = format_state(sample());
  text.pop_back();  // without the newline it is still whole
  for (std::size_t length = 0; length < text.size(); length += 7) {
    write(directory.file(), text.substr(0, length));
    const auto loaded = load_state(directory.file());
    REQUIRE(loaded);
    REQUIRE_FALSE(loaded->problems.empty());
    REQUIRE(loaded->state == State{.incomplete = true});
    std::ifstream aside{directory.file().string() + ".damaged"};
    const std::string kept{std::istreambuf_iterator<char>{aside}, {}};
    REQUIRE(kept == text.substr(0, length));
  }
}

TEST_CASE("state: of another version is taken what is understood, and it is said") {
  auto text = format_state(sample());
  const std::string ours = "\"version\": 1";
  text.replace(text.find(ours), ours.size(), "\"version\": 2");
  const auto parsed = parse_state(text);
  CHECK(parsed.problems ==
        std::vector<std::string>{"it has version 2, this doved understands version 1"});
  CHECK(parsed.state == sample());
}

// As doved wrote it before it remembered networks and hosts.
TEST_CASE("state: an older file of this version is read whole") {
  const auto state = understood(R"({"version": 1, "store": {"id": "01ff", "revision": 7},
      "ports": [{"dev": "tap0", "endpoint": "vm1", "network": "blue", "vni": 100,
                 "mac": "52:54:00:00:00:01", "ips": ["10.0.0.1"], "generation": 3}],
      "joined": [{"network": "blue", "vni": 100}], "detached": []})");
  REQUIRE(state.ports.size() == 1);
  CHECK(state.ports[0].security);
  CHECK(state.self == HostId{});
  CHECK(state.networks.empty());
  CHECK_FALSE(state.incomplete);
}

TEST_CASE("state: keys of later versions of this format are ignored") {
  auto text = format_state(sample());
  text.insert(text.find('{') + 1, "\"later\": [1, {}], ");
  CHECK(understood(text) == sample());
}

TEST_CASE("state: a file that does not speak of other hosts knows none") {
  auto text = format_state(sample());
  const std::string key = "\"vteps\"";
  text.replace(text.find(key), key.size(), "\"later\"");
  CHECK(understood(text).vteps.empty());
}

TEST_CASE("state: a port of a file that does not speak of security has it") {
  auto state = sample();
  state.ports.at(0).security = false;
  auto text = format_state(state);
  CHECK(understood(text).ports.at(0).security == false);
  const std::string key = "\"security\": false";
  text.replace(text.find(key), key.size(), "\"later\": false");
  CHECK(understood(text).ports.at(0).security);
}

// The sample with one thing broken: what is said of it, and the rest.
ParsedState broken(std::string_view from, std::string_view to) {
  auto text = format_state(sample());
  const auto at = text.find(from);
  REQUIRE(at != std::string::npos);
  text.replace(at, from.size(), to);
  return parse_state(text);
}

TEST_CASE("state: what is wrong is named with its place") {
  const auto problem = [](std::string_view from, std::string_view to) {
    const auto parsed = broken(from, to);
    REQUIRE(parsed.problems.size() == 1);
    return parsed.problems[0];
  };
  CHECK(problem("\"vni\": 16777215\n    }\n  ],\n  \"router",
                "\"vni\": 16777216\n    }\n  ],\n  \"router") == "ports[0].vni is not a VNI");
  CHECK(problem("52:54", "53:54") == "ports[0].mac is not a MAC address");
  CHECK(problem("\"10.0.0.1\"", "\"10.0.0\"") == "ports[0].ips is not a list of IP addresses");
  CHECK(problem("\"vm1\"", "\"v/1\"") == "ports[0].endpoint is not a name");
  CHECK(problem("\"vm2\"", "null") == "detached[0].endpoint is not a string");
  CHECK(problem("\"joined\"", "\"jointed\"") == "state.joined is not a list");
  CHECK(problem("007fff", "007ffg") == "store.id is not hexadecimal");
  CHECK(problem("10.9.0.0/16", "10.9.0.1/16") == "networks[0].denied is not a list of prefixes");
  CHECK(problem("10.0.0.0/24", "10.0.0.0/33") == "subnets[0].prefix is not a prefix");
  CHECK(problem("8472", "0") == "hosts[0].port is not a UDP port");
  CHECK(problem("\"self\": 3", "\"self\": -3") == "state.self is not a number");
  CHECK(problem("02:00:5e", "03:00:5e") == "state.router_mac is not a MAC address");
}

TEST_CASE("state: what is beside something damaged is taken") {
  const auto port = broken("52:54", "53:54");
  CHECK(port.state.ports.empty());
  CHECK(port.state.networks == sample().networks);
  CHECK(port.state.joined == sample().joined);
  // Half a network would allow what is denied.
  const auto denied = broken("10.9.0.0/16", "10.9.0.1/16");
  CHECK(denied.state.networks.empty());
  CHECK(denied.state.ports == sample().ports);
  // Without its store a host has no number.
  CHECK(broken("007fff", "007ffg").state.self == HostId{});
}

TEST_CASE("state: garbage never does more than be refused") {
  for (const auto* text : {"[]", "null", "7", "{}", "\"x\"", "{\"version\": \"1\"}",
                           "{\"version\": 1}", "{\"version\": 1, \"store\": []}", "\xff\xfe"}) {
    const auto parsed = parse_state(text);
    CHECK_FALSE(parsed.problems.empty());
    CHECK(parsed.state == State{});
  }
  CHECK_FALSE(parse_state(std::string(100'000, '[')).problems.empty());
}

TEST_CASE("state: a file that cannot be written is an error, and the old one stays") {
  const Directory directory;
  REQUIRE(save_state(directory.file(), sample()));
  fs::create_directory(directory.file().string() + ".new");
  const auto status = save_state(directory.file(), State{});
  REQUIRE_FALSE(status);
  CHECK(status.error().code == ErrorCode::kSystem);
  CHECK(status.error().message.find(directory.file().string()) != std::string::npos);
  CHECK(load_state(directory.file())->state == sample());
}

TEST_CASE("state: a directory is no state file") {
  const Directory directory;
  fs::create_directory(directory.file());
  CHECK_FALSE(load_state(directory.file()));
}

TEST_CASE("state writer: the last state wins, and everybody is told") {
  const Directory directory;
  asio::io_context loop;
  int told = 0;
  {
    StateWriter writer{directory.file(), loop.get_executor()};
    for (std::uint64_t i = 1; i <= 100; ++i) {
      auto state = sample();
      state.store.revision = i;
      writer.save(state, [&](const Status& status) {
        CHECK(status);
        ++told;
      });
    }
  }
  loop.run();
  CHECK(told == 100);
  CHECK(load_state(directory.file())->state.store.revision == 100);
}

TEST_CASE("state file: ports without an endpoint, and who was learned there") {
  State state;
  state.learning = {{.dev = "tap1", .network = "blue", .vni = *Vni::from(100), .security = false}};
  state.learned = {{.dev = "tap1",
                    .endpoint = "dyn-100-525400000009",
                    .vni = *Vni::from(100),
                    .mac = *MacAddress::parse("52:54:00:00:00:09"),
                    .ips = {*IpAddress::parse("10.0.0.9")},
                    .generation = 7}};
  const auto parsed = parse_state(format_state(state));
  CHECK(parsed.problems.empty());
  CHECK(parsed.state.learning == state.learning);
  CHECK(parsed.state.learned == state.learned);
}

}  // namespace
}  // namespace dove::agent
