#include "agent/announcements.h"

#include "tests/catch.h"

namespace dove::agent {
namespace {

using How = AddressSeen::How;
using Standing = Announcements::Standing;
const Vni kVni = *Vni::from(10);
const MacAddress kMac = *MacAddress::parse("02:00:00:00:00:01");
const Status kUnavailable = Error{ErrorCode::kUnavailable, "no session"};
const Status kRefused = Error{ErrorCode::kExists, "somebody else's"};

AddressSeen seen(const char* ip, How how = How::kAnnounced, std::optional<bool> router = {}) {
  return {IfIndex{1}, {kVni, *IpAddress::parse(ip)}, kMac, how, router, {}};
}

struct Heard {
  Announcements all;
  TimePoint now{};
  std::optional<Announcements::Word> operator()(const AddressSeen& what, Standing standing) {
    return all.heard(what, standing, now);
  }
};

TEST_CASE("announcements: a shared address is told each time it is announced, not when used") {
  Heard heard;
  CHECK(!heard(seen("10.0.0.9", How::kUsed), Standing::kShared));
  CHECK(!heard(seen("10.0.0.9", How::kTentative), Standing::kShared));
  for (int i = 0; i < 2; ++i) {
    const auto word = heard(seen("10.0.0.9"), Standing::kShared);
    REQUIRE(word);
    CHECK(!heard.all.told(*word, {}, heard.now));
  }
}

TEST_CASE("announcements: what repeats itself goes to other hosts once a second") {
  Heard heard;
  const auto carried = [&](AddressSeen what, Standing standing, unsigned frame) {
    what.eaten.assign(42, static_cast<std::byte>(frame));
    return heard.all.is_to_be_carried(what, standing, heard.now);
  };
  const auto own = seen("10.0.0.1");
  CHECK(carried(own, Standing::kOwn, 1));
  for (int i = 0; i < 100; ++i) CHECK_FALSE(carried(own, Standing::kOwn, 1));
  CHECK(carried(own, Standing::kOwn, 2));               // another form of it
  CHECK(carried(seen("10.0.0.2"), Standing::kOwn, 2));  // another address
  heard.now += Announcements::kRepeatPause;
  CHECK(carried(own, Standing::kOwn, 2));
  // Another guest may have spoken for it meanwhile.
  for (int i = 0; i < 3; ++i) CHECK(carried(seen("10.0.0.9"), Standing::kShared, 1));
}

TEST_CASE("announcements: what is heard while a word is under way is said once behind it") {
  Heard heard;
  const auto word = heard(seen("10.0.0.9"), Standing::kShared);
  REQUIRE(word);
  for (int i = 0; i < 5; ++i) CHECK(!heard(seen("10.0.0.9"), Standing::kShared));
  const auto again = heard.all.told(*word, {}, heard.now);
  REQUIRE(again);
  CHECK(!heard.all.told(*again, {}, heard.now));
}

TEST_CASE("announcements: one's own address needs no word, unless its guest is a router") {
  Heard heard;
  CHECK(!heard(seen("10.0.0.1"), Standing::kOwn));
  const auto word = heard(seen("fd00::1", How::kUsed, true), Standing::kOwn);
  REQUIRE(word);
  CHECK(word->router == true);
  CHECK(!heard.all.told(*word, {}, heard.now));
  CHECK(!heard(seen("fd00::1", How::kUsed, true), Standing::kOwn));
  CHECK(!heard(seen("fd00::1"), Standing::kOwn));
  const auto changed = heard(seen("fd00::1", How::kUsed, false), Standing::kOwn);
  REQUIRE(changed);
  CHECK(changed->router == false);
}

TEST_CASE("announcements: a link-local address is told once, and again to a new session") {
  Heard heard;
  const auto word = heard(seen("fe80::1", How::kUsed), Standing::kForeign);
  REQUIRE(word);
  CHECK(!heard(seen("fe80::1", How::kUsed), Standing::kForeign));
  CHECK(!heard.all.told(*word, {}, heard.now));
  CHECK(!heard(seen("fe80::1", How::kUsed), Standing::kForeign));
  CHECK(heard.all.begin_session().size() == 1);
  CHECK(heard.all.begin_session().empty());  // it is under way
}

TEST_CASE("announcements: what no controller heard is owed to the next") {
  Heard heard;
  const auto word = heard(seen("10.0.0.9"), Standing::kShared);
  REQUIRE(word);
  CHECK(!heard.all.told(*word, kUnavailable, heard.now));
  const auto owed = heard.all.begin_session();
  REQUIRE(owed.size() == 1);
  CHECK(!heard.all.told(owed[0], {}, heard.now));
  CHECK(heard.all.begin_session().empty());
}

TEST_CASE("announcements: what a controller could not keep it is told again in the same session") {
  Heard heard;
  const auto word = heard(seen("10.0.0.9"), Standing::kShared);
  REQUIRE(word);
  CHECK(heard.all.remind().empty());  // it is under way
  CHECK(!heard.all.told(*word, Error{ErrorCode::kSystem, "disk full"}, heard.now));
  const auto owed = heard.all.remind();
  REQUIRE(owed.size() == 1);
  CHECK(!heard.all.told(owed[0], {}, heard.now));
  CHECK(heard.all.remind().empty());
}

TEST_CASE("announcements: who was refused is not heard for a while") {
  Heard heard;
  const auto word = heard(seen("10.0.0.7"), Standing::kForeign);
  REQUIRE(word);
  CHECK(!heard(seen("10.0.0.7"), Standing::kForeign));
  CHECK(!heard.all.told(*word, kRefused, heard.now));
  CHECK(!heard(seen("10.0.0.7"), Standing::kForeign));
  heard.now += Announcements::kRefusalPause;
  CHECK(heard(seen("10.0.0.7"), Standing::kForeign));
}

TEST_CASE("announcements: a guest's are bounded, and its link-local ones stay") {
  Heard heard;
  REQUIRE(heard(seen("fe80::1"), Standing::kForeign));
  for (int i = 0; i < 1000; ++i) {
    const auto ip = "10.0." + std::to_string(i / 200) + "." + std::to_string(i % 200 + 1);
    const auto word = heard(seen(ip.c_str()), Standing::kForeign);
    REQUIRE(word);
    heard.all.told(*word, kRefused, heard.now);
  }
  CHECK(!heard(seen("fe80::1"), Standing::kForeign));
  std::size_t under_way = 0;
  for (int i = 0; i < 1000; ++i) {
    const auto ip = "10.1." + std::to_string(i / 200) + "." + std::to_string(i % 200 + 1);
    under_way += heard(seen(ip.c_str()), Standing::kForeign).has_value() ? 1 : 0;
  }
  CHECK(under_way == Announcements::kPerGuest - 1);
}

TEST_CASE("announcements: a guest that has left says no more") {
  Heard heard;
  const auto word = heard(seen("10.0.0.9"), Standing::kShared);
  REQUIRE(word);
  CHECK(!heard(seen("10.0.0.9"), Standing::kShared));
  heard.all.remove({kVni, kMac});
  CHECK(!heard.all.told(*word, {}, heard.now));
  CHECK(heard.all.begin_session().empty());
}

}  // namespace
}  // namespace dove::agent
