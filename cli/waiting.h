// -wait: until every host that a change concerns has applied it.
#pragma once

#include <string_view>

#include "cli/object.h"

namespace dove::cli {

inline constexpr std::chrono::seconds kDefaultWait{10};

using Lags = google::protobuf::RepeatedPtrField<v1::Lag>;

// How long to wait, as the protocol has it; 0 without -wait.
std::uint32_t wait_ms(const Session& session);
// Whether none is left. The error begins with `what` and names those that have not applied it, each
// with its reason.
Status check_applied(const Lags& lagging, std::string_view what, std::uint32_t wait_ms);
// With -wait, after a change of this host's ports or networks.
Status await_others(Session& session);

}  // namespace dove::cli
