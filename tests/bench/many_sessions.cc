// What a controller goes through when it has been killed and starts again: all of its hosts come
// back at once, each with doved's own session and backoff, and ask for all that they need. Beside
// it, the same hosts come one after the other. Whatever is lost, wrong, or written to the store
// makes it fail.
//
//   dove_bench_many_sessions [--agents N] [--down MS] [--json]
#include <fmt/format.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <asio/io_context.hpp>
#include <exception>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "api/completion_thread.h"
#include "api/convert.h"
#include "api/transport.h"
#include "dove/v1/management.grpc.pb.h"
#include "tests/bench/controller_process.h"
#include "tests/bench/must.h"
#include "tests/bench/played_agent.h"

namespace dove::bench {
namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::json;

struct Options {
  std::string program;
  Population population;
  unsigned down_ms = 2000;
  unsigned patience_s = 120;
  bool quick = false;
  bool as_json = false;
};

double seconds(Clock::duration time) { return std::chrono::duration<double>(time).count(); }

// A port that nobody uses just now.
std::uint16_t free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof name;
  const bool ok = ::bind(fd, reinterpret_cast<const sockaddr*>(&name), size) == 0 &&
                  ::getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size) == 0;
  ::close(fd);
  if (!ok) throw std::runtime_error{"there is no free port"};
  return ntohs(name.sin_port);
}

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    if (::mkdtemp(path_.data()) == nullptr) throw std::runtime_error{"cannot make a directory"};
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  const std::string& path() const noexcept { return path_; }

 private:
  std::string path_ = "/tmp/dove-many-sessions-XXXXXX";
};

class Bench {
 public:
  explicit Bench(const Options& options) : options_{options}, ids_(options.population.agents) {
    for (std::uint32_t i = 0; i < options.population.agents; ++i)
      agents_.push_back(std::make_unique<PlayedAgent>(options_.population, i, ids_));
  }

  json run();

 private:
  json all_new();
  json all_back();
  json one_by_one();
  void start_controller();
  void make_objects();
  void run_until_settled(const std::vector<PlayedAgent*>& who);
  json figures(Clock::time_point since) const;
  void check(std::uint64_t revision) const;

  const Options& options_;
  const TemporaryDirectory directory_;
  const api::Address address_{
      .kind = api::Address::Kind::kTcp, .host = "127.0.0.1", .port = free_port()};
  std::vector<HostId> ids_;
  asio::io_context loop_;
  api::CompletionThread completions_;
  std::vector<std::unique_ptr<PlayedAgent>> agents_;
  std::unique_ptr<ControllerProcess> controller_;
};

void Bench::start_controller() {
  controller_.reset();
  controller_ = std::make_unique<ControllerProcess>(std::vector<std::string>{
      options_.program, "--listen", address_.to_string(), "--store",
      "sqlite:" + directory_.path() + "/store.db", "--log-level", "error"});
}

void Bench::make_objects() {
  const auto& population = options_.population;
  v1::ChangeRequest change;
  change.add_operations()->mutable_tenant_add()->set_name("t");
  for (std::uint32_t n = 0; n < population.networks; ++n) {
    auto* network = change.add_operations()->mutable_network_add();
    network->set_name(Population::network_name(n));
    network->set_tenant("t");
    network->set_vni(Population::vni_of(n).value());
  }
  for (std::uint32_t i = 0; i < population.agents * population.endpoints; ++i) {
    auto* endpoint = change.add_operations()->mutable_endpoint_add();
    endpoint->set_name(Population::endpoint_name(i));
    endpoint->set_network(
        Population::network_name(population.network_of(i / population.endpoints)));
    endpoint->set_mac(api::to_bytes(Population::mac_of(i)));
  }
  const auto channel = must(api::make_channel(address_, false));
  if (!channel->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds{20}))
    throw std::runtime_error{"the controller does not come up"};
  grpc::ClientContext context;
  v1::ChangeReply reply;
  const auto status = v1::Management::NewStub(channel)->Change(&context, change, &reply);
  if (!status.ok()) throw std::runtime_error{status.error_message()};
}

bool is_settled(const PlayedAgent* agent) { return agent->settled().has_value(); }

void Bench::run_until_settled(const std::vector<PlayedAgent*>& who) {
  const auto deadline = Clock::now() + std::chrono::seconds{options_.patience_s};
  while (!std::all_of(who.begin(), who.end(), is_settled)) {
    if (Clock::now() > deadline)
      throw std::runtime_error{
          fmt::format("of {} hosts {} are back; {}", who.size(),
                      std::count_if(who.begin(), who.end(), is_settled),
                      (*std::find_if_not(who.begin(), who.end(), is_settled))->missing())};
    loop_.run_for(std::chrono::milliseconds{5});
  }
}

json Bench::figures(Clock::time_point since) const {
  std::vector<double> times;
  for (const auto& agent : agents_) times.push_back(seconds(*agent->settled() - since));
  std::sort(times.begin(), times.end());
  return {{"p50_s", times[times.size() / 2]},
          {"p99_s", times[times.size() * 99 / 100]},
          {"last_s", times.back()},
          {"controller_cpu_s", controller_->cpu_seconds()},
          {"controller_rss_mib", controller_->resident_mib()},
          {"controller_most_rss_mib", controller_->most_resident_mib()},
          {"controller_descriptors", controller_->descriptors()}};
}

