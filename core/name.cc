#include "core/name.h"

#include <fmt/format.h>

#include <algorithm>

namespace dove {
namespace {

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_allowed(char c) { return is_alphanumeric(c) || c == '.' || c == '_' || c == '-'; }

Error wrong(std::string_view what, std::string_view name, std::string_view reason) {
  return {ErrorCode::kInvalid, fmt::format("{} \"{}\" is wrong: {}", what, name, reason)};
}

}  // namespace

Status check_name(std::string_view what, std::string_view name) {
  if (name.empty()) return wrong(what, name, "it is empty");
  if (name.size() > kNameLimit)
    return wrong(
        what, name.substr(0, kNameLimit),
        fmt::format("it has {} characters, at most {} are allowed", name.size(), kNameLimit));
  if (const auto bad = std::find_if_not(name.begin(), name.end(), is_allowed); bad != name.end())
    return wrong(what, name,
                 fmt::format("\"{}\" is not one of A-Z a-z 0-9 . _ -", std::string_view{&*bad, 1}));
  if (!is_alphanumeric(name.front()))
    return wrong(what, name, "it must begin with a letter or digit");
  return {};
}

}  // namespace dove
