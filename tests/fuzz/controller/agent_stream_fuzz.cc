// Two agents say whatever they like to a whole controller, in turn, and read as slowly as they
// like. What waits for them stays bounded; what they are told makes sense to an agent; what is
// registered stays; a third host keeps its endpoint unless somebody has attached that elsewhere;
// and what is in the store in the end is what a controller can start from.
#include <google/protobuf/stubs/logging.h>

#include <cstdlib>
#include <future>

#include "agent/session_reader.h"
#include "controller/conversation.h"
#include "controller/registry.h"
#include "tests/fuzz/maker.h"
#include "tests/unit/controller/memory_store.h"

namespace dove::controller {
namespace {

// The library would write a line about every string that is no UTF-8.
[[maybe_unused]] const auto kQuiet = google::protobuf::SetLogHandler(nullptr);

constexpr Outbox::Limits kLimits{.bindings = 16, .messages = 64};

void must(bool holds) {
  if (!holds) std::abort();
}

// Takes whatever can be understood.
class Silent final : public agent::DirectoryListener {
 public:
  void on_session_ready(bool, HostId) override {}
  void on_session_lost(const Error&, bool) override {}
  void on_hosts(std::span<const agent::HostRecord>, bool) override {}
  void on_bindings(std::span<const agent::BindingRecord>) override {}
  void on_flood_list(Vni, std::span<const HostId>, std::span<const HostId>, bool) override {}
  void on_group_list(Vni, const std::optional<MacAddress>&, std::span<const HostId>,
                     std::span<const HostId>, bool) override {}
  void on_network(const agent::NetworkSettings&) override {}
  void on_lost(const agent::Attachment&) override {}
  void on_network_gone(Vni) override {}
  void on_readdressed(const agent::Attachment&) override {}
  void on_replica(const agent::ReplicaWord&) override {}
  void on_resync(const std::optional<Vni>&) override {}
  void on_sync(std::uint64_t, std::uint64_t) override {}
};

// An agent's stream without gRPC. The registry's thread flushes it too.
class Agent final : public Peer, public Conversation, public std::enable_shared_from_this<Agent> {
 public:
  Agent(Registry& registry, Sessions& sessions)
      : Peer{kLimits},
        Conversation{static_cast<Peer&>(*this), sessions},
        registry_{registry},
        sessions_{sessions} {}

  void flush() override {}
  void close(const Error&) override { closed_ = true; }
  bool is_closed() const { return closed_; }

  void say(const v1::FromAgent& message) {
    if (!hear(message)) closed_ = true;
    if (closed_) leave();
  }
  void leave() {
    closed_ = true;
    if (is_admitted() && !std::exchange(left_, true)) sessions_.end(*this);
  }
  // Reads all that waits.
  void read() {
    std::size_t messages = 0;
    while (const auto* message = outbox.begin_write()) {
      must(++messages <= kLimits.messages + 2 * kLimits.bindings);
      if (!message->has_welcome() && !message->has_reply()) reader_.read(*message);
      must(malformed_ == 0);
      outbox.end_write();
    }
  }

 private:
  void on_hello(Hello hello) override {
    std::promise<bool> admitted;
    registry_.hello(shared_from_this(), std::move(hello),
                    [&](const Result<HostId>& host) { admitted.set_value(host.ok()); });
    if (admitted.get_future().get())
      admit();
    else
      closed_ = true;
  }
  void on_request(v1::Request request) override {
    std::promise<void> done;
    registry_.request(shared_from_this(), std::move(request), [&] { done.set_value(); });
    done.get_future().get();
  }

