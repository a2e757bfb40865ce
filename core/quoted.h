// Text of outside origin, fit to stand in an error message or a log line.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace dove {

// `text` in double quotes. '"' and '\' get a backslash; control characters and bytes that are not
// part of valid UTF-8 become \n, \r, \t or \xHH, so that nothing can forge a line or move a cursor.
// Beyond `limit` bytes it is cut, and "..." stands behind the closing quote.
std::string quoted(std::string_view text, std::size_t limit = 64);

}  // namespace dove
