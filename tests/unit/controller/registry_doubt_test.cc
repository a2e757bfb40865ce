// A store that cannot tell whether a change was made: what the registry shows, tells and does until
// it can, and after.
#include <future>

#include "controller/registry.h"
#include "tests/catch.h"
#include "tests/unit/controller/memory_store.h"

namespace dove::controller {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

v1::ChangeRequest tenant(const std::string& name) {
  v1::ChangeRequest change;
  change.add_operations()->mutable_tenant_add()->set_name(name);
  return change;
}

class Bench {
 public:
  Bench() {
    registry_ = *Registry::open(store, sessions_);
    REQUIRE(change("before"));
  }
  Result<v1::ChangeReply> change(const std::string& name) {
    std::promise<Result<v1::ChangeReply>> changed;
    registry_->change(*parse_change(tenant(name)), Registry::Wait::zero(),
                      [&](const Result<v1::ChangeReply>& reply) { changed.set_value(reply); });
    return changed.get_future().get();
  }
  ErrorCode refused(const std::string& name) {
    const auto reply = change(name);
    REQUIRE_FALSE(reply);
    return reply.error().code;
  }
  // "a b", and the revision.
  std::pair<std::string, std::uint64_t> shown() {
    std::promise<std::pair<std::string, std::uint64_t>> told;
    registry_->show({.kind = v1::ShowRequest::TENANT}, [&](const Result<Registry::Part>& part) {
      std::string names;
      for (const auto& object : part->reply.objects()) names += object.tenant().name() + " ";
      told.set_value({names, part->reply.revision()});
    });
    return told.get_future().get();
  }

  MemoryStore store;

 private:
  Sessions sessions_{{}};
  std::unique_ptr<Registry> registry_;
};

using Shown = std::pair<std::string, std::uint64_t>;

TEST_CASE("registry: a change without an answer is refused, and shows once it is known to be made",
          "[doubt]") {
  Bench bench;
  bench.store.be_silent(true);
  CHECK(bench.refused("doubtful") == ErrorCode::kUnavailable);
  CHECK(bench.shown() == Shown{"before ", 1});
  CHECK(bench.refused("after") == ErrorCode::kUnavailable);
  CHECK(bench.refused("doubtful") == ErrorCode::kUnavailable);
  bench.store.answer();
  CHECK(bench.shown() == Shown{"before doubtful ", 2});
  CHECK(bench.change("doubtful")->revision() == 2);  // it is there, as it was to be
  CHECK(bench.change("after")->revision() == 3);
  CHECK(bench.shown() == Shown{"after before doubtful ", 3});
}

TEST_CASE("registry: a change that turns out not to be made is not there", "[doubt]") {
  Bench bench;
  bench.store.be_silent(false);
  CHECK(bench.refused("doubtful") == ErrorCode::kUnavailable);
  CHECK(bench.refused("after") == ErrorCode::kUnavailable);
  bench.store.answer();
  CHECK(bench.shown() == Shown{"before ", 1});
  CHECK(bench.change("doubtful")->revision() == 2);
  CHECK(bench.shown() == Shown{"before doubtful ", 2});
}

TEST_CASE("registry: what a change became is asked for without anybody's request", "[doubt]") {
  Bench bench;
  bench.store.be_silent(true);
  CHECK(bench.refused("doubtful") == ErrorCode::kUnavailable);
  bench.store.answer();
  // The store tells it once: whoever asks afterwards hears of nothing.
  const auto deadline = std::chrono::steady_clock::now() + 10s;
  while (!bench.store.told()) {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    std::this_thread::sleep_for(10ms);
  }
  CHECK(bench.shown() == Shown{"before doubtful ", 2});
}

TEST_CASE("registry: what the store refuses is no doubt", "[doubt]") {
  Bench bench;
  bench.store.fail_with(Error{ErrorCode::kSystem, "full", ENOSPC});
  CHECK(bench.refused("too-much") == ErrorCode::kSystem);
  bench.store.fail_with(std::nullopt);
  CHECK(bench.change("next")->revision() == 2);
  CHECK(bench.shown() == Shown{"before next ", 2});
}

}  // namespace
}  // namespace dove::controller
