// The containers the resolver stands on, against the standard library's.
#include <map>
#include <random>
#include <string>

#include "agent/resolver/hash_index.h"
#include "agent/resolver/list.h"
#include "agent/resolver/slab.h"
#include "tests/catch.h"

namespace dove::agent {
namespace {

TEST_CASE("hash index: holds what a map holds, with hashes that collide") {
  std::mt19937 random{7};
  HashIndex index;
  std::map<std::uint32_t, std::size_t> hashes;  // by id
  for (int step = 0; step < 50'000; ++step) {
    const auto id = static_cast<std::uint32_t>(random() % 500);
    const auto known = hashes.find(id);
    if (known == hashes.end()) {
      const std::size_t hash = random() % 64;
      index.insert(hash, id);
      hashes.emplace(id, hash);
    } else {
      index.erase(known->second, id);
      hashes.erase(known);
    }
    const auto probe = static_cast<std::uint32_t>(random() % 500);
    const auto wanted = hashes.find(probe);
    const std::size_t hash = wanted != hashes.end() ? wanted->second : probe % 64;
    const auto found = index.find(hash, [&](std::uint32_t other) { return other == probe; });
    REQUIRE(found.has_value() == (wanted != hashes.end()));
    REQUIRE(index.size() == hashes.size());
  }
  std::size_t visited = 0;
  index.for_each([&](std::uint32_t id) { visited += hashes.count(id); });
  CHECK(visited == hashes.size());
}

TEST_CASE("hash index: an empty one finds nothing") {
  const HashIndex index;
  CHECK(!index.find(1, [](std::uint32_t) { return true; }));
}

TEST_CASE("slab: objects stay where they are while others come and go") {
  Slab<std::string> slab;
  std::map<std::uint32_t, std::pair<std::string, const std::string*>> known;
  std::mt19937 random{7};
  for (int step = 0; step < 20'000; ++step) {
    if (known.empty() || random() % 3 != 0) {
      const std::string text =
          "a string too long to be kept in place, number " + std::to_string(step);
      const auto id = slab.make(text);
      REQUIRE(known.emplace(id, std::pair{text, &slab[id]}).second);
    } else {
      const auto any = std::next(known.begin(), static_cast<int>(random() % known.size()));
      REQUIRE(&slab[any->first] == any->second.second);
      REQUIRE(slab[any->first] == any->second.first);
      slab.destroy(any->first);
      known.erase(any);
    }
    REQUIRE(slab.size() == known.size());
  }
  for (const auto& [id, object] : known) slab.destroy(id);
  CHECK(slab.size() == 0);
}

struct InA {};
struct InB {};
struct Element : ListNode<InA>, ListNode<InB> {
  explicit Element(int n) : number{n} {}
  int number;
};

TEST_CASE("list: an element leaves one of its lists from any place") {
  Element one{1}, two{2}, three{3};
  List<Element, InA> a;
  List<Element, InB> b;
  for (Element* e : {&one, &two, &three}) {
    a.push_back(*e);
    b.push_back(*e);
  }
  two.ListNode<InA>::leave();
  two.ListNode<InA>::leave();
  CHECK(!two.ListNode<InA>::in_list());
  CHECK(two.ListNode<InB>::in_list());

  const auto numbers = [](const auto& list) {
    std::vector<int> seen;
    list.for_each([&](Element& e) { seen.push_back(e.number); });
    return seen;
  };
  CHECK(numbers(a) == std::vector{1, 3});
  CHECK(numbers(b) == std::vector{1, 2, 3});
  a.for_each([](Element& e) { e.ListNode<InA>::leave(); });
  CHECK(a.empty());
  CHECK(b.front().number == 1);
}

}  // namespace
}  // namespace dove::agent
