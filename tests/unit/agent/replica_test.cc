#include "agent/replica.h"

#include <set>

#include "agent/replica_file.h"
#include "agent/replica_requests.h"
#include "core/binding_digest.h"
#include "tests/catch.h"

namespace dove::agent {
namespace {

using Kind = ReplicaWord::Kind;
using Taken = Replica::Taken;

const Vni kVni = *Vni::from(100);
const MacAddress kMac{{2, 0, 0, 0, 0, 1}};
const IpAddress kIp = *IpAddress::parse("10.0.0.1");

MacBinding mac_at(std::uint32_t host, std::uint64_t revision) {
  return {.key = {kVni, kMac},
          .verdict = Verdict::kFound,
          .host = HostId{host},
          .target = {},
          .revision = revision};
}
IpBinding ip_of(const MacAddress& mac, std::uint64_t revision) {
  return {.key = {kVni, kIp},
          .verdict = Verdict::kFound,
          .mac = mac,
          .target = {},
          .revision = revision};
}
ReplicaWord word(Kind kind, std::uint64_t revision, std::vector<BindingRecord> bindings = {}) {
  return {
      .vni = kVni, .kind = kind, .bindings = std::move(bindings), .gone = {}, .revision = revision};
}
ReplicaWord delta(std::uint64_t after, std::uint64_t revision,
                  std::vector<BindingRecord> bindings) {
  auto made = word(Kind::kDelta, revision, std::move(bindings));
  made.after = after;
  return made;
}
ReplicaWord first(ReplicaWord part) {
  part.first = true;
  return part;
}

Replica whole() {
  Replica replica;
  CHECK(replica.take(first(word(Kind::kPart, 5, {mac_at(1, 4)}))) == Taken::kNothing);
  CHECK(replica.take(word(Kind::kLast, 5, {ip_of(kMac, 5)})) == Taken::kRenewed);
  return replica;
}

TEST_CASE("replica: a snapshot counts when its last part has come") {
  Replica replica;
  CHECK(replica.take(first(word(Kind::kPart, 5, {mac_at(1, 4)}))) == Taken::kNothing);
  CHECK_FALSE(replica.is_whole());
  CHECK(replica.find(kMac) == nullptr);
  CHECK(replica.take(word(Kind::kLast, 5, {ip_of(kMac, 5)})) == Taken::kRenewed);
  CHECK(replica.is_whole());
  CHECK(replica.find(kMac)->host == HostId{1});
  CHECK(replica.find(kIp)->mac == kMac);
  CHECK(replica.digest() == digest_of(mac_at(1, 4)) + digest_of(ip_of(kMac, 5)));
}

TEST_CASE("replica: of a snapshot without its beginning nothing is taken") {
  auto replica = whole();
  CHECK(replica.take(first(word(Kind::kPart, 7))) == Taken::kNothing);
  replica.doubt();  // as when the session drops what waits
  CHECK(replica.take(word(Kind::kPart, 7)) == Taken::kNothing);
  CHECK(replica.take(word(Kind::kLast, 7)) == Taken::kNothing);
  CHECK_FALSE(replica.is_whole());
  CHECK(replica.find(kMac) != nullptr);
}

TEST_CASE("replica: deltas follow one another") {
  auto replica = whole();
  CHECK(replica.take(delta(5, 8, {mac_at(2, 8)})) == Taken::kChanged);
  CHECK(replica.find(kMac)->host == HostId{2});
  CHECK(replica.revision() == 8);
  auto last = delta(8, 9, {});
  last.gone = {IpKey{kVni, kIp}, MacKey{kVni, kMac}};
  CHECK(replica.take(last) == Taken::kChanged);
  CHECK(replica.empty());
  CHECK(replica.digest() == 0);
}

TEST_CASE("replica: late and repeated words change nothing") {
  auto replica = whole();
  CHECK(replica.take(delta(5, 8, {mac_at(2, 8)})) == Taken::kChanged);
  CHECK(replica.take(delta(5, 8, {mac_at(3, 8)})) == Taken::kNothing);
  CHECK(replica.take(delta(2, 4, {mac_at(3, 4)})) == Taken::kNothing);
  CHECK(replica.find(kMac)->host == HostId{2});
  CHECK(replica.is_whole());
}

TEST_CASE("replica: after a gap nothing is believed to be all until a snapshot comes") {
  auto replica = whole();
  CHECK(replica.take(delta(7, 8, {mac_at(2, 8)})) == Taken::kGap);
  CHECK_FALSE(replica.is_whole());
  CHECK(replica.find(kMac)->host == HostId{1});
  CHECK(replica.take(delta(8, 9, {mac_at(3, 9)})) == Taken::kNothing);
  CHECK(replica.take(first(word(Kind::kLast, 9, {mac_at(3, 9)}))) == Taken::kRenewed);
  CHECK(replica.find(kMac)->host == HostId{3});
  CHECK(replica.find(kIp) == nullptr);
}

TEST_CASE("replica: what was doubted and is found right is whole again") {
  auto replica = whole();
  replica.doubt();
  CHECK(replica.take(delta(5, 8, {mac_at(2, 8)})) == Taken::kNothing);
  CHECK(replica.take(word(Kind::kCurrent, 12)) == Taken::kRenewed);
  CHECK(replica.is_whole());
  CHECK(replica.take(delta(12, 13, {mac_at(2, 13)})) == Taken::kChanged);
  CHECK(replica.take(word(Kind::kCurrent, 13)) == Taken::kNothing);
}

TEST_CASE("replica: digests tell what is known apart") {
  auto denied = mac_at(1, 1);
  denied.verdict = Verdict::kDenied;
  auto elsewhere = mac_at(1, 1);
  elsewhere.target = Vni::from(101);
  auto other_network = mac_at(1, 1);
  other_network.key.vni = *Vni::from(101);
  auto router = ip_of(kMac, 1);
  router.router = true;
  const std::set<std::uint64_t> digests{digest_of(mac_at(1, 1)),   digest_of(mac_at(2, 1)),
                                        digest_of(denied),         digest_of(elsewhere),
                                        digest_of(other_network),  digest_of(router),
                                        digest_of(ip_of(kMac, 1)), digest_of(ip_of({}, 1))};
  CHECK(digests.size() == 8);
  CHECK(digest_of(mac_at(1, 1)) == digest_of(mac_at(1, 2)));
}

TEST_CASE("replica requests: one at a time, each network once") {
  ReplicaRequests requests;
  const Vni one = *Vni::from(1);
  const Vni two = *Vni::from(2);
  CHECK_FALSE(requests.next());
  requests.add(one);
  requests.add(two);
  requests.add(two);
  CHECK(requests.next() == one);
  CHECK_FALSE(requests.next());
  requests.add(one);  // again, after its answer
  requests.end(two);
  CHECK_FALSE(requests.next());
  requests.end(one);
  CHECK(requests.next() == two);
  requests.remove(two);
  CHECK(requests.next() == one);
  requests.clear();
  CHECK_FALSE(requests.next());
}

// --- files

SavedReplica sample() {
  return {.store_id = std::string{"\0\xff", 2},
          .vni = kVni,
          .replica = whole(),
          .at = std::chrono::system_clock::time_point{std::chrono::seconds{1'700'000'000}}};
}

TEST_CASE("replica file: what is written is read, and may not be all any more") {
  const auto read = parse_replica(format_replica(sample()));
  REQUIRE(read);
  CHECK(read->store_id == sample().store_id);
  CHECK(read->vni == kVni);
  CHECK(read->at == sample().at);
  CHECK(read->replica.revision() == 5);
  CHECK(read->replica.digest() == sample().replica.digest());
  CHECK_FALSE(read->replica.is_whole());
}

TEST_CASE("replica file: nothing is believed of a text that is not whole") {
  const auto text = format_replica(sample());
  for (std::size_t length = 0; length < text.size(); ++length)
    REQUIRE_FALSE(parse_replica(text.substr(0, length)));
  for (std::size_t i = text.find('\n') + 1; i < text.size(); ++i) {
    auto other = text;
    other[i] = static_cast<char>(other[i] ^ 4);
    REQUIRE_FALSE(parse_replica(other));
  }
  auto later = text;
  later.replace(later.find(" 1 "), 3, " 2 ");
  CHECK_FALSE(parse_replica(later));
}

}  // namespace
}  // namespace dove::agent
