// kill -9 at random moments of a run of changes: what was confirmed is there afterwards, and of
// what was not confirmed either all or nothing.
#include <sys/types.h>

#include <atomic>
#include <map>
#include <random>
#include <set>

#include "api/convert.h"
#include "dove/v1/management.grpc.pb.h"
#include "tests/integration/controller/process.h"
#include "tests/unit/controller/temporary_directory.h"

namespace dove::controller {
namespace {

// Each change adds three endpoints at once, or deletes three: triple i is e<i>-0, e<i>-1, e<i>-2.
constexpr int kParts = 3;

std::string name_of(int triple, int part) {
  return "e" + std::to_string(triple) + "-" + std::to_string(part);
}

v1::ChangeRequest addition(int triple) {
  v1::ChangeRequest change;
  for (int part = 0; part < kParts; ++part) {
    auto* endpoint = change.add_operations()->mutable_endpoint_add();
    endpoint->set_name(name_of(triple, part));
    endpoint->set_network("n");
    endpoint->add_ips("");
  }
  return change;
}

v1::ChangeRequest deletion(int triple) {
  v1::ChangeRequest change;
  for (int part = 0; part < kParts; ++part)
    change.add_operations()->set_endpoint_del(name_of(triple, part));
  return change;
}

// What the client knows of each triple.
enum class Known { kThere, kGone, kEither };

class Run {
 public:
  explicit Run(unsigned seed) : random_{seed} {}

  // Changes one after another, until the controller is gone.
  void change_until_gone(const std::shared_ptr<grpc::Channel>& channel) {
    const auto stub = v1::Management::NewStub(channel);
    for (;;) {
      const bool adds = there_.size() < 5 || random_() % 3 != 0;
      const int triple = adds ? next_++ : pick();
      known_[triple] = Known::kEither;
      grpc::ClientContext context;
      v1::ChangeReply reply;
      const auto status =
          stub->Change(&context, adds ? addition(triple) : deletion(triple), &reply);
      if (!status.ok()) {
        CHECK(status.error_code() == grpc::StatusCode::UNAVAILABLE);
        return;
      }
      ++confirmed_;
      CHECK(reply.revision() > revision_);
      revision_ = reply.revision();
      settle(triple, adds);
    }
  }

  void compare(const std::shared_ptr<grpc::Channel>& channel) {
    std::map<int, int> parts;
    std::set<std::string> addresses;
    const auto stub = v1::Management::NewStub(channel);
    v1::ShowRequest request;
    request.set_kind(v1::ShowRequest::ENDPOINT);
    grpc::ClientContext context;
    const auto reader = stub->Show(&context, request);
    std::uint64_t revision = 0;
    for (v1::ShowReply reply; reader->Read(&reply);) {
      revision = reply.revision();
      for (const auto& object : reply.objects()) {
        const auto& name = object.endpoint().name();
        ++parts[std::stoi(name.substr(1, name.find('-') - 1))];
        REQUIRE(object.endpoint().ips_size() == 1);
        CHECK(addresses.insert(object.endpoint().ips(0)).second);
      }
    }
    REQUIRE(reader->Finish().ok());
    CHECK(revision >= revision_);
    revision_ = revision;
    for (const auto& [triple, known] : known_) {
      INFO("triple " << triple);
      const int found = parts.contains(triple) ? parts.at(triple) : 0;
      CHECK((found == 0 || found == kParts));
      if (known == Known::kThere) CHECK(found == kParts);
      if (known == Known::kGone) CHECK(found == 0);
    }
    for (const auto& [triple, found] : parts) CHECK(known_.contains(triple));
    for (auto& [triple, known] : known_)
      if (known == Known::kEither) settle(triple, parts.contains(triple));
  }

  std::uint64_t confirmed() const { return confirmed_; }
  std::chrono::microseconds some_time() { return std::chrono::microseconds{random_() % 150'000}; }

 private:
  int pick() {
    auto at = there_.begin();
    std::advance(at, static_cast<long>(random_() % there_.size()));
    return *at;
  }
  void settle(int triple, bool there) {
    known_[triple] = there ? Known::kThere : Known::kGone;
    if (there)
      there_.insert(triple);
    else
      there_.erase(triple);
  }

  std::mt19937 random_;
  std::map<int, Known> known_;
  std::set<int> there_;
  int next_ = 0;
  std::uint64_t revision_ = 0;
  std::uint64_t confirmed_ = 0;
};

TEST_CASE("what was confirmed survives kill -9 at any moment, and nothing is there by half") {
  const TemporaryDirectory directory;
  const auto socket = directory / "c.sock";
  const std::vector<std::string> arguments{"--listen", "unix:" + socket, "--store",
                                           "sqlite:" + (directory / "store.db")};
  const auto seed = std::random_device{}();
  INFO("seed " << seed);
  Run run{seed};
  {
    Process controller{arguments, directory / "log"};
    v1::ChangeRequest change;
    change.add_operations()->mutable_tenant_add()->set_name("t");
    auto* network = change.add_operations()->mutable_network_add();
    network->set_name("n");
    network->set_tenant("t");
    api::write(Subnet{*Prefix::parse("10.0.0.0/8"), std::nullopt}, network->add_subnets());
    grpc::ClientContext context;
    v1::ChangeReply reply;
    REQUIRE(v1::Management::NewStub(connect(socket))->Change(&context, change, &reply).ok());
    controller.kill(SIGKILL);
  }
  for (int round = 0; round < 20; ++round) {
    INFO("round " << round);
    Process controller{arguments, directory / "log"};
    const auto channel = connect(socket);
    run.compare(channel);
    std::thread killer{[&, time = run.some_time()] {
      std::this_thread::sleep_for(time);
      controller.kill(SIGKILL);
    }};
    run.change_until_gone(channel);
    killer.join();
  }
  Process controller{arguments, directory / "log"};
  run.compare(connect(socket));
  CHECK(run.confirmed() > 20);  // or nothing was tried
}

}  // namespace
}  // namespace dove::controller
