// Many agents ask and forget while endpoints move and come and go: nobody is left with an old
// answer. No gRPC here, so that ThreadSanitizer sees every lock.
#include <atomic>
#include <future>
#include <map>
#include <random>

#include "controller/registry.h"
#include "tests/catch.h"
#include "tests/unit/controller/memory_store.h"

namespace dove::controller {
namespace {

constexpr std::uint8_t kEndpoints = 16;
const Vni kVni = *Vni::from(100);

MacKey mac_key(std::uint8_t n) { return {kVni, MacAddress{{2, 0, 0, 0, 0, n}}}; }
std::string name_of(std::uint8_t n) { return "e" + std::to_string(n); }

// Reads what is written to it at once, and keeps the newest word about each key, as agents do.
class Agent final : public Peer {
 public:
  Agent() : Peer{Outbox::Limits{}} {}

  void flush() override {
    while (const auto* message = outbox.begin_write()) {
      hear(*message);
      outbox.end_write();
    }
  }
  void close(const Error&) override { outbox.close(); }

  std::map<MacKey, MacBinding> known() {
    const std::lock_guard lock{mutex_};
    return known_;
  }
  std::size_t losses() const { return losses_; }

 private:
  void hear(const v1::FromController& message) {
    if (message.has_lost()) ++losses_;
    const std::lock_guard lock{mutex_};
    for (const auto& one : message.bindings().bindings()) {
      const auto binding = api::parse_binding(one, message.bindings().revision());
      const auto& mac = std::get<MacBinding>(*binding);
      const auto [at, fresh] = known_.try_emplace(mac.key, mac);
      if (!fresh && mac.revision >= at->second.revision) at->second = mac;
    }
  }

  std::mutex mutex_;
  std::map<MacKey, MacBinding> known_;
  std::atomic<std::size_t> losses_ = 0;
};

class World {
 public:
  World() { registry_ = *Registry::open(store_, sessions_); }

  void change(const v1::ChangeRequest& request) {
    std::promise<bool> changed;
    registry_->change(*parse_change(request), Registry::Wait::zero(),
                      [&](const Result<v1::ChangeReply>& reply) { changed.set_value(reply.ok()); });
    REQUIRE(changed.get_future().get());
  }
  std::shared_ptr<Agent> connect(const std::string& host, std::uint8_t address) {
    auto agent = std::make_shared<Agent>();
    std::promise<bool> admitted;
    const Hello hello{host, {IpAddress::v4(0xc0000200U + address)}, "boot", "test"};
    registry_->hello(agent, hello, [&](const Result<HostId>& id) { admitted.set_value(id.ok()); });
    REQUIRE(admitted.get_future().get());
    return agent;
  }
  void request(const std::shared_ptr<Agent>& agent, const v1::Request& request) {
    std::promise<void> done;
    registry_->request(agent, request, [&] { done.set_value(); });
    done.get_future().get();
  }
  std::uint64_t generation_of(const std::string& endpoint) {
    std::promise<std::uint64_t> generation;
    Registry::Query query;
    query.kind = v1::ShowRequest::ENDPOINT;
    query.name = endpoint;
    registry_->show(query, [&](const Result<Registry::Part>& part) {
      generation.set_value(part->reply.objects(0).endpoint().generation());
    });
    return generation.get_future().get();
  }
  Sessions& sessions() { return sessions_; }

 private:
  MemoryStore store_;
  Sessions sessions_{{}};
  std::unique_ptr<Registry> registry_;
};

v1::ChangeRequest endpoints() {
  v1::ChangeRequest change;
  change.add_operations()->mutable_tenant_add()->set_name("t");
  auto* network = change.add_operations()->mutable_network_add();
  network->set_name("n");
  network->set_tenant("t");
  network->set_vni(kVni.value());
  for (std::uint8_t n = 0; n < kEndpoints; ++n) {
    auto* endpoint = change.add_operations()->mutable_endpoint_add();
    endpoint->set_name(name_of(n));
    endpoint->set_network("n");
    endpoint->set_mac(api::to_bytes(mac_key(n).mac));
  }
  return change;
}

// Asks and forgets at random until told to stop; what it is interested in at the end.
std::set<MacKey> wander(World& world, Agent& agent, unsigned seed, const std::atomic<bool>& stop) {
  std::mt19937 random{seed};
  std::set<MacKey> interest;
  while (!stop) {
    const auto key = mac_key(static_cast<std::uint8_t>(random() % kEndpoints));
    const Key keys[] = {key};
    if (random() % 3 == 0) {
      interest.erase(key);
      world.sessions().forget(agent, keys);
    } else {
      interest.insert(key);
      world.sessions().ask(agent, keys);
    }
  }
  return interest;
}

TEST_CASE("nobody who asked is left with an old answer") {
  World world;
  world.change(endpoints());
  const std::vector<std::shared_ptr<Agent>> hosts{world.connect("h1", 1), world.connect("h2", 2)};
  const std::vector<std::shared_ptr<Agent>> askers{world.connect("a1", 11), world.connect("a2", 12),
                                                   world.connect("a3", 13)};
  std::atomic<bool> stop = false;
  std::vector<std::future<std::set<MacKey>>> wanderers;
  for (unsigned i = 0; i < askers.size(); ++i)
    wanderers.push_back(
        std::async(std::launch::async, [&, i] { return wander(world, *askers[i], i, stop); }));

  std::mt19937 random{7};
  for (int step = 0; step < 1500; ++step) {
    const auto endpoint = name_of(static_cast<std::uint8_t>(random() % kEndpoints));
    const auto generation = world.generation_of(endpoint);
    v1::Request request;
    if (random() % 4 == 0) {
      request.mutable_detach()->set_endpoint(endpoint);
      request.mutable_detach()->set_generation(generation);
    } else {
      request.mutable_activate()->set_endpoint(endpoint);
      request.mutable_activate()->set_generation(generation);
    }
    world.request(hosts[random() % hosts.size()], request);
    if (step % 100 == 0) {  // sessions come and go meanwhile
      const auto passing = world.connect("p", 99);
      world.sessions().end(*passing);
    }
  }
  stop = true;

  const auto judge = world.connect("judge", 50);
  for (std::uint8_t n = 0; n < kEndpoints; ++n) {
    const Key keys[] = {mac_key(n)};
    world.sessions().ask(*judge, keys);
  }
  const auto truth = judge->known();
  REQUIRE(truth.size() == kEndpoints);
  for (unsigned i = 0; i < askers.size(); ++i) {
    // Its thread may still be hearing what came last.
    const auto interest = wanderers[i].get();
    const auto known = askers[i]->known();
    for (const auto& key : interest) {
      CHECK(known.at(key).verdict == truth.at(key).verdict);
      CHECK(known.at(key).host == truth.at(key).host);
      if (truth.at(key).verdict == Verdict::kFound)
        CHECK(known.at(key).generation == truth.at(key).generation);
    }
  }
  CHECK(hosts[0]->losses() + hosts[1]->losses() > 0);
}

}  // namespace
}  // namespace dove::controller
