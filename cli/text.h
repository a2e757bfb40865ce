// Bytes from outside made fit for a terminal.
#pragma once

#include <string>
#include <string_view>

namespace dove::cli {

// Control characters and what is not UTF-8 as \xNN, the rest as it is: no device name or typo can
// move the cursor, and one record stays one line.
std::string printable(std::string_view text);

// How many bytes the UTF-8 character (RFC 3629) at the front has; 0 when there is none.
// Precondition: `text` is not empty.
std::size_t character_size(std::string_view text) noexcept;

bool is_utf8(std::string_view text) noexcept;

}  // namespace dove::cli
