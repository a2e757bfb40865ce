#include "cli/object.h"

namespace dove::cli {

constinit const Object kCheck{.names = "check", .usage = {}, .commands = {}};

}  // namespace dove::cli
