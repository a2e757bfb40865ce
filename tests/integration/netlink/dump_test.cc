// Dumps that the kernel says were interrupted.
#include "netlink/dump.h"

#include <fmt/format.h>
#include <linux/rtnetlink.h>

#include <set>

#include "tests/integration/netlink/kernel.h"

namespace dove::netlink::test {
namespace {

// More devices than the parts of a dump that are read at once can hold.
void make_many_devices(Links& links) {
  for (int i = 0; i < 300; ++i)
    take(links.create_veth(fmt::format("a{}", i), fmt::format("b{}", i)));
}

Query::Question all_links() {
  return {.what = "dump the devices", .type = RTM_GETLINK, .put = [](Builder& builder) {
            builder.family(ifinfomsg{});
          }};
}

TEST_CASE("a dump that was interrupted is made again, and is then whole") {
  enter_fresh_namespace();
  auto links = take(Links::open());
  auto query = take(Query::open());
  make_many_devices(links);
  int attempts = 0;
  bool meddled = false;
  std::set<std::string> names;
  take(query.dump(
      all_links(),
      [&] {
        ++attempts;
        names.clear();
      },
      [&](const Message& message) {
        if (!std::exchange(meddled, true)) take(links.create_bridge("late", {}, {}));
        if (const auto link = decode_link(message)) names.insert(link->name);
      }));
  CHECK(attempts == 2);
  CHECK(names.count("late") == 1);
  CHECK(names.size() == 602);  // lo, too
  CHECK(take(dump_links(query)).size() == 602);
}

TEST_CASE("a table that never rests is an error after so many attempts") {
  enter_fresh_namespace();
  auto links = take(Links::open());
  auto query = take(Query::open());
  make_many_devices(links);
  int attempts = 0;
  bool meddled = false;
  const auto dumped = query.dump(
      all_links(),
      [&] {
        ++attempts;
        meddled = false;
      },
      [&](const Message&) {
        if (std::exchange(meddled, true)) return;
        take(links.create_bridge(fmt::format("late{}", attempts), {}, {}));
      });
  REQUIRE_FALSE(dumped);
  CHECK(dumped.error().code == ErrorCode::kUnavailable);
  CHECK(attempts == Query::kAttempts);
  CHECK(take(dump_links(query)).size() > 602);  // the socket is still good for the next question
}

TEST_CASE("what the kernel refuses to answer is an error with its words") {
  enter_fresh_namespace();
  auto query = take(Query::open());
  const auto asked = query.ask({.what = "ask nonsense",
                                .type = RTM_GETLINK,
                                .put =
                                    [](Builder& builder) {
                                      ifinfomsg header{};
                                      header.ifi_change = 1;
                                      builder.family(header);
                                    }},
                               [](const Message&) {});
  REQUIRE_FALSE(asked);
  CHECK(asked.error().message ==
        "cannot ask nonsense: Invalid values in header for get link request");
}

}  // namespace
}  // namespace dove::netlink::test
