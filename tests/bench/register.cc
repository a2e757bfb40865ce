// dove_bench_register: endpoints in numbers, by the same two doors as everybody's: made through the
// Management API, some hundreds a transaction, then activated by an agent's session of a host that
// is nothing but its name and VTEP. The bindings stay when it ends.
//
// Endpoint i is PREFIX<i>, with the i-th MAC after --mac and the i-th address after --ip.
// Prints one object of JSON.
#include <grpcpp/client_context.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "api/address.h"
#include "api/convert.h"
#include "api/transport.h"
#include "core/ip_address.h"
#include "core/mac_address.h"
#include "dove/v1/agent.grpc.pb.h"
#include "dove/v1/management.grpc.pb.h"
#include "fmt/core.h"
#include "tests/bench/must.h"

namespace dove::bench {
namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::string controller;
  std::string network;
  std::string prefix = "far";
  std::string host = "far";
  std::string vtep;
  std::string mac;
  std::string ip;
  std::size_t count = 10000;
  std::size_t batch = 500;
  std::size_t window = 256;  // activations under way
};

struct Made {
  std::string name;
  std::uint64_t generation = 0;
};

void check(const grpc::Status& status, const char* what) {
  if (!status.ok()) throw std::runtime_error(fmt::format("{}: {}", what, status.error_message()));
}

template <class Value>
Value parse(const std::string& text) {
  const auto value = Value::parse(text);
  if (!value) throw CLI::ValidationError("not an address: " + text);
  return *value;
}

MacAddress numbered(const MacAddress& first, std::size_t index) {
  MacAddress::Bytes bytes = first.bytes();
  std::uint64_t number = index;
  for (auto byte = bytes.rbegin(); byte != bytes.rend() && number != 0; ++byte, number >>= 8U) {
    number += *byte;
    *byte = static_cast<std::uint8_t>(number);
  }
  return MacAddress{bytes};
}

class Registrar {
 public:
  Registrar(std::shared_ptr<grpc::Channel> channel, const Options& options)
      : stub_{v1::Management::NewStub(channel)},
        options_{options},
        mac_{parse<MacAddress>(options.mac)},
        ip_{parse<IpAddress>(options.ip)} {}

  std::vector<Made> add_all() {
    std::vector<Made> made;
    for (std::size_t first = 0; first < options_.count; first += options_.batch) {
      add(first, std::min(options_.batch, options_.count - first), made);
    }
    return made;
  }

 private:
  void add(std::size_t first, std::size_t count, std::vector<Made>& made) {
    v1::ChangeRequest request;
    for (std::size_t i = first; i < first + count; ++i) {
      auto* endpoint = request.add_operations()->mutable_endpoint_add();
      endpoint->set_name(fmt::format("{}{}", options_.prefix, i));
      endpoint->set_network(options_.network);
      endpoint->set_mac(api::to_bytes(numbered(mac_, i)));
      const auto offset = static_cast<std::uint32_t>(i);
      endpoint->add_ips(api::to_bytes(IpAddress::v4(ip_.v4_host_order() + offset)));
    }
    grpc::ClientContext context;
    v1::ChangeReply reply;
    check(stub_->Change(&context, request, &reply), "endpoint add");
    for (const auto& object : reply.objects()) {
      made.push_back({object.endpoint().name(), object.endpoint().generation()});
    }
  }

  std::unique_ptr<v1::Management::Stub> stub_;
  const Options& options_;
  MacAddress mac_;
  IpAddress ip_;
};

// A host that owns endpoints and does nothing else.
class FarHost {
 public:
  FarHost(std::shared_ptr<grpc::Channel> channel, const Options& options)
      : stub_{v1::AgentSession::NewStub(channel)}, stream_{stub_->Session(&context_)} {
    v1::FromAgent word;
    auto* hello = word.mutable_hello();
    hello->set_protocol(api::kProtocol);
    hello->set_host(options.host);
    hello->set_vtep(api::to_bytes(parse<IpAddress>(options.vtep)));
    hello->set_vtep_port(Vtep::kDefaultPort);
    hello->set_boot_id(fmt::format("{}-{}", options.host, ::getpid()));
    hello->set_version("bench");
    write(word);
    while (!read().has_welcome()) {
    }
  }

  void activate(const std::vector<Made>& endpoints, std::size_t window) {
    std::size_t asked = 0;
    for (std::size_t answered = 0; answered < endpoints.size(); ++answered) {
      for (; asked < endpoints.size() && asked - answered < window; ++asked) {
        ask(endpoints[asked], asked + 1);
      }
      read_reply();
    }
  }

  void end() {
    stream_->WritesDone();
    while (stream_->Read(&message_)) {
    }
    check(stream_->Finish(), "session");
  }

 private:
  void ask(const Made& endpoint, std::uint64_t id) {
    v1::FromAgent word;
    word.mutable_request()->set_id(id);
    auto* activate = word.mutable_request()->mutable_activate();
    activate->set_endpoint(endpoint.name);
    activate->set_generation(endpoint.generation);
    write(word);
  }
  void write(const v1::FromAgent& word) {
    if (!stream_->Write(word)) check(stream_->Finish(), "session");
  }
  const v1::FromController& read() {
    if (!stream_->Read(&message_)) {
      check(stream_->Finish(), "session");
      throw std::runtime_error("session: the controller ended it");
    }
    return message_;
  }
  void read_reply() {
    while (!read().has_reply()) {
    }
    const auto& reply = message_.reply();
    if (reply.has_problem()) throw std::runtime_error("activate: " + reply.problem().message());
  }

  std::unique_ptr<v1::AgentSession::Stub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::FromAgent, v1::FromController>> stream_;
  v1::FromController message_;
};

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

nlohmann::json run(const Options& options) {
  const auto address = must(api::parse_address(options.controller));
  const auto channel = must(api::make_channel(address, true));
  const auto begin = Clock::now();
  const auto made = Registrar{channel, options}.add_all();
  const double adding = seconds_since(begin);
  FarHost host{channel, options};
  host.activate(made, options.window);
  host.end();
  return {{"registered", made.size()},
          {"register_seconds", adding},
          {"activate_seconds", seconds_since(begin) - adding}};
}

Options parse_options(int argc, char** argv, CLI::App& app) {
  Options options;
  app.add_option("--controller", options.controller)->required();
  app.add_option("--network", options.network)->required();
  app.add_option("--prefix", options.prefix, "of the endpoints' names");
  app.add_option("--host", options.host, "that owns them");
  app.add_option("--vtep", options.vtep, "the host's")->required();
  app.add_option("--mac", options.mac, "the first")->required();
  app.add_option("--ip", options.ip, "the first")->required();
  app.add_option("--count", options.count);
  app.add_option("--batch", options.batch, "endpoints a transaction");
  app.parse(argc, argv);
  return options;
}

}  // namespace
}  // namespace dove::bench

int main(int argc, char** argv) {
  CLI::App app{"Many endpoints on a host that is but a VTEP"};
  try {
    fmt::print("{}\n", dove::bench::run(dove::bench::parse_options(argc, argv, app)).dump());
  } catch (const CLI::Error& problem) {
    return app.exit(problem);
  } catch (const std::exception& problem) {
    fmt::print(stderr, "dove_bench_register: {}\n", problem.what());
    return 2;
  }
  return 0;
}
