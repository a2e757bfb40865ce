#include "agent/datapath/ruleset_audit.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <utility>

#include "agent/datapath/nft_listing.h"
#include "core/quoted.h"

namespace dove::agent {
namespace {

struct Chain {
  std::string hook;  // "filter forward -350 accept"; empty: other chains lead to it
  unsigned rules = 0;
};

struct Set {
  const char* kind = "set";
  bool dynamic = false;
  std::map<std::string, std::string> elements;  // a map's lead to something
};

struct Ruleset {
  std::map<std::string, Chain> chains;
  std::map<std::string, Set> sets;
};

// --- the text

// The words of a command up to its brace, and what stands in the braces.
struct Command {
  std::vector<std::string_view> words;
  std::string_view braces;
};

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \"");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \"") - first + 1);
}

Command parse_command(std::string_view line) {
  Command command;
  const auto open = line.find('{');
  if (open != std::string_view::npos)
    command.braces = trimmed(line.substr(open + 1, line.rfind('}') - open - 1));
  auto rest = line.substr(0, open);
  while (!rest.empty()) {
    const auto end = std::min(rest.find(' '), rest.size());
    if (end > 0) command.words.push_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return command;
}

// "type filter hook forward priority -350; policy accept;" => "filter forward -350 accept"
std::string hook_of(std::string_view braces) {
  std::string hook;
  bool value = false;
  for (const auto& word : parse_command(braces).words) {
    if (value) hook += fmt::format("{}{}", hook.empty() ? "" : " ", word.substr(0, word.find(';')));
    value = !value;
  }
  return hook;
}

// nft lists a single address without its length.
std::string_view canonical(std::string_view element) {
  for (const std::string_view length : {"/32", "/128"})
    if (element.ends_with(length) && (length == "/128") == (element.find(':') != element.npos))
      return element.substr(0, element.size() - length.size());
  return element;
}

template <class Take>
void each_element(std::string_view list, Take take) {
  while (!list.empty()) {
    const auto end = std::min(list.find(", "), list.size());
    const auto element = list.substr(0, end);
    const auto verdict = element.find(" : ");
    take(std::string{canonical(trimmed(element.substr(0, verdict)))},
         std::string{verdict == std::string_view::npos ? "" : element.substr(verdict + 3)});
    list.remove_prefix(std::min(end + 2, list.size()));
  }
}

void apply_to_chain(Ruleset& ruleset, std::string_view verb, const std::string& name,
                    std::string_view braces) {
  if (verb == "delete")
    ruleset.chains.erase(name);
  else if (verb == "flush")
    ruleset.chains[name].rules = 0;
  else if (auto& chain = ruleset.chains[name]; !braces.empty())
    chain.hook = hook_of(braces);
}

void apply_to_set(Ruleset& ruleset, std::string_view verb, const char* kind,
                  const std::string& name, std::string_view braces) {
  if (verb == "delete") {
    ruleset.sets.erase(name);
    return;
  }
  auto& set = ruleset.sets[name];
  if (verb == "flush") {
    set.elements.clear();
  } else {
    set.kind = kind;
    set.dynamic = braces.find("dynamic") != std::string_view::npos;
  }
}

void apply(Ruleset& ruleset, const Command& command) {
  const auto verb = command.words[0], kind = command.words[1];
  const std::string name{command.words[4]};
  if (kind == "chain") {
    apply_to_chain(ruleset, verb, name, command.braces);
  } else if (kind == "rule") {
    ++ruleset.chains[name].rules;
  } else if (kind == "set" || kind == "map") {
    apply_to_set(ruleset, verb, kind == "set" ? "set" : "map", name, command.braces);
  } else if (kind == "element") {
    auto& elements = ruleset.sets[name].elements;
    each_element(command.braces, [&](std::string key, std::string verdict) {
      if (verb == "add")
        elements.insert_or_assign(std::move(key), std::move(verdict));
      else
        elements.erase(key);
    });
  }
}

Ruleset read_text(std::string_view text, std::string_view family) {
  constexpr std::size_t kNamed = 5;  // verb, kind, family, table, name
  Ruleset ruleset;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto command = parse_command(text.substr(0, end));
    if (command.words.size() >= kNamed && command.words[2] == family) apply(ruleset, command);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return ruleset;
}

// --- the listing

using Json = nlohmann::json;

std::string word(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.contains("prefix"))
    return fmt::format("{}/{}", value.at("prefix").at("addr").get<std::string>(),
                       value.at("prefix").at("len").get<unsigned>());
  if (value.contains("concat")) {
    std::string all;
    for (const auto& part : value.at("concat")) all += (all.empty() ? "" : " . ") + word(part);
    return all;
  }
  if (value.contains("elem")) return word(value.at("elem").at("val"));
  return value.dump();
}

