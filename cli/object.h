// What can be named behind the options: the ordered table of objects, each with its own ordered
// table of commands. An abbreviation means the first that it begins, so the order is a promise:
// nothing is ever put in front of what is there, and a test fixes the meaning of every prefix.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <span>
#include <string_view>

#include "cli/backend.h"
#include "cli/printer.h"
#include "cli/words.h"
#include "core/result.h"

namespace dove::cli {

// What a command works with when it runs.
struct Session {
  Backend& backend;
  Printer& printer;
  bool echo = false;
  bool timestamps = false;
  bool statistics = false;
  std::optional<std::chrono::seconds> wait = {};  // for hosts to have applied a change
};

// What a command line asks for, understood but not yet done.
using Action = std::function<Status(Session&)>;

struct Command {
  std::string_view names;  // joined by blanks: the name, then its synonyms
  // Reads all words that are left. Pure: an error is one of the command line. Null: not supported
  // yet, but the name is taken.
  Result<Action> (*parse)(Words& words);
};

struct Object {
  std::string_view names;  // as a command's
  std::string_view usage;  // the lines behind "Usage: ", for help; empty: not supported yet
  std::span<const Command> commands;
  // Of an object that is its own command, as `join NETWORK`: reads what is behind it. Null for the
  // others, whose first command named "show" is the default.
  Result<Action> (*parse)(Words& words) = nullptr;
};

extern const Object kTenant;
extern const Object kNetwork;
extern const Object kEndpoint;
extern const Object kPolicy;
extern const Object kHost;
extern const Object kPort;
extern const Object kJoin;
extern const Object kLeave;
extern const Object kFdb;
extern const Object kNeighbour;
extern const Object kStatus;
extern const Object kMonitor;
extern const Object kCheck;
extern const Object kCounters;
extern const Object kSync;
std::span<const Object* const> objects() noexcept;

// OBJECT { COMMAND | help } and all that is behind it.
Result<Action> parse_command(std::span<const std::string> words);

// An action that refuses: the words are right, but nothing here can do it yet. `meant`, unless it
// is empty, is what may have been meant instead.
Action unsupported(std::string what, std::string_view meant = {});

}  // namespace dove::cli
