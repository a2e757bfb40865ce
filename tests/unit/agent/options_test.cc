#include "agent/options.h"

#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "tests/catch.h"

namespace dove::agent {
namespace {

std::variant<Options, Finish> parse(std::vector<const char*> words) {
  words.insert(words.begin(), "doved");
  return parse_options(static_cast<int>(words.size()), words.data());
}

// With what is required, and more.
std::variant<Options, Finish> parse_more(const std::vector<const char*>& more) {
  std::vector<const char*> words{"--host",    "h1",           "--local",
                                 "192.0.2.1", "--controller", "unix:/run/c"};
  words.insert(words.end(), more.begin(), more.end());
  return parse(words);
}

std::string refusal(const std::variant<Options, Finish>& parsed) {
  const auto* finish = std::get_if<Finish>(&parsed);
  REQUIRE(finish != nullptr);
  CHECK(finish->code == 1);
  CHECK(finish->text.substr(0, 7) == "Error: ");
  return finish->text;
}

bool names(const std::string& text, std::string_view word) {
  return text.find(word) != std::string::npos;
}

TEST_CASE("options: defaults") {
  const auto parsed = parse_more({});
  REQUIRE(std::holds_alternative<Options>(parsed));
  const auto& options = std::get<Options>(parsed);
  CHECK(options.host == "h1");
  CHECK(options.local == Vtep{.address = *IpAddress::parse("192.0.2.1"), .port = 4789});
  CHECK(options.controllers.size() == 1);
  CHECK(options.socket == "/run/dove/doved.sock");
  CHECK(options.state_file() == "/var/lib/dove/state.json");
  CHECK(options.miss_mode == MissMode::kPunt);
  CHECK(options.limits.queries.per_second == WallLimits{}.queries.per_second);
  CHECK_FALSE(options.insecure);
}

TEST_CASE("options: the host's own name is the default") {
  const auto parsed = parse({"--local", "192.0.2.1", "--controller", "unix:/run/c"});
  REQUIRE(std::holds_alternative<Options>(parsed));
  CHECK_FALSE(std::get<Options>(parsed).host.empty());
}

TEST_CASE("options: every value arrives") {
  const auto parsed = parse_more(
      {"--socket",     "/tmp/s", "--state-dir",   "/tmp/d",     "--miss-mode",      "notify",
       "--port",       "8472",   "--ageing",      "30",         "--query-interval", "7",
       "--punt-limit", "1",      "--query-limit", "2",          "--announce-limit", "3",
       "--log-level",  "debug",  "--metrics",     "[::1]:9273", "--insecure"});
  REQUIRE(std::holds_alternative<Options>(parsed));
  const auto& options = std::get<Options>(parsed);
  CHECK(options.socket == "/tmp/s");
  CHECK(options.state_file() == "/tmp/d/state.json");
  CHECK(options.miss_mode == MissMode::kNotify);
  CHECK(options.local.port == 8472);
  CHECK(options.ageing == std::chrono::seconds{30});
  CHECK(options.query_interval == std::chrono::seconds{7});
  CHECK(options.limits.punts.per_second == 1);
  CHECK(options.limits.queries.per_second == 2);
  CHECK(options.limits.announcements.per_second == 3);
  CHECK(options.log_level == "debug");
  REQUIRE(options.metrics);
  CHECK(options.metrics->to_string() == "[::1]:9273");
  CHECK(options.insecure);
}

TEST_CASE("options: real-time priority is had unless it is 0") {
  CHECK(std::get<Options>(parse_more({})).realtime == 1);
  CHECK(std::get<Options>(parse_more({"--realtime", "0"})).realtime == 0);
  CHECK(std::get<Options>(parse_more({"--realtime", "99"})).realtime == 99);
}

TEST_CASE("options: figures are served nowhere unless asked for, in clear text on this machine") {
  CHECK_FALSE(std::get<Options>(parse_more({})).metrics);
  for (const auto* word : {"unix:/run/dove/metrics.sock", "127.0.0.1:9273", "localhost:9273"})
    CHECK(std::holds_alternative<Options>(parse_more({"--metrics", word})));
  CHECK(names(refusal(parse_more({"--metrics", "0.0.0.0:9273"})), "--insecure"));
  CHECK(names(refusal(parse_more({"--metrics", "9273"})), "--metrics"));
  CHECK(std::holds_alternative<Options>(parse_more({"--metrics", "0.0.0.0:9273", "--insecure"})));
}

TEST_CASE("options: bounds") {
  const auto defaults = std::get<Options>(parse_more({})).bounds;
  CHECK(defaults.asks_per_guest.per_second == 2000);
  CHECK(defaults.asks_per_guest.burst == 500);
  CHECK(defaults.asks_per_host.per_second == 20'000);
  CHECK(defaults.group_copies_per_guest.per_second == 1000);
  CHECK(defaults.group_copies_per_host.per_second == 10'000);
  CHECK(defaults.keys_per_network == Limits{}.keys_per_network);
  const auto parsed = parse_more({"--ask-limit", "100", "--host-ask-limit", "0", "--guest-waiting",
                                  "1", "--network-waiting", "2", "--waiting-memory", "3",
                                  "--network-keys", "40", "--network-groups", "5",
                                  "--group-copy-limit", "8", "--host-group-copy-limit", "9"});
  REQUIRE(std::holds_alternative<Options>(parsed));
  const auto& bounds = std::get<Options>(parsed).bounds;
  CHECK(bounds.asks_per_guest.per_second == 100);
  CHECK(bounds.asks_per_guest.burst == 25);
  CHECK(bounds.asks_per_host.per_second == 0);
  CHECK(bounds.waiting_per_guest == 1);
  CHECK(bounds.waiting_per_network == 2);
  CHECK(bounds.waiting_bytes == 3U << 20U);
  CHECK(bounds.keys_per_network == 40);
  CHECK(bounds.groups_per_network == 5);
  CHECK(bounds.group_copies_per_guest.per_second == 8);
  CHECK(bounds.group_copies_per_guest.burst == 4);
  CHECK(bounds.group_copies_per_host.per_second == 9);
}

TEST_CASE("options: no limit is a limit that no port reaches") {
  const auto parsed = parse_more({"--punt-limit", "0"});
  REQUIRE(std::holds_alternative<Options>(parsed));
  CHECK(std::get<Options>(parsed).limits.punts.per_second >= 100'000'000);
}

TEST_CASE("options: what is missing is named") {
  CHECK(names(refusal(parse({"--controller", "unix:/c"})), "--local"));
  CHECK(names(refusal(parse({"--local", "192.0.2.1"})), "--controller"));
  CHECK(names(refusal(parse_more({"--port"})), "--port"));
}

TEST_CASE("options: the bad word is named, and its option") {
  const auto check = [](const char* option, const char* word) {
    const auto text = refusal(parse_more({option, word}));
    CHECK(names(text, option));
    CHECK(names(text, word));
  };
  check("--miss-mode", "poll");
  check("--port", "0");
  check("--port", "65536");
  check("--port", "47x");
  check("--ageing", "0");
  check("--ageing", "-1");
  check("--query-interval", "0");
  check("--punt-limit", "1e3");
  check("--query-limit", "99999999999");
  check("--announce-limit", "many");
  check("--ask-limit", "-1");
  check("--network-keys", "15");
  check("--waiting-memory", "4096");
  check("--realtime", "100");
  check("--log-level", "loud");
  check("--socket", "/with blank");
  CHECK(names(refusal(parse_more({"--nonsense"})), "--nonsense"));
  CHECK(names(refusal(parse_more({"stray"})), "stray"));
}

TEST_CASE("options: a bad address is named") {
  const auto local = [](const char* word) {
    return refusal(parse({"--local", word, "--controller", "unix:/c"}));
  };
  CHECK(names(local("192.0.2"), "192.0.2"));
  CHECK(names(local("127.0.0.1"), "127.0.0.1"));
  CHECK(names(local("224.0.0.1"), "224.0.0.1"));
  CHECK(names(local("fe80::1"), "fe80::1"));
  const auto controller = [](const char* word) {
    return refusal(parse({"--local", "192.0.2.1", "--controller", word}));
  };
  CHECK(names(controller("192.0.2.9"), "192.0.2.9"));
  CHECK(names(controller("unix:/a,unix:/a"), "twice"));
  CHECK(names(controller("192.0.2.9:1"), "--insecure"));
  CHECK(names(refusal(parse({"--host", "a/b", "--local", "192.0.2.1", "--controller", "unix:/c"})),
              "a/b"));
}

// A file of its own, removed at the end.
class ConfigFile {
 public:
  explicit ConfigFile(std::string_view text) {
    const int fd = ::mkstemp(name_.data());
    REQUIRE(fd >= 0);
    ::close(fd);
    std::ofstream{name_} << text;
  }
  ~ConfigFile() { std::remove(name_.c_str()); }
  const char* name() const { return name_.c_str(); }

 private:
  std::string name_ = "/tmp/dove-options-XXXXXX";
};

TEST_CASE("options: every option is a key of the file, and the command line wins") {
  const ConfigFile file{
      "host = h2\nlocal = 192.0.2.2\ncontroller = unix:/a,unix:/b\n"
      "socket = /tmp/s\nstate-dir = /tmp/d\nmiss-mode = notify\nport = 1\nageing = 2\n"
      "query-interval = 8\npunt-limit = 3\nquery-limit = 4\nannounce-limit = 5\nlog-level = "
      "error\ninsecure = true\nmetrics = 127.0.0.1:9273\n"};
  const auto parsed = parse({"--config", file.name(), "--ageing", "9"});
  REQUIRE(std::holds_alternative<Options>(parsed));
  const auto& options = std::get<Options>(parsed);
  CHECK(options.host == "h2");
  CHECK(options.controllers.size() == 2);
  CHECK(options.local.port == 1);
  CHECK(options.ageing == std::chrono::seconds{9});
  CHECK(options.query_interval == std::chrono::seconds{8});
  CHECK(options.limits.announcements.per_second == 5);
  REQUIRE(options.metrics);
  CHECK(options.metrics->port == 9273);
  CHECK(options.log_level == "error");
  CHECK(options.insecure);
}

TEST_CASE("options: a bad file is named, or its bad key") {
  CHECK(names(refusal(parse_more({"--config", "/nonexistent/file"})), "/nonexistent/file"));
  const ConfigFile file{"agein = 2\n"};
  CHECK(names(refusal(parse_more({"--config", file.name()})), "agein"));
}

TEST_CASE("options: version and help end well") {
  for (const auto* word : {"--version", "-V", "--help"}) {
    const auto parsed = parse({word});
    const auto* finish = std::get_if<Finish>(&parsed);
    REQUIRE(finish != nullptr);
    CHECK(finish->code == 0);
    CHECK(names(finish->text, "dove"));
  }
}

}  // namespace
}  // namespace dove::agent
