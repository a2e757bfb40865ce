#include "core/quoted.h"

#include <fmt/format.h>

#include <algorithm>

namespace dove {
namespace {

unsigned byte_at(std::string_view text, std::size_t i) {
  return static_cast<unsigned char>(text[i]);
}

// How many bytes the UTF-8 character at the front of `text` has; 0 when it is none, or one that is
// overlong, a surrogate, beyond U+10FFFF or a control character (C1).
std::size_t character_length(std::string_view text) {
  const unsigned lead = byte_at(text, 0);
  const std::size_t length = lead < 0x80   ? 1
                             : lead < 0xc2 ? 0
                             : lead < 0xe0 ? 2
                             : lead < 0xf0 ? 3
                                           : 4;
  if (length == 0 || lead > 0xf4 || length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i)
    if ((byte_at(text, i) & 0xc0U) != 0x80U) return 0;
  if (length == 1) return 1;
  const unsigned second = byte_at(text, 1);
  const bool wrong = (lead == 0xc2 && second < 0xa0) || (lead == 0xe0 && second < 0xa0) ||
                     (lead == 0xed && second > 0x9f) || (lead == 0xf0 && second < 0x90) ||
                     (lead == 0xf4 && second > 0x8f);
  return wrong ? 0 : length;
}

void append_escaped(std::string& out, unsigned byte) {
  switch (byte) {
    case '"':
    case '\\':
      out += '\\';
      out += static_cast<char>(byte);
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      out += fmt::format("\\x{:02x}", byte);
  }
}

bool is_plain(unsigned byte) { return byte >= 0x20 && byte != 0x7f && byte != '"' && byte != '\\'; }

}  // namespace

std::string quoted(std::string_view text, std::size_t limit) {
  std::string out = "\"";
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t length = character_length(text.substr(at));
    if (at + std::max<std::size_t>(length, 1) > limit) break;
    if (length == 0 || !is_plain(byte_at(text, at)))
      append_escaped(out, byte_at(text, at));
    else
      out += text.substr(at, length);
    at += std::max<std::size_t>(length, 1);
  }
  out += '"';
  if (at < text.size()) out += "...";
  return out;
}

}  // namespace dove
