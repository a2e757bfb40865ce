// What the objects of dove-controller have in common: a change and its echo, a show by name.
#pragma once

#include <functional>

#include "cli/object.h"

namespace dove::cli {

// Sends one operation; with -echo prints what was made.
Action change(v1::Operation operation);
Action show(v1::ShowRequest request);

// show [NAME]
Result<Action> parse_show(v1::ShowRequest::Kind kind, Words& words);
// del NAME
Result<Action> parse_del(Words& words, void (*write)(v1::Operation& operation, std::string name));

}  // namespace dove::cli
