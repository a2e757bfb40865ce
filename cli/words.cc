#include "cli/words.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "core/quoted.h"

namespace dove::cli {
namespace {

// How many letters to insert, delete, replace or swap with their neighbour.
std::size_t distance(std::string_view a, std::string_view b) {
  using Row = std::vector<std::size_t>;
  Row before;  // the row above `above`
  Row above(b.size() + 1);
  std::iota(above.begin(), above.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    Row row(b.size() + 1, i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const bool same = a[i - 1] == b[j - 1];
      row[j] = std::min({above[j - 1] + (same ? 0 : 1), above[j] + 1, row[j - 1] + 1});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before = std::exchange(above, std::move(row));
  }
  return above.back();
}

std::string meant(std::string_view word, std::span<const std::string_view> known) {
  const auto name = closest(word, known);
  return name ? fmt::format(" Did you mean \"{}\"?", *name) : std::string{};
}

std::vector<std::string_view> names_of(std::span<const Keyword> keywords) {
  std::vector<std::string_view> names;
  for (const auto& keyword : keywords) names.push_back(keyword.name);
  return names;
}

Error unknown_keyword(std::string_view word, std::span<const Keyword> keywords) {
  const auto names = names_of(keywords);
  if (names.empty()) return wrong_argument(word, "nothing is expected here");
  const auto name = closest(word, names);
  auto reason = fmt::format("expected {}", fmt::join(names, ", "));
  if (name) reason += fmt::format("; did you mean \"{}\"?", *name);
  return wrong_argument(word, reason);
}

Error duplicate(std::string_view keyword, std::string_view value) {
  return {ErrorCode::kInvalid,
          fmt::format("Error: duplicate \"{}\": {} is the second value.", keyword, quoted(value))};
}

}  // namespace

Result<std::string_view> Words::require(std::string_view expected) {
  if (empty()) return incomplete(expected);
  return take();
}

Status Words::finish() const {
  if (empty()) return {};
  return wrong_argument(peek(), "nothing is expected here");
}

Status parse_keywords(Words& words, std::span<const Keyword> keywords) {
  std::vector<std::string_view> seen;
  while (!words.empty()) {
    const auto word = words.take();
    const auto keyword = std::find_if(keywords.begin(), keywords.end(),
                                      [&](const Keyword& k) { return k.name == word; });
    if (keyword == keywords.end()) return unknown_keyword(word, keywords);
    const auto value = words.require(fmt::format("a value behind {}", quoted(word)));
    if (!value) return value.error();
    if (!keyword->repeatable && std::find(seen.begin(), seen.end(), word) != seen.end())
      return duplicate(word, *value);
    seen.push_back(word);
    if (const auto accepted = keyword->accept(*value); !accepted) return accepted;
  }
  return {};
}

Error incomplete(std::string_view expected) {
  return {ErrorCode::kInvalid,
          fmt::format("Command line is not complete. Try option \"help\" (expected {})", expected)};
}

Error missing(std::string_view keyword) {
  return {ErrorCode::kInvalid,
          fmt::format("Not enough information: \"{}\" argument is required.", keyword)};
}

Error wrong_argument(std::string_view word, std::string_view reason) {
  return {ErrorCode::kInvalid,
          fmt::format("Error: argument {} is wrong: {}", quoted(word), reason)};
}

Error unknown(std::string_view kind, std::string_view word, std::string_view help,
              std::span<const std::string_view> known) {
  return {ErrorCode::kInvalid, fmt::format("{} {} is unknown, try \"{}\".{}", kind, quoted(word),
                                           help, meant(word, known))};
}

std::optional<std::string_view> closest(std::string_view word,
                                        std::span<const std::string_view> known) {
  constexpr std::size_t kLongest = 32;  // no keyword is longer; the distance is quadratic
  if (word.size() > kLongest) return std::nullopt;
  std::optional<std::string_view> best;
  std::size_t least = 3;
  for (const auto name : known) {
    const std::size_t slips = distance(word, name);
    if (slips >= least || slips * 2 >= name.size()) continue;
    least = slips;
    best = name;
  }
  return best;
}

}  // namespace dove::cli
