// What a manual page lists.
#pragma once

#include <fstream>
#include <regex>
#include <set>
#include <sstream>
#include <string>

namespace dove {

// Metrics that begin with the prefix, each the word of an item of a list.
inline std::set<std::string> metrics_in_manual(const char* path, const std::string& prefix) {
  const std::ifstream file{path};
  std::ostringstream page;
  page << file.rdbuf();
  const auto text = page.str();
  const std::regex item{R"(\.It Li ()" + prefix + R"(\w+))"};
  std::set<std::string> names;
  for (std::sregex_iterator at{text.begin(), text.end(), item}, end; at != end; ++at)
    names.insert((*at)[1]);
  return names;
}

}  // namespace dove
