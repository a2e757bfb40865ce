#include "controller/options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <charconv>

#include "controller/topology.h"
#include "core/scheduling.h"

namespace dove::controller {
namespace {

constexpr std::string_view kSqlite = "sqlite:";
constexpr std::string_view kEtcd = "etcd:";

// As they were written.
struct Words {
  std::vector<std::string> listen;
  std::string store = kDefaultStore;
  std::string metrics;
  std::string negative_ttl = "2000";
  std::string router_mac = kDefaultRouterMac.to_string();
  std::string replicate_limit = "4096";
  std::string host_lease = "10";
  std::string realtime = "0";
  std::string log_level = "info";
  bool insecure = false;
};

void describe(CLI::App& app, Words& words) {
  app.set_config("--config", "", "Read options from this file, one \"option = value\" a line")
      ->type_name("FILE");
  app.allow_config_extras(false);
  app.set_version_flag("-V,--version", std::string{"dove-controller, dove-"} + DOVE_VERSION);
  app.add_option("--listen", words.listen,
                 "Listen here: HOST:PORT, [V6]:PORT or unix:PATH; may be repeated")
      ->type_name("ADDRESS")
      ->default_str(kDefaultListen);
  app.add_option("--store", words.store,
                 "Where records are kept: sqlite:PATH or etcd:HOST:PORT[,HOST:PORT]...")
      ->type_name("STORE")
      ->capture_default_str();
  app.add_option("--metrics", words.metrics,
                 "Serve figures for Prometheus here: HOST:PORT, [V6]:PORT or unix:PATH")
      ->type_name("ADDRESS");
  app.add_flag("--insecure", words.insecure, "Allow plain TCP beyond this machine");
  app.add_option("--negative-ttl", words.negative_ttl,
                 "Milliseconds for which agents may remember that something does not exist")
      ->type_name("MS")
      ->capture_default_str();
  app.add_option("--router-mac", words.router_mac,
                 "The MAC of every gateway, on every host; the same for all controllers")
      ->type_name("MAC")
      ->capture_default_str();
  app.add_option("--replicate-limit", words.replicate_limit,
                 "Endpoints up to which hosts get a network as a whole, 0 to 12288")
      ->type_name("N")
      ->capture_default_str();
  app.add_option("--host-lease", words.host_lease,
                 "Seconds without a word after which a host is suspect, 1 to 3600")
      ->type_name("SECS")
      ->capture_default_str();
  app.add_option("--realtime", words.realtime,
                 "Real-time priority, for a machine that has guests too; 0: none")
      ->type_name("PRIORITY")
      ->capture_default_str();
  app.add_option("--log-level", words.log_level, "debug, info, warning or error")
      ->type_name("LEVEL")
      ->capture_default_str();
}

Error wrong(std::string_view option, std::string_view word, std::string_view expected) {
  return {ErrorCode::kInvalid,
          fmt::format("--{} \"{}\" is wrong: expected {}", option, word, expected)};
}

Status parse_store(const std::string& word, Options& options) {
  constexpr std::string_view kExpected = "sqlite:PATH or etcd:HOST:PORT[,HOST:PORT]...";
  if (word.starts_with(kSqlite) && word.size() > kSqlite.size()) {
    options.store_path = word.substr(kSqlite.size());
    return {};
  }
  if (!word.starts_with(kEtcd)) return wrong("store", word, kExpected);
  auto members = api::parse_address_list(std::string_view{word}.substr(kEtcd.size()));
  if (!members)
    return wrong("store", word, fmt::format("{}: {}", kExpected, members.error().message));
  for (const auto& member : *members) {
    if (member.kind != api::Address::Kind::kTcp) return wrong("store", word, kExpected);
    if (auto status = api::check_plaintext(member, options.insecure); !status) return status;
  }
  options.etcd = *std::move(members);
  return {};
}

std::optional<unsigned> parse_number(const std::string& word) {
  unsigned number = 0;
  const auto [stop, error] = std::from_chars(word.data(), word.data() + word.size(), number);
  if (error != std::errc{} || stop != word.data() + word.size()) return std::nullopt;
  return number;
}

Result<std::chrono::milliseconds> parse_ttl(const std::string& word) {
  constexpr unsigned kLongest = 3'600'000;
  const auto ttl = parse_number(word).value_or(0);
  if (ttl == 0 || ttl > kLongest)
    return wrong("negative-ttl", word, fmt::format("milliseconds, 1..{}", kLongest));
  return std::chrono::milliseconds{ttl};
}

// A snapshot, with four addresses an endpoint (replicas.cc), has to fit into what may wait for an
// agent that reads slowly (outbox.h).
Result<std::size_t> parse_replicate_limit(const std::string& word) {
  constexpr unsigned kMost = 12288;
  const auto limit = parse_number(word);
  if (!limit || *limit > kMost)
    return wrong("replicate-limit", word, fmt::format("a number of endpoints, 0..{}", kMost));
  return std::size_t{*limit};
}

Result<api::Address> parse_local_address(const std::string& word, bool insecure) {
  auto address = api::parse_address(word);
  if (!address) return address.error();
  if (auto status = api::check_plaintext(*address, insecure); !status) return status.error();
  return address;
}

Result<std::chrono::seconds> parse_host_lease(const std::string& word) {
  constexpr unsigned kLongest = 3600;
  const auto lease = parse_number(word).value_or(0);
  if (lease == 0 || lease > kLongest)
    return wrong("host-lease", word, fmt::format("seconds, 1..{}", kLongest));
  return std::chrono::seconds{lease};
}

Result<unsigned> parse_realtime(const std::string& word) {
  const auto priority = parse_number(word);
  if (!priority || *priority > kHighestRealtimePriority)
    return wrong("realtime", word, fmt::format("a priority, 0..{}", kHighestRealtimePriority));
  return *priority;
}

Result<Options> read(const Words& words) {
  Options options{.insecure = words.insecure};
  auto listen = words.listen;
  if (listen.empty()) listen.emplace_back(kDefaultListen);
  for (const auto& word : listen) {
    auto address = parse_local_address(word, words.insecure);
    if (!address) return address.error();
    if (std::find(options.listen.begin(), options.listen.end(), *address) != options.listen.end())
      return wrong("listen", word, "each address once");
    options.listen.push_back(*std::move(address));
  }
  if (!words.metrics.empty()) {
    auto address = parse_local_address(words.metrics, words.insecure);
    if (!address) return address.error();
    options.metrics = *std::move(address);
  }
  if (auto status = parse_store(words.store, options); !status) return status.error();
  const auto ttl = parse_ttl(words.negative_ttl);
  if (!ttl) return ttl.error();
  options.negative_ttl = *ttl;
  const auto replicate_limit = parse_replicate_limit(words.replicate_limit);
  if (!replicate_limit) return replicate_limit.error();
  options.replicate_limit = *replicate_limit;
  const auto host_lease = parse_host_lease(words.host_lease);
  if (!host_lease) return host_lease.error();
  options.host_lease = *host_lease;
  const auto realtime = parse_realtime(words.realtime);
  if (!realtime) return realtime.error();
  options.realtime = *realtime;
  const auto router_mac = MacAddress::parse(words.router_mac);
  if (!router_mac || !router_mac->is_unicast())
    return wrong("router-mac", words.router_mac, "a unicast MAC");
  options.router_mac = *router_mac;
  for (const auto* level : {"debug", "info", "warning", "error"})
    if (words.log_level == level) options.log_level = level;
  if (options.log_level != words.log_level)
    return wrong("log-level", words.log_level, "debug, info, warning or error");
  return options;
}

// What CLI11 says, in our form.
Finish finish(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
    if (dynamic_cast<const CLI::CallForVersion*>(&error) != nullptr)
      return {0, std::string{error.what()} + "\n"};
    return {0, app.help()};
  }
  return {1, fmt::format("Error: {}\n", error.what())};
}

}  // namespace

std::variant<Options, Finish> parse_options(int argc, const char* const* argv) {
  CLI::App app{"The controller of DOVE networks: see dove-controller(8)", "dove-controller"};
  Words words;
  describe(app, words);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return finish(app, error);
  }
  auto options = read(words);
  if (!options) return Finish{1, fmt::format("Error: {}\n", options.error().message)};
  return *std::move(options);
}

}  // namespace dove::controller
