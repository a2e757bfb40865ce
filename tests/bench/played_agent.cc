#include "tests/bench/played_agent.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace dove::bench {
namespace {

constexpr const char* kHosts = "all hosts";
constexpr const char* kFloodList = "the flood list";
constexpr const char* kReplica = "the network as a whole";
constexpr const char* kKeys = "the keys asked for";

}  // namespace

MacAddress Population::mac_of(std::uint32_t endpoint) {
  return MacAddress{{0x02, 0xbe, static_cast<std::uint8_t>(endpoint >> 24U),
                     static_cast<std::uint8_t>(endpoint >> 16U),
                     static_cast<std::uint8_t>(endpoint >> 8U),
                     static_cast<std::uint8_t>(endpoint)}};
}

PlayedAgent::PlayedAgent(const Population& population, std::uint32_t number,
                         std::vector<HostId>& ids)
    : population_{population},
      number_{number},
      vni_{Population::vni_of(population.network_of(number))},
      ids_{ids} {}

void PlayedAgent::start(asio::io_context& loop, grpc::CompletionQueue& queue,
                        const api::Address& controller) {
  agent::DirectoryListener& listener = *this;
  settled_.reset();
  session_.emplace(loop, queue,
                   agent::Session::Options{.host = Population::host_name(number_),
                                           .vtep = {IpAddress::v4(0x0a000001U + number_)},
                                           .boot_id = "boot",
                                           .version = "bench",
                                           .controllers = {controller}},
                   listener);
  session_->start();
}

void PlayedAgent::on_session_ready(bool /*new_store*/, HostId self) {
  if (self_ != HostId{} && self != self_) wrong("has another host id");
  self_ = ids_.at(number_) = self;
  waiting_ = {kHosts, kFloodList, kReplica, kKeys};
  session_->join(Population::network_name(population_.network_of(number_)),
                 [this](const auto& joined) {
                   if (!joined) wrong("cannot join: " + joined.error().message);
                 });
  for (std::uint32_t i = 0; i < population_.endpoints; ++i)
    claim(number_ * population_.endpoints + i);
}

void PlayedAgent::on_session_lost(const Error& /*reason*/, bool refused) {
  settled_.reset();
  if (refused) wrong("is refused");
}

// As doved confirms its ports.
void PlayedAgent::claim(std::uint32_t endpoint) {
  const auto name = Population::endpoint_name(endpoint);
  waiting_.insert(name);
  session_->prepare(name, [this, name](const auto& prepared) {
    if (!prepared) return wrong("cannot prepare: " + prepared.error().message);
    const auto& now = prepared->attachment;
    if (now.state == agent::Attachment::State::kActive)
      return now.host == self_ ? done_with(name) : wrong("has lost " + name);
    ++activations_;
    session_->activate(name, now.generation, [this, name](const auto& active) {
      active ? done_with(name) : wrong("cannot activate: " + active.error().message);
    });
  });
}

void PlayedAgent::on_hosts(std::span<const agent::HostRecord> hosts, bool full) {
  session_->knows_hosts(session_->revision());
  if (!full) return;
  if (hosts.size() > population_.agents) wrong("hears of too many hosts");
  done_with(kHosts);
}

void PlayedAgent::on_flood_list(Vni vni, std::span<const HostId> /*add*/,
                                std::span<const HostId> remove, bool full) {
  if (vni != vni_ || !remove.empty()) wrong("has another flood list");
  if (!full) return;
  done_with(kFloodList);
  session_->replicate(vni_, 0, 0);
}

void PlayedAgent::on_replica(const agent::ReplicaWord& word) {
  using Kind = agent::ReplicaWord::Kind;
  for (const auto& binding : word.bindings)
    if (const auto* mac = std::get_if<MacBinding>(&binding)) judge(*mac);
  if (word.kind == Kind::kEnded) wrong("may not keep its network");
  if (word.kind != Kind::kLast && word.kind != Kind::kCurrent) return;
  done_with(kReplica);
  ask();
}

// The endpoints of its network come first.
void PlayedAgent::ask() {
  std::vector<Key> keys;
  const auto one = [&](std::uint32_t endpoint) {
    const MacKey key{vni_, Population::mac_of(endpoint)};
    if (asked_.insert(key).second) keys.emplace_back(key);
  };
  asked_.clear();
  for (auto other = population_.network_of(number_);
       other < population_.agents && keys.size() < population_.keys; other += population_.networks)
    for (std::uint32_t i = 0; i < population_.endpoints && keys.size() < population_.keys; ++i)
      one(other * population_.endpoints + i);
  for (std::uint32_t unknown = 0; keys.size() < population_.keys; ++unknown)
    one(population_.agents * population_.endpoints + unknown);
  session_->ask(keys);
}

void PlayedAgent::on_bindings(std::span<const agent::BindingRecord> bindings) {
  for (const auto& binding : bindings) {
    const auto* mac = std::get_if<MacBinding>(&binding);
    if (mac == nullptr) continue;
    judge(*mac);
    if (asked_.erase(mac->key) != 0 && asked_.empty()) done_with(kKeys);
  }
}

void PlayedAgent::judge(const MacBinding& binding) {
  const auto& bytes = binding.key.mac.bytes();
  const auto endpoint = std::uint32_t{bytes[2]} << 24U | std::uint32_t{bytes[3]} << 16U |
                        std::uint32_t{bytes[4]} << 8U | std::uint32_t{bytes[5]};
  const auto owner = endpoint / population_.endpoints;
  const bool exists = owner < population_.agents;
  if (binding.verdict == Verdict::kFound) {
    if (!exists || binding.host != ids_.at(owner))
      wrong(fmt::format("finds endpoint {} elsewhere", endpoint));
  } else if (exists && expect_all_) {
    wrong(fmt::format("does not find endpoint {}", endpoint));
  }
}

void PlayedAgent::on_lost(const agent::Attachment& attachment) {
  wrong("was told that it lost " + attachment.endpoint);
}

void PlayedAgent::done_with(const std::string& what) {
  waiting_.erase(what);
  if (waiting_.empty()) settled_ = Clock::now();
}

std::string PlayedAgent::missing() const {
  return fmt::format("{} waits for {} {}", Population::host_name(number_),
                     fmt::join(waiting_, ", "), session_->info().problem);
}

void PlayedAgent::wrong(const std::string& what) {
  wrongs_.push_back(fmt::format("host {} {}", Population::host_name(number_), what));
}

}  // namespace dove::bench
