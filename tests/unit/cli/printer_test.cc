#include "cli/printer.h"

#include <nlohmann/json.hpp>

#include "cli/text.h"
#include "tests/catch.h"
#include "tests/unit/cli/harness.h"

namespace dove::cli {
namespace {

Record sample() {
  return {
      {.key = "name", .value = "a", .place = Place::kTitle, .color = Color::kName, .column = 4},
      {.key = "mac", .value = "02:00:00:00:00:01", .color = Color::kMac},
      {.key = "none", .value = {}, .column = 3},
      {.key = "on", .value = true},
      {.key = "items",
       .value = Value::List{Value{"10.0.0.1"}, Value{"::1"}},
       .place = Place::kLines,
       .color = Color::kIp,
       .column = 1,
       .word = "item"},
      {.key = "secret", .value = 7U, .place = Place::kHidden},
  };
}

std::string printed(const std::vector<Record>& records, const Format& format) {
  const Capture out;
  Printer printer{format, out.file()};
  printer.begin();
  for (const auto& record : records) printer.add(record);
  CHECK(printer.finish().ok());
  return out.text();
}

}  // namespace

TEST_CASE("one record in every form", "[cli]") {
  CHECK(to_text(sample(), {}) ==
        "a: mac 02:00:00:00:00:01 on on\n    item 10.0.0.1\n    item ::1\n");
  CHECK(to_text(sample(), {.oneline = true}) ==
        "a: mac 02:00:00:00:00:01 on on\\    item 10.0.0.1\\    item ::1\n");
  CHECK(to_text(sample(), {.brief = true}) == "a    -   10.0.0.1 ::1\n");
  CHECK(to_json(sample(), false) ==
        R"({"name":"a","mac":"02:00:00:00:00:01","none":null,"on":true,)"
        R"("items":["10.0.0.1","::1"],"secret":7})");
}

TEST_CASE("colours as ip's", "[cli]") {
  CHECK(to_text(sample(), {.color = true}) ==
        "\033[36ma\033[0m: mac \033[33m02:00:00:00:00:01\033[0m on on\n"
        "    item \033[35m10.0.0.1\033[0m\n    item \033[34m::1\033[0m\n");
  CHECK(to_text(sample(), {.color = true, .dark = true}).starts_with("\033[1;36ma\033[0m"));
}

TEST_CASE("JSON is an array of objects, pretty or not", "[cli]") {
  CHECK(printed({}, {.json = true}) == "[]\n");
  CHECK(printed({}, {.json = true, .pretty = true}) == "[]\n");
  CHECK(printed({}, {}).empty());
  const Record two{{.key = "a", .value = 1U},
                   {.key = "b", .value = Value::List{Value{Record{{.key = "c", .value = {}}}}}},
                   {.key = "d", .value = Value::List{}}};
  CHECK(printed({two, two}, {.json = true}) ==
        "[{\"a\":1,\"b\":[{\"c\":null}],\"d\":[]},{\"a\":1,\"b\":[{\"c\":null}],\"d\":[]}]\n");
  CHECK(printed({two}, {.json = true, .pretty = true}) ==
        "[\n    {\n        \"a\": 1,\n        \"b\": [\n            {\n                \"c\": "
        "null\n            }\n        ],\n        \"d\": []\n    }\n]\n");
}

TEST_CASE("JSON stays valid whatever a name holds", "[cli]") {
  const std::vector<std::string> odd{"\"",
                                     "\\",
                                     "a\"b\\c",
                                     "\n\t\r\b\f",
                                     std::string("nul\0here", 8),
                                     "\x7f",
                                     "\xff\xfe",
                                     "\xc3",
                                     "\xc3\xa9",
                                     "\xe2\x82\xac",
                                     "\xed\xa0\x80",
                                     "\xf0\x9f\x98\x80",
                                     "\xf4\x90\x80\x80",
                                     "\xc0\xaf",
                                     "</script>",
                                     "\xe2\x80\xa8",
                                     "{}",
                                     "[",
                                     std::string(100000, '"')};
  for (const auto& name : odd)
    for (const bool pretty : {false, true}) {
      const auto text =
          printed({{{.key = "name", .value = name}}}, {.json = true, .pretty = pretty});
      INFO(text.substr(0, 100));
      const auto parsed = nlohmann::json::parse(text, nullptr, false);
      REQUIRE(parsed.is_array());
      REQUIRE(parsed.size() == 1);
      if (is_utf8(name)) CHECK(parsed[0]["name"].get<std::string>() == name);
    }
}

TEST_CASE("text is one line for a terminal whatever a name holds", "[cli]") {
  const auto line = [](std::string_view name) {
    return to_text({{.key = "name", .value = name, .place = Place::kTitle}}, {});
  };
  CHECK(line("a\nb") == "a\\x0ab:\n");
  CHECK(line("\x1b[2J") == "\\x1b[2J:\n");
  CHECK(line("\xc3\xa9") == "\xc3\xa9:\n");
  CHECK(line("\xc2\x9b") == "\\xc2\\x9b:\n");
  CHECK(line("\xff") == "\\xff:\n");
}

TEST_CASE("what is discarded leaves no trace", "[cli]") {
  const Capture out;
  Printer printer{{.json = true}, out.file()};
  printer.begin();
  printer.add({{.key = "a", .value = 1U}});
  printer.discard();
  CHECK(printer.finish().ok());
  CHECK(out.text().empty());
  printer.begin();
  printer.add({{.key = "a", .value = 2U}});
  CHECK(printer.finish().ok());
  CHECK(out.text() == "[{\"a\":2}]\n");
}

TEST_CASE("a full disk is an error", "[cli]") {
  std::FILE* const full = std::fopen("/dev/full", "w");
  REQUIRE(full != nullptr);
  Printer printer{{}, full};
  printer.text("usage", "x\n");
  const auto written = printer.finish();
  REQUIRE(!written.ok());
  CHECK(written.error().message == "cannot write: No space left on device");
  std::fclose(full);
}

}  // namespace dove::cli