std::string verdict_word(const Json& verdict) {
  for (const auto* kind : {"goto", "jump"})
    if (verdict.contains(kind))
      return fmt::format("{} {}", kind, verdict.at(kind).at("target").get<std::string>());
  return verdict.dump();
}

void add_chain(Ruleset& ruleset, const Json& chain) {
  auto& known = ruleset.chains[chain.at("name").get<std::string>()];
  if (chain.contains("hook"))
    known.hook = fmt::format("{} {} {} {}", chain.at("type").get<std::string>(),
                             chain.at("hook").get<std::string>(), chain.at("prio").get<int>(),
                             chain.at("policy").get<std::string>());
}

void add_set(Ruleset& ruleset, const Json& set) {
  auto& elements = ruleset.sets[set.at("name").get<std::string>()].elements;
  if (!set.contains("elem")) return;
  for (const auto& one : set.at("elem").get_ref<const Json::array_t&>()) {
    const bool leads = one.is_array();
    elements.insert_or_assign(word(leads ? one.at(0) : one),
                              leads ? verdict_word(one.at(1)) : std::string{});
  }
}

Result<Ruleset> read_listing(std::string_view listing) {
  Ruleset ruleset;
  const auto read = each_object(listing, [&](const std::string& kind, const Json& object) {
    if (kind == "chain")
      add_chain(ruleset, object);
    else if (kind == "rule")
      ++ruleset.chains[object.at("chain").get<std::string>()].rules;
    else if (kind == "set" || kind == "map")
      add_set(ruleset, object);
  });
  if (!read) return read.error();
  return ruleset;
}

// --- the comparison

class Comparison {
 public:
  Comparison(std::string_view family, const std::set<std::string>& open)
      : family_{family}, open_{open} {}

  std::vector<RulesetDifference> take(const Ruleset& wanted, const Ruleset& there) {
    for (const auto& [name, chain] : wanted.chains) compare(name, chain, there);
    for (const auto& [name, set] : wanted.sets) compare(name, set, there);
    for (const auto& [name, chain] : there.chains)
      if (!chain.hook.empty() && !wanted.chains.contains(name)) add_foreign(name);
    return std::move(found_);
  }

 private:
  void add(const char* kind, const std::string& name, const std::string& how,
           const std::string& element = {}) {
    found_.push_back(
        {name, element, fmt::format("nft {} {} dove {} {}", kind, family_, name, how)});
  }

  void add_foreign(const std::string& name) {
    add("chain", dove::quoted(name), "is not dove's");
    constexpr std::string_view kName =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./";
    if (name.find_first_not_of(kName) != std::string::npos) return;  // only by netlink, not by nft
    found_.back().removal =
        fmt::format("flush chain {0} dove {1}\ndelete chain {0} dove {1}\n", family_, name);
  }

  void compare(const std::string& name, const Chain& wanted, const Ruleset& there) {
    const auto found = there.chains.find(name);
    if (found == there.chains.end()) return add("chain", name, "is missing");
    const auto& chain = found->second;
    if (chain.hook != wanted.hook)
      add("chain", name, fmt::format("has hook \"{}\" instead of \"{}\"", chain.hook, wanted.hook));
    if (chain.rules != wanted.rules)
      add("chain", name, fmt::format("has {} rules instead of {}", chain.rules, wanted.rules));
  }

  void compare(const std::string& name, const Set& wanted, const Ruleset& there) {
    const auto found = there.sets.find(name);
    if (found == there.sets.end()) return add(wanted.kind, name, "is missing");
    if (wanted.dynamic) return;
    const auto& elements = found->second.elements;
    for (const auto& [key, verdict] : wanted.elements) {
      const auto same = elements.find(key);
      if (same == elements.end())
        add(wanted.kind, name, fmt::format("lacks {}", key), key);
      else if (same->second != verdict)
        add(wanted.kind, name, fmt::format("leads {} elsewhere than {}", key, verdict), key);
    }
    if (open_.contains(name)) return;
    for (const auto& [key, verdict] : elements)
      if (!wanted.elements.contains(key))
        add(wanted.kind, name, fmt::format("has {} too", dove::quoted(key)), key);
  }

  const std::string_view family_;
  const std::set<std::string>& open_;
  std::vector<RulesetDifference> found_;
};

}  // namespace

Result<std::vector<RulesetDifference>> ruleset_differences(std::string_view text,
                                                           std::string_view family,
                                                           std::string_view listing,
                                                           const std::set<std::string>& open) {
  const auto there = read_listing(listing);
  if (!there) return there.error();
  return Comparison{family, open}.take(read_text(text, family), *there);
}

}  // namespace dove::agent
