// dove-controller: the wiring.
#include <fmt/format.h>
#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <limits.h>
#include <signal.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "api/journal.h"
#include "api/metrics_server.h"
#include "api/process_figures.h"
#include "api/realtime.h"
#include "api/transport.h"
#include "controller/agent_service.h"
#include "controller/figures.h"
#include "controller/management_service.h"
#include "controller/operator_log.h"
#include "controller/options.h"
#include "controller/registry.h"
#include "controller/sessions.h"
#include "controller/store/etcd_store.h"
#include "controller/store/sqlite_store.h"

namespace dove::controller {
namespace {

// So many networks of the largest size that hosts get as a whole, one host gets.
constexpr std::size_t kReplicasOfAgent = 16;
constexpr std::chrono::seconds kGrace{2};  // for calls that are being answered, at the end

// SIGTERM and SIGINT are waited for, in every thread.
sigset_t block_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  return set;
}

void log_of_grpc(gpr_log_func_args* args) {
  if (args->severity == GPR_LOG_SEVERITY_ERROR) spdlog::debug("grpc: {}", args->message);
}

void quieten_libraries() {
  gpr_set_log_function(log_of_grpc);
  // It would write a line about every malformed string that anybody sends.
  google::protobuf::SetLogHandler(nullptr);
}

// Only what is ours by default: a directory that somebody named must be there.
Status make_default_directory(const std::string& path, std::string_view default_path) {
  if (path != default_path) return {};
  std::error_code error;
  const auto directory = std::filesystem::path{path}.parent_path();
  std::filesystem::create_directories(directory, error);
  if (!error) return {};
  return Error{ErrorCode::kSystem,
               fmt::format("cannot make \"{}\": {}", directory.string(), error.message()),
               error.value()};
}

Status make_directories(const Options& options) {
  const auto behind_colon = [](std::string_view word) { return word.substr(word.find(':') + 1); };
  for (const auto& address : options.listen)
    if (auto s = make_default_directory(address.path, behind_colon(kDefaultListen)); !s) return s;
  return make_default_directory(options.store_path, behind_colon(kDefaultStore));
}

std::string page(const FigureSources& sources) {
  auto samples = figures(sources);
  for (auto& sample : api::process_figures("dove-controller")) samples.push_back(std::move(sample));
  return api::exposition(samples);
}

// Null when the options name no address. The figures are gathered by the registry's thread.
Result<std::unique_ptr<api::MetricsServer>> serve_metrics(const Options& options,
                                                          Registry& registry) {
  if (!options.metrics) return std::unique_ptr<api::MetricsServer>{};
  const auto collect = [&registry](std::function<void(api::MetricsServer::Render)> done) {
    registry.figures([done = std::move(done)](FigureSources sources) {
      done([sources = std::move(sources)] { return page(sources); });
    });
  };
  return api::MetricsServer::open(*options.metrics, options.insecure, collect);
}

std::string this_process(const Options& options) {
  std::array<char, HOST_NAME_MAX + 1> name{};
  ::gethostname(name.data(), name.size() - 1);
  return fmt::format("process {} of {}, at {}", ::getpid(), name.data(),
                     options.listen.back().to_string());
}

// Null: a signal came while it waited for the cluster, or for another controller to end. The one
// that loses its store ends itself by SIGTERM, with the error in `lost`.
Result<std::unique_ptr<Store>> open_etcd(const Options& options, const sigset_t& signals,
                                         api::Journal& journal, std::atomic<bool>& lost) {
  std::string said;
  const auto wait = [&](const Error& why) {
    constexpr timespec kPause{.tv_sec = 0, .tv_nsec = 300'000'000};
    const auto text =
        (why.code == ErrorCode::kConflict ? "standing by: " : "waiting: ") + why.message;
    if (why.code != ErrorCode::kConflict)
      journal.complain("waiting", text);
    else if (said != text)
      journal.info(text);
    said = text;
    return ::sigtimedwait(&signals, nullptr, &kPause) < 0;
  };
  const auto end = [&](const Error& why) {
    journal.error(why.message);
    lost = true;
    ::kill(::getpid(), SIGTERM);
  };
  const auto reached = [&](const Status& status) {
    if (status)
      journal.info("the store answers again");
    else
      journal.error(status.error().message +
                    ": changes are refused until it answers, all else goes on");
  };
  auto store = EtcdStore::open({.members = options.etcd,
                                .insecure = options.insecure,
                                .holder = this_process(options),
                                .wait = wait,
                                .lost = end,
                                .reached = reached});
  if (!store) return store.error();
  if (*store && !said.empty()) journal.info("this controller has the store now");
  return std::unique_ptr<Store>{*std::move(store)};
}

Result<std::unique_ptr<Store>> open_sqlite(const Options& options) {
  auto store = SqliteStore::open(options.store_path);
  if (!store) return store.error();
  return std::unique_ptr<Store>{*std::move(store)};
}

Status serve(const Options& options, const sigset_t& signals, api::Journal& journal) {
  if (auto status = make_directories(options); !status) return status;
  std::atomic<bool> lost = false;
  auto store =
      options.etcd.empty() ? open_sqlite(options) : open_etcd(options, signals, journal, lost);
  if (!store) return store.error();
  if (*store == nullptr) return {};
  const OperatorLog log{&journal};
  Sessions sessions{{.router_mac = options.router_mac,
                     .negative_ttl = options.negative_ttl,
                     .lease = options.host_lease,
                     .report = [log](const std::string& line) { log.silence(line); },
                     .replicas = {.network = options.replicate_limit,
                                  .agent = kReplicasOfAgent * options.replicate_limit}}};
  auto registry = Registry::open(**store, sessions, log);
  if (!registry) return registry.error();
  const auto metrics = serve_metrics(options, **registry);
  if (!metrics) return metrics.error();

  grpc::ServerBuilder builder;
  ManagementService management{builder, **registry};
  AgentService agents{builder, **registry, sessions, {}, log};
  auto server = api::start_server(builder, options.listen, options.insecure);
  if (!server) return server.error();
  agents.start();
  management.start(agents.thread());
  for (const auto& address : options.listen) journal.info("listening on " + address.to_string());

  int signal = 0;
  sigwait(&signals, &signal);
  journal.info(
      fmt::format("stopping: {}", lost ? "started again, it stands by" : strsignal(signal)));
  sessions.stop_waiting();
  (*server)->stop_listening();
  sessions.end_all({ErrorCode::kUnavailable, "the controller is stopping"});
  // What was confirmed is on the disk: whoever does not read has no claim on our time.
  if (!(*server)->shut_down(kGrace) || !agents.stop(kGrace)) std::_Exit(lost ? 2 : 0);
  if (lost) return Error{ErrorCode::kUnavailable, "the store is not this controller's any more"};
  return {};
}

int run(int argc, const char* const* argv) {
  const auto parsed = parse_options(argc, argv);
  if (const auto* finish = std::get_if<Finish>(&parsed)) {
    std::fputs(finish->text.c_str(), finish->code == 0 ? stdout : stderr);
    return finish->code;
  }
  const auto signals = block_signals();
  const auto& options = std::get<Options>(parsed);
  api::Journal journal{"dove-controller", options.log_level};
  quieten_libraries();
  const auto realtime = api::take_realtime(options.realtime, journal);
  const auto status = serve(options, signals, journal);
  if (status) return 0;
  fmt::print(stderr, "Error: {}\n", status.error().message);
  return 2;
}

}  // namespace
}  // namespace dove::controller

int main(int argc, char** argv) { return dove::controller::run(argc, argv); }
