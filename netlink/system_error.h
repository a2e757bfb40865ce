// An Error from errno, in one place: "cannot WHAT: No such device".
#pragma once

#include <string>
#include <string_view>
#include <system_error>

#include "core/result.h"

namespace dove::netlink {

// `os_error` is a positive errno. `explanation`, when there is one, replaces its text.
Error system_error(std::string_view what, int os_error, std::string_view explanation = {});

}  // namespace dove::netlink