// Nothing but what the agents did themselves was written, and all that they heard is right.
void Bench::check(std::uint64_t revision) const {
  std::vector<std::string> wrongs;
  for (const auto& agent : agents_) {
    wrongs.insert(wrongs.end(), agent->wrongs().begin(), agent->wrongs().end());
    if (agent->activations() != options_.population.endpoints)
      wrongs.push_back("an endpoint was activated again");
    if (revision != 0 && agent->revision() != revision)
      wrongs.push_back(fmt::format("revision {} became {}", revision, agent->revision()));
  }
  if (wrongs.empty()) return;
  throw std::runtime_error{
      fmt::format("{} things are wrong, the first: {}", wrongs.size(), wrongs.front())};
}

json Bench::all_new() {
  std::vector<PlayedAgent*> all;
  const auto began = Clock::now();
  for (const auto& agent : agents_) {
    agent->start(loop_, completions_.queue(), address_);
    all.push_back(agent.get());
  }
  run_until_settled(all);
  const auto result = figures(began);
  for (const auto& agent : agents_) agent->expect_all();
  check(0);
  return result;
}

json Bench::all_back() {
  std::vector<PlayedAgent*> all;
  for (const auto& agent : agents_) all.push_back(agent.get());
  loop_.run_for(std::chrono::seconds{1});  // the last pushes
  const auto revision = std::max_element(all.begin(), all.end(), [](const auto* a, const auto* b) {
    return a->revision() < b->revision();
  });
  const auto known = (*revision)->revision();
  controller_->kill();
  const auto noticed_by = Clock::now() + std::chrono::seconds{options_.patience_s};
  while (std::any_of(all.begin(), all.end(), is_settled)) {
    if (Clock::now() > noticed_by)
      throw std::runtime_error{"a host did not notice that it is alone"};
    loop_.run_for(std::chrono::milliseconds{5});
  }
  loop_.run_for(std::chrono::milliseconds{options_.down_ms});
  const auto began = Clock::now();
  start_controller();
  run_until_settled(all);
  auto result = figures(began);
  std::uint64_t attempts = 0;
  for (const auto* agent : all) attempts += agent->attempts();
  result["attempts_a_host"] =
      static_cast<double>(attempts) / static_cast<double>(options_.population.agents);
  check(known);
  return result;
}

json Bench::one_by_one() {
  for (const auto& agent : agents_) agent->stop();
  start_controller();
  loop_.restart();
  const auto began = Clock::now();
  for (const auto& agent : agents_) {
    agent->start(loop_, completions_.queue(), address_);
    run_until_settled({agent.get()});
  }
  auto result = figures(began);
  check(0);
  for (const auto& agent : agents_) agent->stop();
  return result;
}

json Bench::run() {
  start_controller();
  make_objects();
  json result{{"benchmark", "many_sessions"},
              {"sessions", options_.population.agents},
              {"networks", options_.population.networks},
              {"keys_asked", options_.population.agents * options_.population.keys},
              {"down_ms", options_.down_ms}};
  result["all_new"] = all_new();
  result["all_back_at_once"] = all_back();
  result["one_by_one"] = one_by_one();
  result["at_once_to_one_by_one"] = result["all_back_at_once"]["last_s"].get<double>() /
                                    result["one_by_one"]["last_s"].get<double>();
  return result;
}

void print(const json& result) {
  fmt::print("{} sessions, {} networks, the controller {} ms away\n", result["sessions"].get<int>(),
             result["networks"].get<int>(), result["down_ms"].get<int>());
  const std::vector<std::pair<std::string, std::string>> phases{
      {"all_new", "all new"},
      {"all_back_at_once", "all back at once"},
      {"one_by_one", "one after the other"}};
  for (const auto& [key, name] : phases) {
    const auto& phase = result[key];
    fmt::print(
        "{:20} last {:6.2f} s  p50 {:6.2f}  p99 {:6.2f}  controller: CPU {:5.2f} s, "
        "{:.0f} MiB, at most {:.0f}, {} descriptors\n",
        name, phase["last_s"].get<double>(), phase["p50_s"].get<double>(),
        phase["p99_s"].get<double>(), phase["controller_cpu_s"].get<double>(),
        phase["controller_rss_mib"].get<double>(), phase["controller_most_rss_mib"].get<double>(),
        phase["controller_descriptors"].get<int>());
  }
  fmt::print("at once / one after the other: {:.2f}\n",
             result["at_once_to_one_by_one"].get<double>());
}

void describe(CLI::App& app, Options& options) {
  app.add_option("--program", options.program, "dove-controller")->capture_default_str();
  app.add_option("--agents", options.population.agents)->capture_default_str();
  app.add_option("--networks", options.population.networks)->capture_default_str();
  app.add_option("--keys", options.population.keys)->capture_default_str();
  app.add_option("--down", options.down_ms, "Milliseconds without a controller")
      ->capture_default_str();
  app.add_flag("--quick", options.quick, "150 sessions");
  app.add_flag("--json", options.as_json);
}

int run(int argc, char** argv) {
  Options options;
  options.program =
      std::filesystem::read_symlink("/proc/self/exe").parent_path() / "dove-controller";
  CLI::App app{"A controller that starts again, and all of its hosts"};
  describe(app, options);
  CLI11_PARSE(app, argc, argv);
  if (options.quick) {
    options.population.agents = 150;
    options.population.networks = 10;
    options.down_ms = 500;
  }
  const auto result = Bench{options}.run();
  if (options.as_json)
    fmt::print("{}\n", result.dump());
  else
    print(result);
  return 0;
}

}  // namespace
}  // namespace dove::bench

int main(int argc, char** argv) {
  try {
    return dove::bench::run(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "Error: {}\n", error.what());
    return 2;
  }
}
