// Networks as a whole: what the controller says of them and what agents make of it are one and the
// same, whatever changes, and whatever is lost on the way.
#include "controller/replicas.h"

#include <future>
#include <mutex>
#include <random>

#include "agent/knowledge.h"
#include "agent/session_message.h"
#include "controller/registry.h"
#include "core/binding_digest.h"
#include "core/link_local.h"
#include "tests/catch.h"
#include "tests/unit/controller/memory_store.h"

namespace dove::controller {
namespace {

constexpr std::uint8_t kEndpoints = 12;
const Vni kNetworks[] = {*Vni::from(1), *Vni::from(2)};

Vni network_of(std::uint8_t n) { return kNetworks[n % 2]; }
MacAddress mac_of(std::uint8_t n) { return MacAddress{{2, 0, 0, 0, 0, n}}; }
IpAddress ip_of(std::uint8_t n) {
  return IpAddress::v4(0x0a000000U + network_of(n).value() * 0x10000U + n + 10);
}
std::string name_of(std::uint8_t n) { return "e" + std::to_string(n); }

// An agent that has joined both networks: keeps replicas as doved does, and hears answers.
class Agent final : public Peer {
 public:
  explicit Agent(const Outbox::Limits& limits) : Peer{limits} {}

  void flush() override {
    const std::lock_guard lock{mutex_};
    while (!stopped) {
      const auto* message = outbox.begin_write();
      if (message == nullptr) return;
      hear(*message);
      outbox.end_write();
    }
  }
  void close(const Error&) override { outbox.close(); }

  std::map<Vni, agent::Replica> replicas;
  std::map<Key, api::Binding> answers;
  std::vector<Vni> requests;  // that follow from what was heard
  bool stopped = false;       // does not read
  bool deaf = false;          // loses what it reads about replicas
  std::size_t resyncs = 0;
  std::size_t gaps = 0;

 private:
  using ReplicaWord = agent::ReplicaWord;
  std::mutex mutex_;  // the registry's thread flushes too

  void hear(const v1::FromController& message) {
    for (const auto& one : message.bindings().bindings()) {
      const auto binding = *api::parse_binding(one, message.bindings().revision());
      const auto key = std::visit([](const auto& b) { return Key{b.key}; }, binding);
      answers.insert_or_assign(key, binding);
    }
    if (message.has_resync()) resync(message.resync().vni());
    if (message.has_replica() && !deaf) take(*agent::parse_replica(message.replica()));
  }
  void resync(std::uint32_t vni) {
    ++resyncs;
    for (auto& [one, replica] : replicas) {
      replica.doubt();
      if (vni == 0) requests.push_back(one);
    }
  }
  void take(const ReplicaWord& word) {
    if (word.kind == ReplicaWord::Kind::kOffered) return requests.push_back(word.vni);
    if (word.kind == ReplicaWord::Kind::kEnded) return void(replicas.erase(word.vni));
    if (replicas[word.vni].take(word) != agent::Replica::Taken::kGap) return;
    ++gaps;
    requests.push_back(word.vni);
  }
};

class World {
 public:
  explicit World(const Replicas::Limits& limits) : sessions_{options(limits)} {
    registry_ = *Registry::open(store_, sessions_);
    v1::ChangeRequest change;
    change.add_operations()->mutable_tenant_add()->set_name("t");
    for (const auto vni : kNetworks) {
      auto* network = change.add_operations()->mutable_network_add();
      network->set_name("n" + vni.to_string());
      network->set_tenant("t");
      network->set_vni(vni.value());
      const auto prefix = *Prefix::from(IpAddress::v4(0x0a000000U + vni.value() * 0x10000U), 16);
      auto* subnet = network->add_subnets();
      api::write(Subnet{prefix, prefix.address_at(1)}, subnet);
    }
    REQUIRE(this->change(change));
  }

