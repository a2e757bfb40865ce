#include "controller/host_leases.h"

#include "tests/catch.h"

namespace dove::controller {
namespace {

using std::chrono::seconds;

constexpr HostId kA{1}, kB{2};
const TimePoint kStart = TimePoint{} + seconds{1000};

// A listener that looks once a second, and who has become suspect at which second.
struct Listener {
  using Found = std::vector<std::pair<int, HostId>>;

  Found look_until(int last) {
    Found found;
    for (; second <= last; ++second)
      for (const auto host : leases.expire(at(second))) found.emplace_back(second, host);
    return found;
  }
  static TimePoint at(int second) { return kStart + seconds{second}; }

  HostLeases leases{seconds{10}};
  int second = 0;
};

TEST_CASE("host leases: a silent host is suspect after its lease, and told of once") {
  Listener listener;
  listener.leases.begin(kA, Listener::at(0));
  listener.leases.begin(kB, Listener::at(0));
  CHECK(listener.look_until(5).empty());
  listener.leases.heard(kB, Listener::at(5));
  CHECK(listener.look_until(12) == Listener::Found{{10, kA}});
  CHECK(listener.leases.is_suspect(kA));
  CHECK_FALSE(listener.leases.is_suspect(kB));
  CHECK(listener.look_until(30) == Listener::Found{{15, kB}});
  CHECK(listener.leases.silence(kB, Listener::at(31)) == seconds{26});
}

TEST_CASE("host leases: one that begins again is not suspect, and it is told that it was") {
  Listener listener;
  CHECK_FALSE(listener.leases.begin(kA, Listener::at(0)));
  CHECK(listener.look_until(11).size() == 1);
  CHECK(listener.leases.begin(kA, Listener::at(12)));
  CHECK_FALSE(listener.leases.is_suspect(kA));
  CHECK(listener.look_until(21).empty());
  CHECK(listener.look_until(22).size() == 1);
}

TEST_CASE("host leases: words that were heard before do not end a silence or shorten a lease") {
  Listener listener;
  listener.leases.begin(kA, Listener::at(5));
  listener.leases.heard(kA, Listener::at(1));
  CHECK(listener.look_until(14).empty());
  CHECK(listener.look_until(15).size() == 1);
  listener.leases.heard(kA, Listener::at(16));
  CHECK(listener.leases.is_suspect(kA));
}

TEST_CASE("host leases: while nobody listened no lease runs") {
  Listener listener;
  listener.leases.begin(kA, Listener::at(0));
  CHECK(listener.look_until(8).empty());
  listener.second = 60;  // stopped, or without a processor
  CHECK(listener.look_until(69).empty());
  CHECK(listener.look_until(70) == Listener::Found{{70, kA}});
}

TEST_CASE("host leases: the first look comes as late as it likes") {
  Listener listener;
  listener.leases.begin(kA, Listener::at(50));
  listener.second = 55;
  CHECK(listener.look_until(59).empty());
  CHECK(listener.look_until(60).size() == 1);
}

TEST_CASE("host leases: one that is no more is nothing") {
  Listener listener;
  listener.leases.begin(kA, Listener::at(0));
  listener.leases.end(kA);
  listener.leases.heard(kA, Listener::at(1));
  CHECK(listener.look_until(30).empty());
  CHECK_FALSE(listener.leases.is_suspect(kA));
}

}  // namespace
}  // namespace dove::controller
