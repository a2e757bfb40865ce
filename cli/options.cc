#include "cli/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "cli/waiting.h"
#include "cli/words.h"
#include "core/quoted.h"

namespace dove::cli {
namespace {

// The argument of an option, or null when it takes none.
using Argument = const std::string*;

constexpr unsigned kLongestWait = 600;

struct Option {
  std::string_view name;
  std::size_t shortest;  // how many of its letters are enough
  // What the next word is, of an option that takes one.
  std::string_view argument;
  void (*apply)(Options&, Argument);
};

// In this order an abbreviation is looked up, though with these shortest forms none has two
// meanings.
constexpr std::array<Option, 19> kOptions{{
    {"json", 1, {}, [](Options& o, Argument) { o.json = true; }},
    {"pretty", 1, {}, [](Options& o, Argument) { o.pretty = true; }},
    {"statistics", 1, {}, [](Options& o, Argument) { ++o.statistics; }},
    {"details", 1, {}, [](Options& o, Argument) { ++o.details; }},
    {"brief", 2, {}, [](Options& o, Argument) { o.brief = true; }},
    {"oneline", 1, {}, [](Options& o, Argument) { o.oneline = true; }},
    {"color", 1, {}, [](Options& o, Argument) { o.color = When::kAlways; }},
    {"ts", 2, {}, [](Options& o, Argument) { o.timestamps = true; }},
    {"echo", 4, {}, [](Options& o, Argument) { o.echo = true; }},
    {"wait", 4, {}, [](Options& o, Argument) { o.wait = kDefaultWait; }},
    {"batch", 1, "FILE", [](Options& o, Argument a) { o.batch = *a; }},
    {"force", 5, {}, [](Options& o, Argument) { o.force = true; }},
    {"Version", 1, {}, [](Options& o, Argument) { o.version = true; }},
    {"Controller", 1, "ADDR[,ADDR]...", [](Options& o, Argument a) { o.controller = *a; }},
    {"Socket", 1, "PATH", [](Options& o, Argument a) { o.socket = *a; }},
    {"insecure", 8, {}, [](Options& o, Argument) { o.insecure = true; }},
    {"version", 7, {}, [](Options& o, Argument) { o.version = true; }},
    {"help", 1, {}, [](Options& o, Argument) { o.help = true; }},
    {"stats", 1, {}, [](Options& o, Argument) { ++o.statistics; }},
}};

const Option* find(std::string_view name) {
  const auto option = std::find_if(kOptions.begin(), kOptions.end(), [&](const Option& o) {
    return name.size() >= o.shortest && o.name.starts_with(name);
  });
  return option == kOptions.end() ? nullptr : &*option;
}

Error unknown_option(std::string_view word) {
  std::array<std::string, kOptions.size()> dashed;
  std::array<std::string_view, kOptions.size()> names;
  for (std::size_t i = 0; i < kOptions.size(); ++i)
    names[i] = dashed[i] = fmt::format("-{}", kOptions[i].name);
  return unknown("Option", word, "dovectl help", names);
}

// -color=WHEN
Status set_color(std::string_view word, std::string_view value, Options& options) {
  if (value == "always")
    options.color = When::kAlways;
  else if (value == "auto")
    options.color = When::kAuto;
  else if (value == "never")
    options.color = When::kNever;
  else
    return wrong_argument(word, "expected always, auto or never behind the \"=\"");
  return {};
}

// -wait=SECS
Status set_wait(std::string_view word, std::string_view value, Options& options) {
  unsigned seconds = 0;
  const char* const end = value.data() + value.size();
  const auto [stop, error] = std::from_chars(value.data(), end, seconds);
  if (error != std::errc{} || stop != end || seconds == 0 || seconds > kLongestWait)
    return wrong_argument(word, fmt::format("expected a number of seconds from 1 to {} behind the "
                                            "\"=\"",
                                            kLongestWait));
  options.wait = std::chrono::seconds{seconds};
  return {};
}

// Without its dashes.
std::string_view bare(std::string_view word) { return word.substr(word.starts_with("--") ? 2 : 1); }

Status apply(std::string_view word, Words& rest, Options& options) {
  const auto name = bare(word);
  const auto equals = name.find('=');
  const Option* const option = find(name.substr(0, equals));
  if (option == nullptr) return unknown_option(word);
  if (equals != std::string_view::npos) {
    const auto value = name.substr(equals + 1);
    if (option->name == "color") return set_color(word, value, options);
    if (option->name == "wait") return set_wait(word, value, options);
    return wrong_argument(word, fmt::format("option -{} takes no \"=\"", option->name));
  }
  std::string argument;
  const bool takes_one = !option->argument.empty();
  if (takes_one) {
    const auto value = rest.require(fmt::format("{} behind {}", option->argument, quoted(word)));
    if (!value) return value.error();
    argument = *value;
  }
  option->apply(options, takes_one ? &argument : nullptr);
  return {};
}

// As ip reads COLORFGBG: "15;0" is light on black. The background is the last number.
bool is_dark(std::string_view colorfgbg) {
  const auto separator = colorfgbg.rfind(';');
  if (separator == std::string_view::npos) return false;
  const auto background = colorfgbg.substr(separator + 1);
  return background.size() == 1 &&
         ((background[0] >= '0' && background[0] <= '6') || background[0] == '8');
}

bool is_colored(const Options& options, const Surroundings& surroundings) {
  if (options.json || surroundings.no_color) return false;
  return options.color == When::kAlways || (options.color == When::kAuto && surroundings.terminal);
}

}  // namespace

Result<Options> parse_options(std::span<const std::string>& words) {
  Options options;
  Words rest{words};
  while (!rest.empty() && rest.peek().starts_with('-') && rest.peek() != "-") {
    const auto word = rest.take();
    if (word == "--") break;
    if (const auto applied = apply(word, rest, options); !applied) return applied.error();
  }
  words = words.last(rest.size());
  return options;
}

bool is_option(std::string_view word) {
  if (!word.starts_with('-')) return false;
  const auto name = bare(word);
  return find(name.substr(0, name.find('='))) != nullptr;
}

Format format_of(const Options& options, const Surroundings& surroundings) {
  return {.json = options.json,
          .pretty = options.pretty,
          .brief = options.brief,
          .oneline = options.oneline,
          .color = is_colored(options, surroundings),
          .dark = is_dark(surroundings.colorfgbg),
          .details = options.details,
          .statistics = options.statistics};
}

}  // namespace dove::cli
