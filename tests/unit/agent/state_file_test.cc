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
  return {.store = {.store_id = std::string{"\x00\x7f\xff", 3}, .revision = 18446744073709551615U},
          .ports = {{.dev = "tap\"0",
                     .endpoint = "vm1",
                     .network = "blue",
                     .vni = *Vni::from(16777215),
                     .mac = *MacAddress::parse("52:54:00:00:00:01"),
                     .ips = {*IpAddress::parse("10.0.0.1"), *IpAddress::parse("2001:db8::1")},
                     .generation = 3}},
          .joined = {{.name = "red", .vni = *Vni::from(7)}},
          .detached = {{.endpoint = "vm2", .generation = 9}},
          .vteps = {*IpAddress::parse("192.0.2.2"), *IpAddress::parse("2001:db8::2")}};
}

void write(const fs::path& file, std::string_view text) { std::ofstream{file} << text; }

TEST_CASE("state: what is saved is loaded") {
  const Directory directory;
  REQUIRE(save_state(directory.file(), sample()));
  const auto loaded = load_state(directory.file());
  REQUIRE(loaded);
  CHECK(*loaded == sample());
  CHECK(directory.entries() == 1);
}

TEST_CASE("state: an absent file is the empty state, an empty one is not") {
  const Directory directory;
  const auto absent = load_state(directory.file());
  REQUIRE(absent);
  CHECK(*absent == State{});
  write(directory.file(), "");
  CHECK_FALSE(load_state(directory.file()));
}

TEST_CASE("state: every prefix of a file is refused, by the file's name") {
  const Directory directory;
  auto text = format_state(sample());
  text.pop_back();  // without the newline it is still whole
  for (std::size_t length = 0; length < text.size(); ++length) {
    write(directory.file(), text.substr(0, length));
    const auto loaded = load_state(directory.file());
    REQUIRE_FALSE(loaded);
    REQUIRE(loaded.error().message.find(directory.file().string()) != std::string::npos);
  }
}

TEST_CASE("state: another version is refused and both are named") {
  auto text = format_state(sample());
  const std::string ours = "\"version\": 1";
  text.replace(text.find(ours), ours.size(), "\"version\": 2");
  const auto parsed = parse_state(text);
  REQUIRE_FALSE(parsed);
  CHECK(parsed.error().message == "it has version 2, this doved reads version 1");
}

TEST_CASE("state: keys of later versions of this format are ignored") {
  auto text = format_state(sample());
  text.insert(text.find('{') + 1, "\"later\": [1, {}], ");
  const auto parsed = parse_state(text);
  REQUIRE(parsed);
  CHECK(*parsed == sample());
}

TEST_CASE("state: a file that does not speak of other hosts knows none") {
  auto text = format_state(sample());
  const std::string key = "\"vteps\"";
  text.replace(text.find(key), key.size(), "\"later\"");
  CHECK(parse_state(text)->vteps.empty());
}

TEST_CASE("state: a port of a file that does not speak of security has it") {
  auto state = sample();
  state.ports.at(0).security = false;
  auto text = format_state(state);
  CHECK(parse_state(text)->ports.at(0).security == false);
  const std::string key = "\"security\": false";
  text.replace(text.find(key), key.size(), "\"later\": false");
  CHECK(parse_state(text)->ports.at(0).security);
}

TEST_CASE("state: what is wrong is named with its place") {
  const auto broken = [](std::string_view from, std::string_view to) {
    auto text = format_state(sample());
    const auto at = text.find(from);
    REQUIRE(at != std::string::npos);
    text.replace(at, from.size(), to);
    const auto parsed = parse_state(text);
    REQUIRE_FALSE(parsed);
    return parsed.error().message;
  };
  CHECK(broken("16777215", "16777216") == "ports[0].vni is not a VNI");
  CHECK(broken("16777215", "-1") == "ports[0].vni is not a number");
  CHECK(broken("52:54", "53:54") == "ports[0].mac is not a MAC address");
  CHECK(broken("10.0.0.1", "10.0.0") == "ports[0].ips is not a list of IP addresses");
  CHECK(broken("\"vm1\"", "\"v/1\"") == "ports[0].endpoint is not a name");
  CHECK(broken("\"vm2\"", "null") == "detached[0].endpoint is not a string");
  CHECK(broken("\"joined\"", "\"jointed\"") == "state.joined is not a list");
  CHECK(broken("007fff", "007ffg") == "store.id is not hexadecimal");
}

TEST_CASE("state: garbage never does more than be refused") {
  for (const auto* text : {"[]", "null", "7", "{}", "\"x\"", "{\"version\": \"1\"}",
                           "{\"version\": 1}", "{\"version\": 1, \"store\": []}", "\xff\xfe"})
    CHECK_FALSE(parse_state(text));
  CHECK_FALSE(parse_state(std::string(100'000, '[')));
}

TEST_CASE("state: a file that cannot be written is an error, and the old one stays") {
  const Directory directory;
  REQUIRE(save_state(directory.file(), sample()));
  fs::create_directory(directory.file().string() + ".new");
  const auto status = save_state(directory.file(), State{});
  REQUIRE_FALSE(status);
  CHECK(status.error().code == ErrorCode::kSystem);
  CHECK(status.error().message.find(directory.file().string()) != std::string::npos);
  CHECK(*load_state(directory.file()) == sample());
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
  CHECK(load_state(directory.file())->store.revision == 100);
}

}  // namespace
}  // namespace dove::agent
