#include "cli/object.h"

namespace dove::cli {

constinit const Object kCheck{
    .names = "check", .usage = {}, .commands = {}, .parse = [](Words&) -> Result<Action> {
      return unsupported("check");
    }};

}  // namespace dove::cli
