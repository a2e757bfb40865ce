// How fast a controller answers: round trips of single asks and keys a second in batches, on one
// stream over TCP loopback, beside the same stream from a server that answers without looking
// anything up (the bare stream) in the same run.
//
//   dove_bench_controller_ask --program build/release/bin/dove-controller [--endpoints N]
#include <fmt/format.h>
#include <grpcpp/channel.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <filesystem>
#include <stdexcept>
#include <thread>

#include "api/convert.h"
#include "api/transport.h"
#include "dove/v1/agent.grpc.pb.h"
#include "dove/v1/management.grpc.pb.h"

namespace {

using namespace dove;
using Clock = std::chrono::steady_clock;
using Stream = grpc::ClientReaderWriter<v1::FromAgent, v1::FromController>;

constexpr std::uint16_t kControllerPort = 17391;
constexpr std::uint16_t kBarePort = 17392;
constexpr std::uint32_t kVni = 100;

[[noreturn]] void fail(const std::string& why) { throw std::runtime_error{why}; }

// A process that ends with this one, however this one ends. 0 in the child.
pid_t fork_child() {
  const pid_t child = ::fork();
  if (child == 0) ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  return child;
}

api::Address loopback(std::uint16_t port) {
  return {.kind = api::Address::Kind::kTcp, .host = "127.0.0.1", .port = port};
}

// Answers every ask with as many bindings, all the same.
class BareStream final : public grpc::ServerBidiReactor<v1::FromAgent, v1::FromController> {
 public:
  BareStream() { StartRead(&in_); }

 private:
  void OnReadDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::OK);
    auto* bindings = out_.mutable_bindings();
    int keys = 0;
    for (const auto& set : in_.ask().sets()) keys += set.macs_size() + set.ips_size();
    while (bindings->bindings_size() > keys) bindings->mutable_bindings()->RemoveLast();
    while (bindings->bindings_size() < keys)
      api::write(MacBinding{.key = {*Vni::from(kVni), MacAddress{{2, 0, 0, 0, 0, 1}}},
                            .verdict = Verdict::kFound,
                            .host = HostId{1},
                            .generation = 7,
                            .revision = 7},
                 bindings->add_bindings());
    StartWrite(&out_);
  }
  void OnWriteDone(bool ok) override {
    if (!ok) return Finish(grpc::Status::OK);
    StartRead(&in_);
  }
  void OnDone() override { delete this; }
  v1::FromAgent in_;
  v1::FromController out_;
};

class BareService final : public v1::AgentSession::CallbackService {
  grpc::ServerBidiReactor<v1::FromAgent, v1::FromController>* Session(
      grpc::CallbackServerContext*) override {
    return new BareStream;
  }
};

// Must be called before this process uses gRPC.
pid_t start_bare() {
  const pid_t child = fork_child();
  if (child != 0) return child;
  BareService service;
  grpc::ServerBuilder builder;
  builder.RegisterService(&service);
  const auto address = loopback(kBarePort);
  const auto server = api::start_server(builder, std::span{&address, 1}, false);
  if (!server) fail(server.error().message);
  (*server)->wait();
  std::exit(0);
}

pid_t start_controller(const std::string& program, const std::string& directory) {
  const pid_t child = fork_child();
  if (child != 0) return child;
  const auto listen = loopback(kControllerPort).to_string();
  const auto store = "sqlite:" + directory + "/store.db";
  ::execl(program.c_str(), program.c_str(), "--listen", listen.c_str(), "--store", store.c_str(),
          "--log-level", "error", nullptr);
  fail("cannot run " + program);
}

