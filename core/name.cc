#include "core/name.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/quoted.h"

namespace dove {
namespace {

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_allowed(char c) { return is_alphanumeric(c) || c == '.' || c == '_' || c == '-'; }

// The whole UTF-8 character that begins at `bad`.
std::string_view character(std::string_view name, std::string_view::const_iterator bad) {
  const auto end = std::find_if(bad + 1, name.end(), [](char c) { return (c & 0xc0) != 0x80; });
  return name.substr(static_cast<std::size_t>(bad - name.begin()),
                     static_cast<std::size_t>(end - bad));
}

Error wrong(std::string_view what, std::string_view name, std::string_view reason) {
  return {ErrorCode::kInvalid, fmt::format("{} {} is wrong: {}", what, quoted(name), reason)};
}

}  // namespace

Status check_name(std::string_view what, std::string_view name) {
  if (name.empty()) return wrong(what, name, "it is empty");
  if (name.size() > kNameLimit)
    return wrong(
        what, name,
        fmt::format("it has {} characters, at most {} are allowed", name.size(), kNameLimit));
  if (const auto bad = std::find_if_not(name.begin(), name.end(), is_allowed); bad != name.end())
    return wrong(what, name,
                 fmt::format("{} is not one of A-Z a-z 0-9 . _ -", quoted(character(name, bad))));
  if (!is_alphanumeric(name.front()))
    return wrong(what, name, "it must begin with a letter or digit");
  return {};
}

Error unknown(std::string_view what, std::string_view name) {
  if (auto status = check_name(fmt::format("{} name", what), name); !status) return status.error();
  return {ErrorCode::kNotFound, fmt::format("{} \"{}\" is unknown", what, name)};
}

}  // namespace dove
