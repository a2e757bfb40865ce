// Real-time priority of a program, and what its log says of it.
#pragma once

#include <optional>

#include "api/journal.h"
#include "core/scheduling.h"

namespace dove::api {

// To be called before any thread is started, and kept as long as the program runs; it uses
// `journal`. Empty for priority 0, and where it is not permitted, of which a warning is written.
std::optional<Realtime> take_realtime(unsigned priority, Journal& journal);

}  // namespace dove::api
