#include <array>

#include "cli/object.h"

namespace dove::cli {
namespace {

Result<Action> refuse(Words&) { return unsupported("policy"); }

constexpr std::array kCommands{Command{"add", refuse}, Command{"delete", refuse},
                               Command{"show list lst", refuse}};

}  // namespace

constinit const Object kPolicy{.names = "policy", .usage = {}, .commands = kCommands};

}  // namespace dove::cli
