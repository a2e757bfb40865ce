// Connects to a daemon, and says in the system's words why not. gRPC would do it too, but a
// connection handed to it needs no resolver and no balancer, which are half of what a short-lived
// client pays for.
#pragma once

#include <chrono>

#include "api/address.h"
#include "core/result.h"

namespace dove::cli {

// A connected non-blocking socket; the caller closes it. The error is of kind kUnavailable and its
// message is the reason alone ("Connection refused").
Result<int> dial(const api::Address& address, std::chrono::milliseconds timeout);

}  // namespace dove::cli
