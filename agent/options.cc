#include "agent/options.h"

#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <optional>

#include "agent/bound_options.h"
#include "agent/option_words.h"
#include "core/name.h"
#include "core/scheduling.h"

namespace dove::agent {
namespace {

// The words as they were given; checked afterwards, all in one way.
struct Words {
  std::string host;
  std::string local;
  std::string controller;
  std::string socket;
  std::string metrics;
  std::string miss_mode = "punt";
  std::string state_dir;
  std::string port;
  std::string ageing;
  std::string query_interval;
  std::string audit_period;
  std::string reconcile_pause;
  std::string learn_ageing;
  std::string realtime;
  std::string punt_limit;
  std::string query_limit;
  std::string announce_limit;
  BoundWords bounds;
  std::string log_level = "info";
  bool insecure = false;
};

std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return {};
  return name.data();
}

Status read_host(const Words& words, Options& out) {
  out.host = words.host.empty() ? host_name() : words.host;
  if (const auto status = check_name("host name", out.host); !status)
    return wrong("--host", out.host, status.error().message);
  return {};
}

Status read_local(const Words& words, Options& out) {
  if (words.local.empty())
    return Error{ErrorCode::kInvalid, "--local is required: an address of this host"};
  const auto address = IpAddress::parse(words.local);
  if (!address) return wrong("--local", words.local, "expected an IP address of this host");
  if (address->is_v6() && address->is_link_local())
    return wrong("--local", words.local, "a link-local IPv6 address leads nowhere without a zone");
  if (!address->is_assignable())
    return wrong("--local", words.local, "no host can have this address");
  unsigned port = Vtep::kDefaultPort;
  if (auto status = read_number("--port", words.port, {1, 65535}, port); !status) return status;
  out.local = {.address = *address, .port = static_cast<std::uint16_t>(port)};
  return {};
}

Status read_controllers(const Words& words, Options& out) {
  if (words.controller.empty())
    return Error{ErrorCode::kInvalid,
                 "--controller is required: HOST:PORT, [V6]:PORT or unix:PATH"};
  auto controllers = api::parse_address_list(words.controller);
  if (!controllers) return wrong("--controller", words.controller, controllers.error().message);
  for (const auto& address : *controllers)
    if (auto status = api::check_plaintext(address, words.insecure); !status) return status;
  out.controllers = *std::move(controllers);
  out.insecure = words.insecure;
  return {};
}

Status read_metrics(const Words& words, Options& out) {
  if (words.metrics.empty()) return {};
  auto address = api::parse_address(words.metrics);
  if (!address) return wrong("--metrics", words.metrics, address.error().message);
  if (auto status = api::check_plaintext(*address, words.insecure); !status) return status;
  out.metrics = *std::move(address);
  return {};
}

Status read_paths(const Words& words, Options& out) {
  if (!words.socket.empty()) out.socket = words.socket;
  if (auto path = api::parse_address("unix:" + out.socket); !path)
    return wrong("--socket", out.socket, path.error().message);
  if (!words.state_dir.empty()) out.state_dir = words.state_dir;
  return {};
}

Status read_miss_mode(const Words& words, Options& out) {
  if (words.miss_mode != "punt" && words.miss_mode != "notify")
    return wrong("--miss-mode", words.miss_mode, "expected punt or notify");
  out.miss_mode = words.miss_mode == "punt" ? MissMode::kPunt : MissMode::kNotify;
  return {};
}

// 0 stands for a rate that no port reaches.
Status read_rate(std::string_view option, std::string_view word, Rate& out) {
  constexpr unsigned kNoLimit = 1'000'000'000;
  if (auto status = read_number(option, word, {0, 10'000'000}, out.per_second); !status)
    return status;
  if (out.per_second == 0) out.per_second = kNoLimit;
  return {};
}

Status read_limits(const Words& words, Options& out) {
  unsigned ageing = static_cast<unsigned>(out.ageing.count());
  if (auto status = read_number("--ageing", words.ageing, {1, 1'000'000}, ageing); !status)
    return status;
  out.ageing = std::chrono::seconds{ageing};
  unsigned query_interval = static_cast<unsigned>(out.query_interval.count());
  if (auto status =
          read_number("--query-interval", words.query_interval, {1, 31'744}, query_interval);
      !status)
    return status;
  out.query_interval = std::chrono::seconds{query_interval};
  unsigned audit_period = static_cast<unsigned>(out.audit_period.count());
  if (auto status = read_number("--audit-period", words.audit_period, {0, 86'400}, audit_period);
      !status)
    return status;
  out.audit_period = std::chrono::seconds{audit_period};
  unsigned reconcile_pause = static_cast<unsigned>(out.reconcile_pause.count());
  if (auto status =
          read_number("--reconcile-pause", words.reconcile_pause, {1, 3600}, reconcile_pause);
      !status)
    return status;
  out.reconcile_pause = std::chrono::seconds{reconcile_pause};
  unsigned learn_ageing = static_cast<unsigned>(out.learn_ageing.count());
  if (auto status = read_number("--learn-ageing", words.learn_ageing, {1, 1'000'000}, learn_ageing);
      !status)
    return status;
  out.learn_ageing = std::chrono::seconds{learn_ageing};
  auto& limits = out.limits;
  if (auto status = read_rate("--punt-limit", words.punt_limit, limits.punts); !status)
    return status;
  if (auto status = read_rate("--query-limit", words.query_limit, limits.queries); !status)
    return status;
  if (auto status = read_rate("--announce-limit", words.announce_limit, limits.announcements);
      !status)
    return status;
  return read_bounds(words.bounds, out.bounds);
}

Status read_realtime(const Words& words, Options& out) {
  return read_number("--realtime", words.realtime, {0, kHighestRealtimePriority}, out.realtime);
}

Status read_log_level(const Words& words, Options& out) {
  for (const auto* level : {"trace", "debug", "info", "warning", "error"})
    if (words.log_level == level) {
      out.log_level = level;
      return {};
    }
  return wrong("--log-level", words.log_level, "expected trace, debug, info, warning or error");
}

std::variant<Options, Finish> check(const Words& words) {
  Options options{.local = {.address = IpAddress::v4(0)}};
  for (const auto read : {read_host, read_local, read_controllers, read_metrics, read_paths,
                          read_miss_mode, read_limits, read_realtime, read_log_level})
    if (const auto status = read(words, options); !status)
      return Finish{.code = 1, .text = fmt::format("Error: {}\n", status.error().message)};
  return options;
}

void describe(CLI::App& app, Words& words) {
  app.set_config("--config", "", "Read options from this file, one \"option = value\" a line");
  app.allow_config_extras(false);
  // Else CLI11 takes a comma in an unquoted value for the mark of a list.
  app.get_config_formatter_base()->arrayDelimiter('\n');
  app.set_version_flag("-V,--version", "doved, dove-" DOVE_VERSION);
  app.add_option("--host", words.host, "This host's name at the controller (default: hostname)");
  app.add_option("--local", words.local, "This host's tunnel endpoint address");
  app.add_option("--controller", words.controller, "ADDR[,ADDR]..., in order of preference");
  app.add_flag("--insecure", words.insecure, "Allow plain TCP beyond this machine");
  app.add_option("--socket", words.socket, "Where dovectl connects (/run/dove/doved.sock)");
  app.add_option("--metrics", words.metrics,
                 "Serve figures for Prometheus here: HOST:PORT, [V6]:PORT or unix:PATH");
  app.add_option("--state-dir", words.state_dir, "Where ports are remembered (/var/lib/dove)");
  app.add_option("--miss-mode", words.miss_mode, "punt (default) or notify");
  app.add_option("--port", words.port, "UDP port of the tunnel (4789)");
  app.add_option("--ageing", words.ageing, "Seconds after which unused entries go (300)");
  app.add_option("--query-interval", words.query_interval,
                 "Seconds between multicast queries to guests (125)");
  app.add_option("--audit-period", words.audit_period,
                 "Seconds in which all is compared with kernel and controller once, 0: never (60)");
  app.add_option("--reconcile-pause", words.reconcile_pause,
                 "Seconds between comparisons because the kernel told more than was read (10)");
  app.add_option("--learn-ageing", words.learn_ageing,
                 "Seconds after which a silent guest that nobody registered goes (300)");
  app.add_option("--punt-limit", words.punt_limit,
                 "Frames to unknown destinations a second and port, 0: no limit (20000)");
  app.add_option("--query-limit", words.query_limit,
                 "ARP requests and solicitations a second and port, 0: no limit (2000)");
  app.add_option("--announce-limit", words.announce_limit,
                 "Announcements a second and port, 0: no limit (100)");
  describe_bounds(app, words.bounds);
  app.add_option("--realtime", words.realtime,
                 "Real-time priority, so that guests do not delay it; 0: none (1)");
  app.add_option("--log-level", words.log_level, "trace, debug, info (default), warning, error");
}

// What CLI11 says, in our form.
Finish finish(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
    if (dynamic_cast<const CLI::CallForVersion*>(&error) != nullptr)
      return {.code = 0, .text = std::string{error.what()} + '\n'};
    return {.code = 0, .text = app.help()};
  }
  if (dynamic_cast<const CLI::ConfigError*>(&error) != nullptr)
    return {.code = 1, .text = fmt::format("Error: configuration file: {}\n", error.what())};
  return {.code = 1, .text = fmt::format("Error: {}\n", error.what())};
}

}  // namespace

std::variant<Options, Finish> parse_options(int argc, const char* const* argv) {
  Words words;
  CLI::App app{"The DOVE switch of this host: see doved(8)", "doved"};
  try {
    describe(app, words);
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return finish(app, error);
  }
  return check(words);
}

}  // namespace dove::agent
