// -wait and sync: what is asked of the daemons, and what becomes of hosts that lag behind.
#include "tests/catch.h"
#include "tests/unit/cli/harness.h"

namespace dove::cli {
namespace {

template <class Reply>
void lag(Reply& reply, const std::string& host, v1::Lag::Why why, const std::string& problem = {}) {
  auto& one = *reply.add_lagging();
  one.set_host(host);
  one.set_why(why);
  one.set_problem(problem);
}

TEST_CASE("without -wait nobody is asked to wait", "[cli]") {
  FakeBackend backend;
  CHECK(run_line(backend, "tenant add red").exit == Exit::kDone);
  CHECK(run_line(backend, "port add tap0 endpoint vm1").exit == Exit::kDone);
  CHECK(run_line(backend, "port del tap0").exit == Exit::kDone);
  CHECK(run_line(backend, "join web").exit == Exit::kDone);
  CHECK(backend.waits == std::vector<std::uint32_t>{0});
}

TEST_CASE("with -wait the controller is asked to, for every kind of change", "[cli]") {
  FakeBackend backend;
  backend.change_reply.set_waited(true);
  for (const auto* line :
       {"-wait tenant add red", "-wait=10 network del web", "-wait endpoint set vm1 mac auto",
        "-wait policy add tenant red between a and b deny", "-wait host del kvm1"}) {
    INFO(line);
    const auto outcome = run_line(backend, line);
    CHECK(outcome.exit == Exit::kDone);
    CHECK(outcome.out.empty());
  }
  CHECK(backend.waits == std::vector<std::uint32_t>(5, 10'000));
}

TEST_CASE("with -wait this host's doved is asked to, after what it does", "[cli]") {
  FakeBackend backend;
  for (const auto* line : {"-wait=3 port add tap0 endpoint vm1", "-wait=3 port del tap0",
                           "-wait=3 join web", "-wait=3 leave web"})
    CHECK(run_line(backend, line).exit == Exit::kDone);
  CHECK(backend.waits == std::vector<std::uint32_t>(4, 3'000));
  lag(backend.await_reply, "kvm2", v1::Lag::SILENT);
  const auto outcome = run_line(backend, "-wait=3 port del tap0");
  CHECK(outcome.exit == Exit::kRefused);
  CHECK(outcome.err ==
        "Error: done, but not yet applied by host \"kvm2\": no word from it within 3 s\n");
}

TEST_CASE("hosts that lag behind are named with the reason, and what was made is echoed", "[cli]") {
  FakeBackend backend;
  backend.change_reply.set_waited(true);
  backend.change_reply.add_objects()->mutable_tenant()->set_name("red");
  lag(backend.change_reply, "kvm2", v1::Lag::NOT_CONNECTED);
  lag(backend.change_reply, "kvm3", v1::Lag::SILENT);
  lag(backend.change_reply, "kvm4", v1::Lag::TROUBLE, "the kernel refuses an entry");
  const auto outcome = run_line(backend, "-wait -j -echo tenant add red");
  CHECK(outcome.exit == Exit::kRefused);
  CHECK(outcome.out.starts_with("[{\"name\":\"red\""));
  CHECK(outcome.err ==
        "Error: the change is in the store, but not yet applied by host \"kvm2\": it is not "
        "connected; host \"kvm3\": no word from it within 10 s; host \"kvm4\": the kernel refuses "
        "an entry\n");
}

TEST_CASE("of very many hosts some are named", "[cli]") {
  FakeBackend backend;
  for (int i = 0; i < 20; ++i) lag(backend.settle_reply, "h" + std::to_string(i), v1::Lag::SILENT);
  const auto outcome = run_line(backend, "sync");
  CHECK(outcome.exit == Exit::kRefused);
  CHECK(outcome.err.find("\"h15\"") != std::string::npos);
  CHECK(outcome.err.find("\"h16\"") == std::string::npos);
  CHECK(outcome.err.ends_with("; and 4 more\n"));
}

TEST_CASE("a controller that does not know -wait is not believed", "[cli]") {
  FakeBackend backend;
  CHECK(run_line(backend, "-wait tenant add red").err ==
        "Error: the change is in the store, but dove-controller cannot wait for hosts\n");
}

TEST_CASE("sync waits, ten seconds unless it is said how long", "[cli]") {
  FakeBackend backend;
  const auto outcome = run_line(backend, "sync");
  CHECK(outcome.exit == Exit::kDone);
  CHECK(outcome.out.empty());
  CHECK(run_line(backend, "-wait=60 sync").exit == Exit::kDone);
  CHECK(backend.waits == std::vector<std::uint32_t>{10'000, 60'000});
  CHECK(run_line(backend, "sync now").exit == Exit::kWrong);
}

}  // namespace
}  // namespace dove::cli
