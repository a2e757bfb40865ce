// An agent that says what a test tells it to say, over a real stream, and keeps what it hears.
#pragma once

#include <grpcpp/channel.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

#include "api/convert.h"
#include "dove/v1/agent.grpc.pb.h"
#include "tests/catch.h"

namespace dove::controller {

inline const MacBinding& mac_of(const api::Binding& binding) {
  return std::get<MacBinding>(binding);
}
inline const IpBinding& ip_of(const api::Binding& binding) { return std::get<IpBinding>(binding); }

class FakeAgent {
 public:
  static constexpr std::chrono::seconds kPatience{10};

  FakeAgent(const std::shared_ptr<grpc::Channel>& channel, std::string host, std::string vtep,
            std::string boot_id = "boot")
      : host_{std::move(host)},
        vtep_{std::move(vtep)},
        boot_id_{std::move(boot_id)},
        stub_{v1::AgentSession::NewStub(channel)},
        stream_{stub_->Session(&context_)},
        reader_{[this] { read(); }} {}

  ~FakeAgent() {
    context_.TryCancel();
    reader_.join();
  }

  void say(const v1::FromAgent& message) {
    const std::lock_guard lock{write_mutex_};
    if (!half_closed_) stream_->Write(message);
  }
  // Without this it says that it knows the hosts, and has applied everything, as soon as it hears.
  // Syncs are kept only by who is silent.
  void be_silent() { silent_ = true; }
  void say_knows_hosts(std::uint64_t revision) {
    v1::FromAgent message;
    message.mutable_knows_hosts()->set_revision(revision);
    say(message);
  }
  void say_applied(const v1::Sync& sync, const std::string& problem = {}) {
    v1::FromAgent message;
    message.mutable_applied()->set_number(sync.number());
    message.mutable_applied()->set_revision(sync.revision());
    message.mutable_applied()->set_problem(problem);
    say(message);
  }
  v1::Sync next_sync() { return next(v1::FromController::kSync).sync(); }
  void say_alive() {
    v1::FromAgent message;
    message.mutable_alive();
    say(message);
  }

  // What its hello says of the store.
  void knows(const std::string& store_id, const std::string& opening, std::uint64_t revision) {
    known_.set_store_id(store_id);
    known_.set_opening(opening);
    known_.set_revision(revision);
  }
  void say_hello() {
    v1::FromAgent message;
    auto* hello = message.mutable_hello();
    *hello = known_;
    hello->set_protocol(api::kProtocol);
    hello->set_host(host_);
    hello->set_vtep(api::to_bytes(*IpAddress::parse(vtep_)));
    hello->set_boot_id(boot_id_);
    hello->set_version("test");
    say(message);
  }

  // Says hello and takes the welcome and all hosts.
  FakeAgent& connect() {
    say_hello();
    const auto welcome = next();
    REQUIRE(welcome.has_welcome());
    welcome_ = welcome.welcome();
    const auto hosts = next();
    REQUIRE(hosts.has_hosts());
    REQUIRE(hosts.hosts().full());
    all_hosts_ = hosts.hosts();
    return *this;
  }
  const v1::Welcome& welcome() const { return welcome_; }
  const v1::Hosts& all_hosts() const { return all_hosts_; }
  HostId id() const { return HostId{welcome_.host_id()}; }

  // The next message, whatever it is.
  v1::FromController next() {
    std::unique_lock lock{mutex_};
    REQUIRE(heard_changed_.wait_for(lock, kPatience, [this] { return !heard_.empty() || ended_; }));
    REQUIRE_FALSE(heard_.empty());
    auto message = std::move(heard_.front());
    heard_.pop_front();
    return message;
  }
  // The next message of a kind; others before it are dropped.
  v1::FromController next(v1::FromController::MessageCase kind) {
    for (;;)
      if (auto message = next(); message.message_case() == kind) return message;
  }