  bool change(const v1::ChangeRequest& request) {
    std::promise<bool> changed;
    registry_->change(*parse_change(request), Registry::Wait::zero(),
                      [&](const Result<v1::ChangeReply>& reply) { changed.set_value(reply.ok()); });
    return changed.get_future().get();
  }
  std::shared_ptr<Agent> connect(const std::string& host, std::uint8_t address,
                                 const Outbox::Limits& limits = {}) {
    auto agent = std::make_shared<Agent>(limits);
    std::promise<bool> admitted;
    const Hello hello{host, {IpAddress::v4(0xc0000200U + address)}, "boot", "test"};
    registry_->hello(agent, hello, [&](const Result<HostId>& id) { admitted.set_value(id.ok()); });
    REQUIRE(admitted.get_future().get());
    for (const auto vni : kNetworks) {
      v1::Request join;
      join.mutable_join()->set_vni(vni.value());
      request(agent, join);
    }
    return agent;
  }
  void request(const std::shared_ptr<Agent>& agent, const v1::Request& request) {
    std::promise<void> done;
    registry_->request(agent, request, [&] { done.set_value(); });
    done.get_future().get();
  }
  void replicate(Agent& agent, Vni vni) {
    const auto at = agent.replicas.find(vni);
    Sessions::ReplicaPoint has{vni};
    if (at != agent.replicas.end()) has = {vni, at->second.revision(), at->second.digest()};
    sessions_.replicate(agent, has);
  }
  // Until nothing follows any more.
  void serve(Agent& agent) {
    (void)generation_of("nobody");  // behind all that was done so far
    agent.flush();
    while (!agent.requests.empty()) {
      for (const auto vni : std::exchange(agent.requests, {})) replicate(agent, vni);
      agent.flush();
    }
  }
  void replicate_all(Agent& agent) {
    for (const auto vni : kNetworks) replicate(agent, vni);
    serve(agent);
  }
  void add(std::uint8_t n) {
    v1::ChangeRequest change;
    auto* endpoint = change.add_operations()->mutable_endpoint_add();
    endpoint->set_name(name_of(n));
    endpoint->set_network("n" + network_of(n).to_string());
    endpoint->set_mac(api::to_bytes(mac_of(n)));
    endpoint->add_ips(api::to_bytes(ip_of(n)));
    this->change(change);
  }
  void remove(std::uint8_t n) {
    v1::ChangeRequest change;
    change.add_operations()->set_endpoint_del(name_of(n));
    this->change(change);
  }
  void deny(bool denied) {
    v1::ChangeRequest change;
    auto* tenant = change.add_operations()->mutable_tenant_set();
    tenant->set_name("t");
    tenant->set_routing(denied ? v1::Tenant::DENY : v1::Tenant::ALLOW);
    this->change(change);
  }
  void activate(const std::shared_ptr<Agent>& agent, std::uint8_t n) {
    const auto generation = generation_of(name_of(n));
    if (!generation) return;
    v1::Request activation;
    activation.mutable_activate()->set_endpoint(name_of(n));
    activation.mutable_activate()->set_generation(*generation);
    request(agent, activation);
  }
  Sessions& sessions() { return sessions_; }

 private:
  static Sessions::Options options(const Replicas::Limits& limits) {
    Sessions::Options options;
    options.replicas = limits;
    return options;
  }
  std::optional<std::uint64_t> generation_of(const std::string& endpoint) {
    std::promise<std::optional<std::uint64_t>> generation;
    Registry::Query query;
    query.kind = v1::ShowRequest::ENDPOINT;
    query.name = endpoint;
    registry_->show(query, [&](const Result<Registry::Part>& part) {
      if (part && part->reply.objects_size() != 0)
        generation.set_value(part->reply.objects(0).endpoint().generation());
      else
        generation.set_value(std::nullopt);
    });
    return generation.get_future().get();
  }

