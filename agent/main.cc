// doved: the DOVE switch of a host. The parts, and who knows whom.
#include <asio/io_context.hpp>
#include <asio/signal_set.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "agent/agent.h"
#include "agent/local_service.h"
#include "agent/metrics.h"
#include "agent/options.h"
#include "api/completion_thread.h"
#include "api/journal.h"
#include "api/realtime.h"

namespace {

constexpr int kCannotRun = 2;
constexpr std::chrono::seconds kStopTime{2};

int finish(const dove::agent::Finish& finish) {
  std::fputs(finish.text.c_str(), finish.code == 0 ? stdout : stderr);
  return finish.code;
}

int run(const dove::agent::Options& options) {
  using namespace dove::agent;
  dove::api::Journal journal{"doved", options.log_level};
  const auto realtime = dove::api::take_realtime(options.realtime, journal);
  asio::io_context loop{1};
  asio::signal_set signals{loop, SIGTERM, SIGINT};
  std::signal(SIGPIPE, SIG_IGN);

  // One thread for all of gRPC, the session with the controller and dovectl's calls.
  grpc::ServerBuilder builder;
  dove::api::CompletionThread thread{builder.AddCompletionQueue()};

  auto agent = Agent::open(loop, thread.queue(), options, journal);
  if (!agent) return journal.error(agent.error().message), kCannotRun;
  const auto metrics = serve_metrics(loop, **agent, options);
  if (!metrics) return journal.error(metrics.error().message), kCannotRun;
  auto local = LocalService::open(loop, builder, thread, **agent, options.socket);
  if (!local) return journal.error(local.error().message), kCannotRun;

  bool clean = true;
  signals.async_wait([&](const std::error_code& error, int /*signal*/) {
    if (error) return;
    journal.info("stopping; what is in the kernel stays");
    (*agent)->disconnect();
    (*local)->stop([&](bool ended) {
      clean = ended;
      (*agent)->stop();
      loop.stop();
    });
  });
  (*agent)->start();
  journal.info("doved " DOVE_VERSION " is up");
  loop.run();
  // A call that nothing can finish any more has no claim on our time.
  if (!clean || !thread.stop(kStopTime)) std::_Exit(0);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const auto options = dove::agent::parse_options(argc, argv);
  if (const auto* end = std::get_if<dove::agent::Finish>(&options)) return finish(*end);
  return run(std::get<dove::agent::Options>(options));
}