  void request(const std::function<void(v1::Request&)>& fill) {
    v1::FromAgent message;
    message.mutable_request()->set_id(++last_id_);
    fill(*message.mutable_request());
    say(message);
  }
  // To the last request.
  v1::Reply reply() {
    for (;;)
      if (auto reply = next(v1::FromController::kReply).reply(); reply.id() == last_id_)
        return reply;
  }
  v1::Reply ask_for(const std::function<void(v1::Request&)>& fill) {
    request(fill);
    return reply();
  }
  // Whether a message of this kind comes in this time. It and others wait to be taken.
  bool hears(v1::FromController::MessageCase kind, std::chrono::milliseconds time) {
    std::unique_lock lock{mutex_};
    return heard_changed_.wait_for(lock, time, [&] {
      return std::any_of(heard_.begin(), heard_.end(),
                         [&](const auto& message) { return message.message_case() == kind; });
    });
  }
  v1::Reply join(const std::string& network) {
    return ask_for([&](auto& r) { r.mutable_join()->set_network(network); });
  }
  v1::Reply leave(std::uint32_t vni) {
    return ask_for([&](auto& r) { r.mutable_leave()->set_vni(vni); });
  }
  v1::Reply prepare(const std::string& endpoint) {
    return ask_for([&](auto& r) { r.mutable_prepare()->set_endpoint(endpoint); });
  }
  v1::Reply activate(const std::string& endpoint, std::uint64_t generation) {
    return ask_for([&](auto& r) {
      r.mutable_activate()->set_endpoint(endpoint);
      r.mutable_activate()->set_generation(generation);
    });
  }
  v1::Reply detach(const std::string& endpoint, std::uint64_t generation) {
    return ask_for([&](auto& r) {
      r.mutable_detach()->set_endpoint(endpoint);
      r.mutable_detach()->set_generation(generation);
    });
  }
  v1::Reply announce(std::uint32_t vni, const char* mac, const char* ip) {
    return ask_for([&](auto& r) {
      r.mutable_announce()->set_vni(vni);
      r.mutable_announce()->set_mac(api::to_bytes(*MacAddress::parse(mac)));
      r.mutable_announce()->set_ip(api::to_bytes(*IpAddress::parse(ip)));
    });
  }
  void listen(std::uint32_t vni, const std::vector<const char*>& add,
              const std::vector<const char*>& remove = {}, bool full = false) {
    v1::FromAgent message;
    message.mutable_groups()->set_vni(vni);
    message.mutable_groups()->set_full(full);
    for (const auto* mac : add)
      message.mutable_groups()->add_add(api::to_bytes(*MacAddress::parse(mac)));
    for (const auto* mac : remove)
      message.mutable_groups()->add_remove(api::to_bytes(*MacAddress::parse(mac)));
    say(message);
  }
  v1::GroupList next_group_list() { return next(v1::FromController::kGroupList).group_list(); }
  // Prepares and activates, as a port add does.
  v1::Attachment attach(const std::string& endpoint) {
    const auto prepared = prepare(endpoint);
    REQUIRE_FALSE(prepared.has_problem());
    const auto active = activate(endpoint, prepared.attachment().generation());
    INFO(active.problem().message());
    REQUIRE_FALSE(active.has_problem());
    return active.attachment();
  }

  void ask(const std::vector<Key>& keys) {
    v1::FromAgent message;
    api::add_keys(keys, message.mutable_ask());
    say(message);
  }
  // As an agent asks when one of its guests, `asker`, wants to know.
  void ask_for_guest(const IpKey& key, const IpKey& asker) {
    v1::FromAgent message;
    const std::vector<Key> keys{key};
    api::add_keys(keys, message.mutable_ask());
    api::set_bytes(message.mutable_ask()->mutable_sets(0)->mutable_asker(), asker.ip);
    say(message);
  }
  void forget(const std::vector<Key>& keys) {
    v1::FromAgent message;
    api::add_keys(keys, message.mutable_forget());
    say(message);
  }
  std::vector<api::Binding> next_bindings() {
    const auto message = next(v1::FromController::kBindings);
    std::vector<api::Binding> bindings;
    for (const auto& one : message.bindings().bindings())
      bindings.push_back(*api::parse_binding(one, message.bindings().revision()));
    return bindings;
  }

  // However many messages they come in.
  std::vector<api::Binding> next_bindings(std::size_t count) {
    auto bindings = next_bindings();
    while (bindings.size() < count)
      for (auto& one : next_bindings()) bindings.push_back(std::move(one));
    REQUIRE(bindings.size() == count);
    return bindings;
  }

  // All that was pushed before now: whatever comes before the reply to a word sent now.
  std::vector<v1::FromController> all_until_now() {
    v1::FromAgent message;
    message.mutable_request()->set_id(++last_id_);
    message.mutable_request()->mutable_leave()->set_vni(1);
    say(message);
    std::vector<v1::FromController> all;
    for (;;) {
      auto heard = next();
      if (heard.has_reply() && heard.reply().id() == last_id_) return all;
      all.push_back(std::move(heard));
    }
  }

  // How the controller ended the stream.
  grpc::Status end() {
    std::unique_lock lock{mutex_};
    REQUIRE(heard_changed_.wait_for(lock, kPatience, [this] { return ended_; }));
    return status_;
  }
  void half_close() {
    const std::lock_guard lock{write_mutex_};
    half_closed_ = true;
    stream_->WritesDone();
  }

 private:
  void read() {
    for (v1::FromController message; stream_->Read(&message);) {
      if (message.has_hosts() && !silent_) say_knows_hosts(message.hosts().revision());
      if (message.has_sync() && !silent_) {
        say_applied(message.sync());
        continue;
      }
      const std::lock_guard lock{mutex_};
      heard_.push_back(std::move(message));
      heard_changed_.notify_all();
    }
    const auto status = stream_->Finish();
    const std::lock_guard lock{mutex_};
    status_ = status;
    ended_ = true;
    heard_changed_.notify_all();
  }

  const std::string host_;
  const std::string vtep_;
  const std::string boot_id_;
  v1::Hello known_;
  grpc::ClientContext context_;
  std::unique_ptr<v1::AgentSession::Stub> stub_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::FromAgent, v1::FromController>> stream_;
  v1::Welcome welcome_;
  v1::Hosts all_hosts_;
  std::uint64_t last_id_ = 0;
  std::atomic<bool> silent_ = false;
  std::mutex write_mutex_;
  bool half_closed_ = false;  // with it held

  std::mutex mutex_;
  std::condition_variable heard_changed_;
  std::deque<v1::FromController> heard_;
  grpc::Status status_;
  bool ended_ = false;
  std::thread reader_;  // last: it uses all above
};

}  // namespace dove::controller
