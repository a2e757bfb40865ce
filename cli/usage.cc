#include "cli/usage.h"

#include <fmt/format.h>

#include "cli/object.h"

namespace dove::cli {
namespace {

constexpr std::string_view kHead =
    "Usage: dovectl [ OPTIONS ] OBJECT { COMMAND | help }\n"
    "       dovectl [ OPTIONS ] [ -force ] -b[atch] FILE\n"
    "where  OBJECT := {";
constexpr std::string_view kTail =
    " }\n"
    "       OPTIONS := { -j[son] | -p[retty] | -s[tatistics] | -d[etails] | -br[ief] |\n"
    "                    -o[neline] | -c[olor][={ always | auto | never }] | -ts | -echo |\n"
    "                    -wait[=SECS] | -V[ersion] | -h[elp] |\n"
    "                    -C[ontroller] ADDR[,ADDR]... | -S[ocket] PATH | --insecure }\n"
    "       ADDR := { HOST:PORT | [V6]:PORT | unix:PATH }\n";
constexpr std::size_t kWidth = 78;
constexpr std::size_t kIndent = 19;

}  // namespace

std::string usage() {
  std::string out{kHead};
  std::size_t column = kIndent;
  std::string_view separator = " ";
  for (const auto* object : objects()) {
    if (object->usage.empty()) continue;
    const auto name = object->names.substr(0, object->names.find(' '));
    if (column + separator.size() + name.size() > kWidth) {
      out += fmt::format(" |\n{:{}}", "", kIndent);
      column = kIndent;
      separator = " ";
    }
    out += separator;
    out += name;
    column += separator.size() + name.size();
    separator = " | ";
  }
  return out.append(kTail);
}

}  // namespace dove::cli