  Registry& registry_;
  Sessions& sessions_;
  Silent listener_;
  std::uint64_t malformed_ = 0;
  agent::SessionReader reader_{listener_, malformed_};
  std::atomic<bool> closed_ = false;
  bool left_ = false;
};

v1::FromAgent hello_of(unsigned n) {
  v1::FromAgent message;
  auto& hello = *message.mutable_hello();
  hello.set_protocol(api::kProtocol);
  hello.set_host("h" + std::to_string(n));
  hello.set_vtep(api::to_bytes(IpAddress::v4(0xc0000200U + n)));
  hello.set_boot_id("b");
  return message;
}

v1::ChangeRequest objects() {
  v1::ChangeRequest change;
  change.add_operations()->mutable_tenant_add()->set_name("t");
  for (std::uint8_t n = 0; n < 2; ++n) {
    auto* network = change.add_operations()->mutable_network_add();
    network->set_name("n" + std::to_string(n));
    network->set_tenant("t");
    network->set_vni(100U + n);
    network->set_learn(n == 1);
    api::write(Subnet{*Prefix::from(IpAddress::v4(0x0a010000U + n * 0x100U), 24), std::nullopt},
               network->add_subnets());
  }
  for (std::uint8_t n = 0; n < 4; ++n) {
    auto* endpoint = change.add_operations()->mutable_endpoint_add();
    endpoint->set_name("e" + std::to_string(n));
    endpoint->set_network("n" + std::to_string(n % 2));
    endpoint->set_mac(api::to_bytes(MacAddress{{2, 0, 0, 0, 0, static_cast<std::uint8_t>(n + 1)}}));
    endpoint->add_ips(api::to_bytes(IpAddress::v4(0x0a010002U + (n % 2) * 0x100U + n / 2)));
  }
  return change;
}

class World {
 public:
  World() : registry_{*Registry::open(store_, sessions_)} {
    std::promise<bool> changed;
    registry_->change(*parse_change(objects()), Registry::Wait::zero(),
                      [&](const Result<v1::ChangeReply>& reply) { changed.set_value(reply.ok()); });
    must(changed.get_future().get());
    third_ = connect(4);
    v1::FromAgent activate;
    activate.mutable_request()->mutable_activate()->set_endpoint("e0");
    activate.mutable_request()->mutable_activate()->set_generation(
        shown(v1::ShowRequest::ENDPOINT, "e0").objects(0).endpoint().generation());
    third_->say(activate);
    before_ = shown(v1::ShowRequest::ENDPOINT, "e0");
    must(before_.objects(0).endpoint().host() == "h4");
  }
  ~World() {
    for (const auto& agent : agents_) agent->leave();
    registry_->stop();
  }

  std::shared_ptr<Agent> connect(unsigned n) {
    agents_.push_back(std::make_shared<Agent>(*registry_, sessions_));
    agents_.back()->say(hello_of(n));
    return agents_.back();
  }
  std::shared_ptr<Agent> stranger() {
    agents_.push_back(std::make_shared<Agent>(*registry_, sessions_));
    return agents_.back();
  }

  // `moved`: somebody has tried to attach the third host's endpoint, or was the third host.
  void judge(bool moved) {
    if (!moved) {
      auto now = shown(v1::ShowRequest::ENDPOINT, "e0");
      now.set_revision(before_.revision());
      must(now.SerializeAsString() == before_.SerializeAsString());
      must(!third_->is_closed());
    }
    auto networks = shown(v1::ShowRequest::NETWORK);
    must(networks.objects_size() == 2);
    for (unsigned n = 0; n < 4; ++n)
      must(shown(v1::ShowRequest::ENDPOINT, "e" + std::to_string(n)).objects_size() == 1);
    for (const auto& agent : agents_) agent->read();
    Sessions sessions{{}};
    must(Registry::open(store_, sessions).ok());
  }

 private:
  v1::ShowReply shown(v1::ShowRequest::Kind kind, const std::string& name = {}) {
    Registry::Query query;
    query.kind = kind;
    query.name = name;
    std::promise<v1::ShowReply> reply;
    registry_->show(query, [&](const Result<Registry::Part>& part) {
      reply.set_value(part ? part->reply : v1::ShowReply{});
    });
    return reply.get_future().get();
  }

  MemoryStore store_;
  Sessions sessions_{{.interest = 64, .replicas = {.network = 4, .agent = 8}}};
  std::unique_ptr<Registry> registry_;
  std::vector<std::shared_ptr<Agent>> agents_;
  std::shared_ptr<Agent> third_;
  v1::ShowReply before_;
};

}  // namespace
}  // namespace dove::controller

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dove;
  using namespace dove::controller;
  if (size > 256) return 0;
  fuzz::Maker maker{data, size};
  World world;
  std::shared_ptr<Agent> two[] = {world.connect(1), world.stranger()};
  bool moved = false;
  while (!maker.done()) {
    auto& agent = two[maker.choose(2)];
    if (agent->is_closed()) agent = world.stranger();
    if (maker.choose(8) == 1) agent->read();
    const auto message = maker.from_agent();
    moved =
        moved || message.request().activate().endpoint() == "e0" || message.hello().host() == "h4";
    agent->say(message);
  }
  world.judge(moved);
  return 0;
}