class Client {
 public:
  explicit Client(std::uint16_t port)
      : channel_{*api::make_channel(loopback(port), false)},
        stub_{v1::AgentSession::NewStub(channel_)} {
    if (!channel_->WaitForConnected(std::chrono::system_clock::now() + std::chrono::seconds{10}))
      fail("no server came up");
    stream_ = stub_->Session(&context_);
  }
  ~Client() {
    stream_->WritesDone();
    context_.TryCancel();
    stream_->Finish();
  }
  void write(const v1::FromAgent& message) {
    if (!stream_->Write(message)) fail("the stream ended");
  }
  const v1::FromController& read() {
    if (!stream_->Read(&in_)) fail("the stream ended: " + stream_->Finish().error_message());
    return in_;
  }
  void hello() {
    v1::FromAgent message;
    message.mutable_hello()->set_protocol(api::kProtocol);
    message.mutable_hello()->set_host("bench");
    message.mutable_hello()->set_vtep(api::to_bytes(*IpAddress::parse("192.0.2.1")));
    write(message);
    while (!read().has_hosts()) {
    }
  }
  std::shared_ptr<grpc::Channel> channel() { return channel_; }

 private:
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::AgentSession::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<Stream> stream_;
  v1::FromController in_;
};

MacAddress mac_of(std::uint32_t i) {
  return MacAddress{{0x02, 0xbe, static_cast<std::uint8_t>(i >> 24U),
                     static_cast<std::uint8_t>(i >> 16U), static_cast<std::uint8_t>(i >> 8U),
                     static_cast<std::uint8_t>(i)}};
}

// A tenant, a network and endpoints in changes of 500.
void fill(Client& client, std::uint32_t endpoints) {
  const auto stub = v1::Management::NewStub(client.channel());
  v1::ChangeRequest request;
  request.add_operations()->mutable_tenant_add()->set_name("t");
  auto* network = request.add_operations()->mutable_network_add();
  network->set_name("n");
  network->set_tenant("t");
  network->set_vni(kVni);
  for (std::uint32_t i = 0; i < endpoints; ++i) {
    auto* endpoint = request.add_operations()->mutable_endpoint_add();
    endpoint->set_name("e" + std::to_string(i));
    endpoint->set_network("n");
    endpoint->set_mac(api::to_bytes(mac_of(i)));
    if (request.operations_size() < 500 && i + 1 < endpoints) continue;
    grpc::ClientContext context;
    v1::ChangeReply reply;
    if (const auto status = stub->Change(&context, request, &reply); !status.ok())
      fail(status.error_message());
    request.Clear();
  }
}

// Every endpoint is at this host: prepared and activated, 200 words in flight. Attachments a
// second.
double attach(Client& client, std::uint32_t endpoints) {
  const auto begun = Clock::now();
  std::vector<std::uint64_t> generations(endpoints);
  constexpr std::uint32_t kWindow = 200;
  for (const bool activate : {false, true}) {
    std::uint32_t said = 0;
    for (std::uint32_t heard = 0; heard < endpoints;) {
      for (; said < endpoints && said < heard + kWindow; ++said) {
        v1::FromAgent message;
        auto* request = message.mutable_request();
        request->set_id(said);
        const auto name = "e" + std::to_string(said);
        if (activate) {
          request->mutable_activate()->set_endpoint(name);
          request->mutable_activate()->set_generation(generations[said]);
        } else {
          request->mutable_prepare()->set_endpoint(name);
        }
        client.write(message);
      }
      const auto& reply = client.read();
      if (!reply.has_reply()) continue;
      if (reply.reply().has_problem()) fail(reply.reply().problem().message());
      generations[reply.reply().id()] = reply.reply().attachment().generation();
      ++heard;
    }
  }
  return endpoints / std::chrono::duration<double>(Clock::now() - begun).count();
}

v1::FromAgent ask(std::uint32_t first, std::uint32_t count, std::uint32_t modulus) {
  v1::FromAgent message;
  auto* set = message.mutable_ask()->add_sets();
  set->set_vni(kVni);
  for (std::uint32_t i = 0; i < count; ++i)
    api::set_bytes(set->add_macs(), mac_of((first + i) % modulus));
  return message;
}

struct Latency {
  double p50;
  double p99;
};