  MemoryStore store_;
  Sessions sessions_;
  std::unique_ptr<Registry> registry_;
};

std::vector<Key> all_keys() {
  std::vector<Key> keys;
  for (const auto vni : kNetworks)
    for (std::uint8_t n = 0; n < kEndpoints; ++n) {
      keys.emplace_back(MacKey{vni, mac_of(n)});
      keys.emplace_back(IpKey{vni, ip_of(n)});
      keys.emplace_back(IpKey{vni, link_local_of(mac_of(n))});
    }
  return keys;
}

bool same(const api::Binding& one, const api::Binding& other) {
  return std::visit([](const auto& b) { return digest_of(b); }, one) ==
         std::visit([](const auto& b) { return digest_of(b); }, other);
}

// What the agent says by itself, as far as it does, is what the controller says. How often it does.
std::size_t compare(World& world, Agent& agent) {
  agent::Knowledge knowledge;
  for (const auto vni : kNetworks) {
    v1::NetworkSettings settings;
    world.sessions().show(vni, &settings);
    knowledge.set_network(*agent::parse_network(settings));
    if (agent.replicas.contains(vni)) knowledge.set_replica(vni, agent.replicas.at(vni));
  }
  const auto keys = all_keys();
  std::size_t answered = 0;
  for (const auto& key : keys) {
    world.sessions().ask(agent, {&key, 1});
    const auto answer = knowledge.answer(key, true);
    if (!answer) continue;
    ++answered;
    const bool is_ip = std::holds_alternative<IpKey>(key);
    CHECK(same(is_ip ? api::Binding{*answer->ip} : api::Binding{*answer->mac},
               agent.answers.at(key)));
    if (is_ip && answer->mac) CHECK(same(*answer->mac, agent.answers.at(answer->mac->key)));
  }
  return answered;
}

TEST_CASE("replicas: what agents know by themselves is what the controller would say") {
  std::mt19937 random{20240917};
  const auto pick = [&](unsigned n) { return static_cast<std::uint8_t>(random() % n); };
  World world{{.network = 5, .agent = 100}};
  const auto one = world.connect("h1", 1);
  const auto other = world.connect("h2", 2);
  std::size_t answered = 0;
  for (int round = 0; round < 60; ++round) {
    for (const auto vni : kNetworks) world.replicate(*one, vni);
    world.serve(*one);
    const bool lossy = round % 4 == 3;
    for (int step = 0; step < 12; ++step) {
      one->deaf = lossy && pick(3) == 0;
      const auto n = pick(kEndpoints);
      switch (pick(6)) {
        case 0:
          world.remove(n);
          break;
        case 1:
          world.deny(pick(2) == 0);
          break;
        case 2:
          world.add(n);
          break;
        default:
          world.activate(pick(2) == 0 ? one : other, n);
      }
      one->flush();
    }
    one->deaf = false;
    // What was lost last shows at the next word, or at the next proof.
    for (const auto vni : kNetworks) world.replicate(*one, vni);
    world.serve(*one);
    answered += compare(world, *one);
  }
  CHECK(answered > 1000);
  CHECK(one->gaps > 0);
}

void fill(World& world, const std::shared_ptr<Agent>& agent, std::uint8_t count) {
  for (std::uint8_t n = 0; n < count; ++n) {
    world.add(n);
    world.activate(agent, n);
  }
}

TEST_CASE("replicas: a network that grows is ended, one that shrinks to half is offered") {
  World world{{.network = 4, .agent = 100}};
  const auto agent = world.connect("h1", 1);
  fill(world, agent, 8);  // four in each
  world.replicate(*agent, kNetworks[0]);
  agent->flush();
  REQUIRE(agent->replicas.contains(kNetworks[0]));
  CHECK(agent->replicas.at(kNetworks[0]).endpoints() == 4);
  world.add(8);
  world.activate(agent, 8);
  agent->flush();
  CHECK_FALSE(agent->replicas.contains(kNetworks[0]));
  world.replicate(*agent, kNetworks[0]);
  agent->flush();
  CHECK_FALSE(agent->replicas.contains(kNetworks[0]));
  world.remove(8);
  world.remove(6);
  agent->flush();
  CHECK(agent->requests.empty());
  world.remove(4);
  agent->flush();
  CHECK(agent->requests == std::vector<Vni>{kNetworks[0]});
  world.serve(*agent);
  CHECK(agent->replicas.at(kNetworks[0]).endpoints() == 2);
}

TEST_CASE("replicas: what one agent gets is bounded") {
  World world{{.network = 4, .agent = 6}};
  const auto agent = world.connect("h1", 1);
  fill(world, agent, 8);
  for (const auto vni : kNetworks) world.replicate(*agent, vni);
  agent->flush();
  CHECK(agent->replicas.size() == 1);
}

TEST_CASE("replicas: what was too much for one agent is offered when there is room") {
  World world{{.network = 4, .agent = 6}};
  const auto agent = world.connect("h1", 1);
  fill(world, agent, 8);
  world.replicate_all(*agent);
  REQUIRE(agent->replicas.contains(kNetworks[0]));
  REQUIRE_FALSE(agent->replicas.contains(kNetworks[1]));
  SECTION("by a network that is left") {
    v1::Request leave;
    leave.mutable_leave()->set_vni(kNetworks[0].value());
    world.request(agent, leave);
    world.serve(*agent);
    CHECK(agent->replicas.contains(kNetworks[1]));
  }
  SECTION("by one that shrinks") {
    world.remove(0);
    world.remove(2);
    world.serve(*agent);
    for (const auto vni : kNetworks) CHECK(agent->replicas.contains(vni));
  }
  SECTION("not while there is none") {
    world.remove(0);
    world.serve(*agent);
    CHECK_FALSE(agent->replicas.contains(kNetworks[1]));
  }
}

TEST_CASE("replicas: one that has grown to too much for one agent is offered when there is room") {
  World world{{.network = 6, .agent = 6}};
  const auto agent = world.connect("h1", 1);
  fill(world, agent, 4);
  world.replicate_all(*agent);
  for (std::uint8_t n = 4; n < 8; ++n) {
    world.add(n);
    world.activate(agent, n);
  }
  world.serve(*agent);
  CHECK(agent->replicas.size() == 1);
  for (std::uint8_t n = 4; n < 8; ++n) world.remove(n);
  world.serve(*agent);
  CHECK(agent->replicas.size() == 2);
}

TEST_CASE("replicas: with a limit of none nothing is replicated") {
  World world{{.network = 0, .agent = 0}};
  const auto agent = world.connect("h1", 1);
  world.replicate(*agent, kNetworks[0]);
  agent->flush();
  CHECK(agent->replicas.empty());
}

TEST_CASE("replicas: who reads too slowly begins anew, with all in the end") {
  World world{{.network = 100, .agent = 100}};
  const auto agent = world.connect("h1", 1, {.bindings = 40, .messages = 1000});
  fill(world, agent, 2);
  world.replicate(*agent, kNetworks[0]);
  world.serve(*agent);
  agent->stopped = true;
  for (int i = 0; i < 60; ++i) {
    world.remove(0);
    world.add(0);
    world.activate(agent, 0);
  }
  agent->stopped = false;
  world.serve(*agent);
  CHECK(agent->resyncs > 0);
  CHECK(agent->replicas.at(kNetworks[0]).is_whole());
  CHECK(compare(world, *agent) > 0);
}

TEST_CASE("replicas: one that is right is not sent again") {
  World world{{.network = 100, .agent = 100}};
  const auto agent = world.connect("h1", 1);
  fill(world, agent, 6);
  world.replicate(*agent, kNetworks[0]);
  world.serve(*agent);
  const auto had = agent->replicas;
  const auto back = world.connect("h1", 1);  // after a lost session
  back->replicas = had;
  back->replicas.at(kNetworks[0]).doubt();
  world.replicate(*back, kNetworks[0]);
  back->flush();
  CHECK(back->replicas.at(kNetworks[0]).is_whole());
  world.add(6);
  world.activate(back, 6);
  back->flush();
  CHECK(back->replicas.at(kNetworks[0]).endpoints() == 4);
}

TEST_CASE("replicas: interest that the controller does not share is asked anew") {
  World world{{.network = 0, .agent = 0}};
  const auto agent = world.connect("h1", 1);
  fill(world, agent, 4);
  const std::vector<Key> keys{MacKey{kNetworks[0], mac_of(0)}, IpKey{kNetworks[0], ip_of(2)}};
  world.sessions().ask(*agent, keys);
  agent->flush();
  Directory::Digest believed;
  for (const auto& [key, binding] : agent->answers) {
    ++believed.keys;
    believed.sum += std::visit([](const auto& b) { return digest_of(b); }, binding);
  }
  CHECK(believed.keys == 3);  // the MAC that the address leads to as well
  world.sessions().prove(*agent, kNetworks[0], believed);
  agent->flush();
  CHECK(agent->resyncs == 0);
  world.sessions().prove(*agent, kNetworks[1], {});
  agent->flush();
  CHECK(agent->resyncs == 0);
  ++believed.sum;
  world.sessions().prove(*agent, kNetworks[0], believed);
  agent->flush();
  CHECK(agent->resyncs == 1);
  world.sessions().prove(*agent, kNetworks[0], {});  // nothing of it counts any more
  agent->flush();
  CHECK(agent->resyncs == 1);
}

}  // namespace
}  // namespace dove::controller
