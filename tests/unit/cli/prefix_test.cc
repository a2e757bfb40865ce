// Abbreviations are a promise: whoever changes a line of these tables breaks somebody's script.
#include <algorithm>
#include <map>
#include <string>

#include "cli/object.h"
#include "tests/catch.h"

namespace dove::cli {
namespace {

std::vector<std::string> prefixes(std::string_view name) {
  std::vector<std::string> out;
  for (std::size_t size = 1; size <= name.size(); ++size) out.emplace_back(name.substr(0, size));
  return out;
}

// Which object `word` names: told by what it answers to a word that no object knows.
std::string meaning_of_object(const std::string& word) {
  for (const auto* object : objects()) {
    const auto name = object->names.substr(0, object->names.find(' '));
    for (auto rest = object->names; !rest.empty();) {
      const auto synonym = rest.substr(0, rest.find(' '));
      if (abbreviates(word, synonym)) return std::string{name};
      rest.remove_prefix(std::min(synonym.size() + 1, rest.size()));
    }
  }
  return abbreviates(word, "help") ? "help" : "";
}

}  // namespace

TEST_CASE("the objects and their order are those of the contract", "[cli]") {
  std::vector<std::string_view> names;
  for (const auto* object : objects()) names.push_back(object->names);
  CHECK(names == std::vector<std::string_view>{"tenant", "network", "endpoint", "policy", "host",
                                               "port", "join", "leave", "fdb", "neighbour neighbor",
                                               "status", "monitor", "check", "counters", "sync"});
}

TEST_CASE("every prefix of every object has one fixed meaning", "[cli]") {
  const std::map<std::string, std::string> fixed{{"t", "tenant"},
                                                 {"te", "tenant"},
                                                 {"n", "network"},
                                                 {"ne", "network"},
                                                 {"net", "network"},
                                                 {"nei", "neighbour"},
                                                 {"e", "endpoint"},
                                                 {"en", "endpoint"},
                                                 {"p", "policy"},
                                                 {"po", "policy"},
                                                 {"pol", "policy"},
                                                 {"por", "port"},
                                                 {"h", "host"},
                                                 {"ho", "host"},
                                                 {"he", "help"},
                                                 {"j", "join"},
                                                 {"l", "leave"},
                                                 {"f", "fdb"},
                                                 {"s", "status"},
                                                 {"sy", "sync"},
                                                 {"m", "monitor"},
                                                 {"c", "check"},
                                                 {"ch", "check"},
                                                 {"co", "counters"},
                                                 {"neighbor", "neighbour"},
                                                 {"neighbou", "neighbour"}};
  for (const auto& [word, name] : fixed) {
    INFO(word);
    CHECK(meaning_of_object(word) == name);
  }
  // A longer prefix keeps the meaning of the longest one above that it begins with.
  for (const auto* object : objects()) {
    const auto name = object->names.substr(0, object->names.find(' '));
    for (const auto& word : prefixes(name)) {
      auto known = word;
      while (!known.empty() && !fixed.contains(known)) known.pop_back();
      INFO(word);
      REQUIRE(!known.empty());
      CHECK(meaning_of_object(word) == fixed.at(known));
    }
    CHECK(meaning_of_object(std::string{name}) == name);
  }
}

TEST_CASE("parse_command follows the same table", "[cli]") {
  // `help` of an object prints its usage; an unsupported one has none.
  const std::map<std::string, std::string> usages{
      {"t", "tenant"},    {"n", "network"},     {"p", "policy"}, {"e", "endpoint"},
      {"h", "host"},      {"por", "port"},      {"j", "join"},   {"l", "leave"},
      {"f", "fdb"},       {"nei", "neighbour"}, {"s", "status"}, {"m", "monitor"},
      {"co", "counters"}, {"sy", "sync"}};
  for (const auto& [word, name] : usages) {
    const auto* const object =
        *std::find_if(objects().begin(), objects().end(),
                      [&name = name](const Object* o) { return o->names.starts_with(name); });
    INFO(word);
    CHECK(object->usage.find(" " + name) != std::string_view::npos);
    CHECK(parse_command(std::vector<std::string>{word, "help"}).ok());
  }
}

TEST_CASE("commands and their synonyms in every object", "[cli]") {
  struct Row {
    std::string word;
    std::string meaning;
  };
  const std::vector<Row> with_set{
      {"a", "add"},         {"add", "add"}, {"d", "delete"}, {"de", "delete"}, {"del", "delete"},
      {"delete", "delete"}, {"s", "set"},   {"se", "set"},   {"set", "set"},   {"sh", "show"},
      {"show", "show"},     {"l", "show"},  {"ls", "show"},  {"lst", "show"},  {"li", "show"},
      {"list", "show"},     {"x", ""},      {"shows", ""}};
  const auto meaning = [](const Object& object, std::string_view word) -> std::string {
    for (const auto& command : object.commands)
      for (auto rest = command.names; !rest.empty();) {
        const auto synonym = rest.substr(0, rest.find(' '));
        if (abbreviates(word, synonym))
          return std::string{command.names.substr(0, command.names.find(' '))};
        rest.remove_prefix(std::min(synonym.size() + 1, rest.size()));
      }
    return {};
  };
  for (const auto* object : {&kTenant, &kNetwork, &kEndpoint})
    for (const auto& row : with_set) {
      INFO(object->names << " " << row.word);
      CHECK(meaning(*object, row.word) == row.meaning);
    }
  CHECK(meaning(kHost, "s") == "set");
  CHECK(meaning(kHost, "d") == "delete");
  CHECK(meaning(kHost, "a").empty());
  for (const auto* object : {&kPort, &kPolicy}) {
    CHECK(meaning(*object, "a") == "add");
    CHECK(meaning(*object, "d") == "delete");
    CHECK(meaning(*object, "s") == "show");
  }
  for (const auto* object : {&kFdb, &kNeighbour, &kStatus, &kCounters}) {
    CHECK(meaning(*object, "s") == "show");
    CHECK(meaning(*object, "l") == "show");
    CHECK(meaning(*object, "a").empty());
  }
}

}  // namespace dove::cli