Latency measure_latency(Client& client, std::uint32_t endpoints, int rounds) {
  std::vector<double> times;
  for (int i = 0; i < rounds + 500; ++i) {
    const auto message = ask(static_cast<std::uint32_t>(i) * 7919U, 1, endpoints);
    const auto begun = Clock::now();
    client.write(message);
    if (client.read().bindings().bindings_size() != 1) fail("one ask, not one answer");
    if (i >= 500)  // warm by then
      times.push_back(std::chrono::duration<double, std::micro>(Clock::now() - begun).count());
  }
  std::sort(times.begin(), times.end());
  return {times[times.size() / 2], times[times.size() * 99 / 100]};
}

// Keys a second with `window` messages of `batch` keys in flight.
double measure_rate(Client& client, std::uint32_t first, std::uint32_t batch, std::uint32_t modulus,
                    std::uint64_t keys) {
  constexpr std::uint64_t kWindow = 16;
  std::atomic<std::uint64_t> answered{0};
  const auto begun = Clock::now();
  std::thread writer{[&] {
    for (std::uint64_t said = 0; said < keys; said += batch) {
      const auto message = ask(first + static_cast<std::uint32_t>(said), batch, modulus);
      while (said >= answered.load() + kWindow * batch) std::this_thread::yield();
      client.write(message);
    }
  }};
  const auto total = (keys + batch - 1) / batch * batch;
  while (answered < total)
    answered += static_cast<std::uint64_t>(client.read().bindings().bindings_size());
  const auto seconds = std::chrono::duration<double>(Clock::now() - begun).count();
  writer.join();
  return static_cast<double>(total) / seconds;
}

void compare(const std::string& what, double ours, double bare, const char* unit) {
  fmt::print("{:<34} {:>12.0f} {:>12.0f} {:<7} {:>6.2f}\n", what, ours, bare, unit, ours / bare);
}

void run(std::uint32_t endpoints, int rounds) {
  Client controller{kControllerPort};
  Client bare{kBarePort};
  controller.hello();
  fill(controller, endpoints);
  fmt::print("{} endpoints attached, {:.0f} attachments a second (prepare, activate, commit)\n",
             endpoints, attach(controller, endpoints));
  fmt::print("{:<34} {:>12} {:>12} {:<7} {:>6}\n", "", "controller", "bare stream", "", "ratio");
  const auto ours = measure_latency(controller, endpoints, rounds);
  const auto theirs = measure_latency(bare, endpoints, rounds);
  compare("ask and answer, p50", ours.p50, theirs.p50, "us");
  compare("ask and answer, p99", ours.p99, theirs.p99, "us");
  for (const std::uint32_t batch : {1U, 64U, 512U}) {
    const std::uint64_t keys = batch == 1 ? 50'000 : 1'000'000;
    const auto rate = measure_rate(controller, 0, batch, endpoints, keys);
    compare(fmt::format("known keys, {} a message", batch), rate,
            measure_rate(bare, 0, batch, endpoints, keys), "keys/s");
  }
  constexpr std::uint32_t kNew = 1U << 30U;
  const auto rate = measure_rate(controller, endpoints, 64, kNew, 300'000);
  compare("keys nobody has, 64 a message", rate, measure_rate(bare, 0, 64, kNew, 300'000),
          "keys/s");
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Speed of a controller's answers"};
  std::string program;
  std::uint32_t endpoints = 10'000;
  int rounds = 20'000;
  app.add_option("--program", program, "dove-controller to measure")->required();
  app.add_option("--endpoints", endpoints, "How many are attached");
  app.add_option("--rounds", rounds, "Single asks to time");
  CLI11_PARSE(app, argc, argv);

  std::string directory = (std::filesystem::temp_directory_path() / "dove-ask-XXXXXX").string();
  if (::mkdtemp(directory.data()) == nullptr) return 2;
  int result = 0;
  try {
    const auto bare = start_bare();
    const auto controller = start_controller(program, directory);
    run(endpoints, rounds);
    for (const auto child : {bare, controller}) {
      ::kill(child, SIGTERM);
      ::waitpid(child, nullptr, 0);
    }
  } catch (const std::exception& error) {
    fmt::print(stderr, "Error: {}\n", error.what());
    result = 2;
  }
  std::filesystem::remove_all(directory);
  return result;
}
