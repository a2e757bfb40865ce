#include <array>

#include "cli/object.h"

namespace dove::cli {
namespace {

constexpr std::array kCommands{Command{"add", nullptr}, Command{"delete", nullptr},
                               Command{"show list lst", nullptr}};

}  // namespace

constinit const Object kPolicy{.names = "policy", .usage = {}, .commands = kCommands};

}  // namespace dove::cli
