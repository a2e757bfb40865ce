// Bytes as text that survives files and command lines: two digits each, lower case.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace dove {

std::string to_hex(std::string_view bytes);
// Nothing for what to_hex() does not write.
std::optional<std::string> from_hex(std::string_view text);

}  // namespace dove
