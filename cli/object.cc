#include "cli/object.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "cli/options.h"
#include "cli/usage.h"
#include "core/quoted.h"

namespace dove::cli {
namespace {

constexpr std::array kObjects{&kTenant, &kNetwork, &kEndpoint, &kPolicy,   &kHost,
                              &kPort,   &kJoin,    &kLeave,    &kFdb,      &kNeighbour,
                              &kStatus, &kMonitor, &kCheck,    &kCounters, &kSync};
constexpr std::string_view kHelp = "help";

std::string_view first_name(std::string_view names) { return names.substr(0, names.find(' ')); }

bool matches(std::string_view word, std::string_view names) {
  while (!names.empty()) {
    if (abbreviates(word, first_name(names))) return true;
    names.remove_prefix(std::min(first_name(names).size() + 1, names.size()));
  }
  return false;
}

Action print(std::string text) {
  return [text = std::move(text)](Session& session) {
    session.printer.text("usage", text);
    return session.printer.finish();
  };
}

Result<Action> help_of(const Object& object, const Words& words) {
  if (const auto finished = words.finish(); !finished) return finished.error();
  return print(fmt::format("Usage: {}\n", object.usage));
}

// What an abbreviation of a name that is taken but not supported yet was meant to be, as likely as
// not: the next that it begins. The order says otherwise, so this is only told.
std::string_view meant_object(std::string_view word) {
  for (const auto* object : kObjects)
    if (!object->usage.empty() && matches(word, object->names)) return first_name(object->names);
  return {};
}

std::string_view meant_command(std::string_view word, const Object& object) {
  for (const auto& command : object.commands)
    if (command.parse != nullptr && matches(word, command.names)) return first_name(command.names);
  return {};
}

Result<Action> parse_with(const Command& command, std::string_view word, const Object& object,
                          Words& words) {
  if (command.parse != nullptr) return command.parse(words);
  return unsupported(fmt::format("{} {}", first_name(object.names), first_name(command.names)),
                     meant_command(word, object));
}

Error unknown_command(std::string_view word, const Object& object) {
  std::vector<std::string_view> names{kHelp};
  for (const auto& command : object.commands) names.push_back(first_name(command.names));
  return unknown("Command", word, fmt::format("dovectl {} help", first_name(object.names)), names);
}

Result<Action> parse_default(const Object& object, Words& words) {
  const auto show =
      std::find_if(object.commands.begin(), object.commands.end(),
                   [](const Command& command) { return matches("show", command.names); });
  if (show == object.commands.end()) return help_of(object, words);
  return show->parse(words);
}

Result<Action> parse_in(const Object& object, Words& words) {
  if (object.parse != nullptr) {
    if (words.size() != 1 || words.peek() != kHelp) return object.parse(words);
    words.take();
    return help_of(object, words);
  }
  if (words.empty()) return parse_default(object, words);
  const auto word = words.take();
  for (const auto& command : object.commands) {
    if (!matches(word, command.names)) continue;
    // As with ip, but what has that name can be seen and deleted.
    const bool names = matches("del", command.names) || matches("show", command.names);
    if (!names && words.size() == 1 && words.peek() == kHelp) {
      words.take();
      return help_of(object, words);
    }
    return parse_with(command, word, object, words);
  }
  if (abbreviates(word, kHelp)) return help_of(object, words);
  return unknown_command(word, object);
}

// ip takes them for names; nothing of ours has such a name.
Status check_for_options(std::string_view object, std::span<const std::string> words) {
  const auto option = std::find_if(words.begin(), words.end(), is_option);
  if (option == words.end()) return {};
  return wrong_argument(*option, fmt::format("an option belongs before {}", quoted(object)));
}

Error unknown_object(std::string_view word) {
  constexpr std::string_view kDigits = "0123456789";
  if (!word.empty() && word.find_first_not_of(kDigits) == std::string_view::npos)
    return {ErrorCode::kInvalid,
            fmt::format("Object {0} is unknown, try \"dovectl help\". Did you mean \"-wait={1}\"?",
                        quoted(word), word)};
  std::vector<std::string_view> names{kHelp};
  for (const auto* object : kObjects)
    if (!object->usage.empty()) names.push_back(first_name(object->names));
  return unknown("Object", word, "dovectl help", names);
}

}  // namespace

std::span<const Object* const> objects() noexcept { return kObjects; }

Result<Action> parse_command(std::span<const std::string> all) {
  Words words{all};
  if (words.empty()) return incomplete("an object");
  const auto word = words.take();
  for (const auto* object : kObjects) {
    if (!matches(word, object->names)) continue;
    if (const auto right = check_for_options(word, all.subspan(1)); !right) return right.error();
    if (!object->usage.empty()) return parse_in(*object, words);
    return unsupported(std::string{first_name(object->names)}, meant_object(word));
  }
  if (!abbreviates(word, kHelp)) return unknown_object(word);
  if (words.empty()) return print(usage());
  const auto about = words.take();
  for (const auto* object : kObjects)
    if (!object->usage.empty() && matches(about, object->names)) return help_of(*object, words);
  return unknown_object(about);
}

Action unsupported(std::string what, std::string_view meant) {
  auto reason = std::move(what) + " is not supported by this version";
  if (!meant.empty()) reason += fmt::format("; did you mean \"{}\"?", meant);
  return [reason = std::move(reason)](Session&) -> Status {
    return Error{ErrorCode::kInvalid, reason};
  };
}

}  // namespace dove::cli
