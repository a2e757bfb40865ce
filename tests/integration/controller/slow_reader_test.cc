// An agent that is heard and does not read, while very many answers change: what waits for it is
// bounded, and when it reads again it is told to ask anew, and hears what is true.
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <fstream>

#include "dove/v1/management.grpc.pb.h"
#include "tests/integration/controller/fake_agent.h"
#include "tests/integration/controller/process.h"
#include "tests/integration/controller/server.h"

namespace dove::controller {
namespace {

constexpr std::uint32_t kKeys = 2000;
constexpr std::uint32_t kChanges = 500;  // of all of them
constexpr double kGrowthMib = 64;  // what all would take that is told is several times as much

IpAddress address_of(std::uint32_t n) { return IpAddress::v4(0x0a010000U + 2 + n); }

// A controller of its own, with two networks, and addresses in the second.
class World {
 public:
  World() : channel_{connect(directory_ / "c.sock")}, stub_{v1::Management::NewStub(channel_)} {
    v1::ChangeRequest change;
    add_tenant(change, "t");
    add_network(change, "near", "t", 100, {"10.0.0.0/24"});
    add_network(change, "far", "t", 200, {"10.1.0.0/16"});
    must_change(change);
    v1::ChangeRequest more;
    for (std::uint32_t n = 0; n < kKeys; ++n) {
      auto* endpoint = more.add_operations()->mutable_endpoint_add();
      endpoint->set_name("e" + std::to_string(n));
      endpoint->set_network("far");
      endpoint->add_ips(api::to_bytes(address_of(n)));
    }
    must_change(more);
    FakeAgent owner{connect(directory_ / "c.sock"), "h2", "192.0.2.2"};
    owner.connect();
    for (std::uint32_t n = 0; n < kKeys; ++n) owner.attach("e" + std::to_string(n));
  }
  void must_change(const v1::ChangeRequest& change) const {
    grpc::ClientContext context;
    v1::ChangeReply reply;
    const auto status = stub_->Change(&context, change, &reply);
    INFO(status.error_message());
    REQUIRE(status.ok());
  }
  // Every answer about the second network is another one afterwards.
  void deny(bool denied) const {
    v1::ChangeRequest change;
    auto* policy = denied ? change.add_operations()->mutable_policy_add()
                          : change.add_operations()->mutable_policy_del();
    policy->set_tenant("t");
    policy->set_network("near");
    policy->set_other("far");
    policy->set_routing(v1::Tenant::DENY);
    must_change(change);
  }
  std::string socket() const { return "unix:" + (directory_ / "c.sock"); }
  double resident_mib() const {
    std::ifstream file{"/proc/" + std::to_string(process_.pid()) + "/status"};
    for (std::string word; file >> word;)
      if (word == "VmRSS:") {
        double kib = 0;
        file >> kib;
        return kib / 1024;
      }
    FAIL("the controller is gone");
    return 0;
  }

 private:
  const TemporaryDirectory directory_;
  Process process_{{"--listen", "unix:" + (directory_ / "c.sock"), "--store",
                    "sqlite:" + (directory_ / "store.db"), "--host-lease", "600"},
                   directory_ / "log"};
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::Management::Stub> stub_;
};

// Reads one message when it is told to, and has little room for more.
class SlowAgent {
 public:
  explicit SlowAgent(const std::string& target) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
    arguments.SetInt(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 65536);
    stub_ = v1::AgentSession::NewStub(
        grpc::CreateCustomChannel(target, grpc::InsecureChannelCredentials(), arguments));
    stream_ = stub_->Session(&context_);
    v1::FromAgent message;
    auto* hello = message.mutable_hello();
    hello->set_protocol(api::kProtocol);
    hello->set_host("h1");
    hello->set_vtep(api::to_bytes(*IpAddress::parse("192.0.2.1")));
    hello->set_boot_id("boot");
    REQUIRE(stream_->Write(message));
  }
  ~SlowAgent() {
    context_.TryCancel();
    (void)stream_->Finish();
  }
  void ask(std::uint32_t first, std::uint32_t count) {
    std::vector<Key> keys;
    for (auto n = first; n < first + count; ++n)
      keys.emplace_back(IpKey{*Vni::from(100), address_of(n)});
    v1::FromAgent message;
    api::add_keys(keys, message.mutable_ask());
    REQUIRE(stream_->Write(message));
  }
  const v1::FromController& read() {
    REQUIRE(stream_->Read(&message_));
    return message_;
  }
  // So many addresses' answers, all with this verdict.
  void hear(std::uint32_t count, v1::Binding::Verdict verdict) {
    while (count > 0)
      for (const auto& binding : read().bindings().bindings()) {
        if (!binding.has_ip()) continue;
        REQUIRE(binding.verdict() == verdict);
        REQUIRE(count-- > 0);
      }
  }
  void ask_and_hear(v1::Binding::Verdict verdict) {
    for (std::uint32_t first = 0; first < kKeys; first += 500) {
      ask(first, 500);
      hear(500, verdict);
    }
  }
  // All that was said before now is read.
  void catch_up() {
    v1::FromAgent message;
    message.mutable_request()->set_id(1);
    message.mutable_request()->mutable_leave()->set_vni(1);
    REQUIRE(stream_->Write(message));
    while (!read().has_reply()) {
    }
  }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<v1::AgentSession::Stub> stub_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::FromAgent, v1::FromController>> stream_;
  v1::FromController message_;
};

TEST_CASE("what waits for an agent that does not read is bounded, and it hears the truth after") {
  const World world;
  SlowAgent agent{world.socket()};
  REQUIRE(agent.read().has_welcome());
  REQUIRE(agent.read().has_hosts());
  agent.ask_and_hear(v1::Binding::FOUND);
  world.deny(true);
  agent.hear(kKeys, v1::Binding::DENIED);  // control: it is told of all of them

  const auto before = world.resident_mib();
  auto most = before;
  for (std::uint32_t i = 0; i < kChanges; ++i) {
    world.deny(i % 2 != 0);
    most = std::max(most, world.resident_mib());
  }
  CHECK(most - before < kGrowthMib);
  while (!agent.read().has_resync()) {
  }
  agent.catch_up();
  agent.ask_and_hear(v1::Binding::DENIED);
}

}  // namespace
}  // namespace dove::controller
