// The rule for names of tenants, networks, endpoints and hosts: 1 to 63 characters of
// [A-Za-z0-9._-], the first a letter or a digit. So a name is safe in a path, a URL, an nft comment
// and a shell word, and never looks like an option.
#pragma once

#include <string_view>

#include "core/result.h"

namespace dove {

inline constexpr std::size_t kNameLimit = 63;

// An error that names `what` ("tenant name") and the offending character or length.
Status check_name(std::string_view what, std::string_view name);

// What to say when there is no such thing ("tenant"): that it is unknown, or why its name is none.
Error unknown(std::string_view what, std::string_view name);

}  // namespace dove
