// The manual page has every JSON key, every object and every keyword that the program knows.
#include <fstream>
#include <sstream>

#include "cli/object.h"
#include "cli/records.h"
#include "tests/catch.h"

namespace dove::cli {
namespace {

std::string manual() {
  const std::ifstream file{DOVECTL_MANUAL};
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// As a key or keyword: in a macro's arguments, not in prose.
bool has(const std::string& manual, std::string_view word) {
  return manual.find("Ic " + std::string{word}) != std::string::npos;
}

}  // namespace

TEST_CASE("the manual lists every JSON key", "[cli]") {
  const auto page = manual();
  REQUIRE(!page.empty());
  CHECK_FALSE(has(page, "xyzzy"));
  for (const auto& record :
       {to_record(v1::Tenant{}), to_record(v1::Network{}), to_record(v1::Policy{}),
        to_record(v1::Endpoint{}), to_record(v1::Host{}), to_record(v1::Port{}),
        to_record(v1::FdbEntry{}), to_record(v1::Neighbour{}), to_record(v1::StatusReply{}),
        to_record(v1::Counter{}), to_record(v1::Difference{})})
    for (const auto& field : record) {
      INFO(field.key);
      CHECK(has(page, field.key));
    }
}

TEST_CASE("the manual and help know the same objects", "[cli]") {
  const auto page = manual();
  for (const auto* object : objects()) {
    const auto name = object->names.substr(0, object->names.find(' '));
    INFO(name);
    CHECK(has(page, name));
  }
}

}  // namespace dove::cli
