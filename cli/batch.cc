#include "cli/batch.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace dove::cli {
namespace {

constexpr std::string_view kBlanks = " \t\r\v\f";

bool is_blank(char c) noexcept { return kBlanks.find(c) != std::string_view::npos; }

// Takes one word off the front of `rest`, which begins with no blank.
Result<std::string> take_word(std::string_view& rest) {
  std::string word;
  char quote = '\0';
  while (!rest.empty() && (quote != '\0' || !is_blank(rest.front()))) {
    const char c = rest.front();
    rest.remove_prefix(1);
    if (quote == '\0' && (c == '"' || c == '\''))
      quote = c;
    else if (quote != '\0' && c == quote)
      quote = '\0';
    else
      word += c;
  }
  if (quote != '\0')
    return Error{ErrorCode::kInvalid, fmt::format("Error: the quote {} is not closed", quote)};
  return word;
}

// A comment ends with its line, whatever stands last in it.
bool is_comment(std::string_view line) noexcept {
  const auto first = line.find_first_not_of(kBlanks);
  return first != std::string_view::npos && line[first] == '#';
}

}  // namespace

Result<std::vector<std::string>> split(std::string_view line) {
  std::vector<std::string> words;
  for (auto rest = line;;) {
    rest.remove_prefix(std::min(rest.find_first_not_of(kBlanks), rest.size()));
    if (rest.empty() || rest.front() == '#') return words;
    auto word = take_word(rest);
    if (!word) return word.error();
    words.push_back(*std::move(word));
  }
}

std::optional<std::string> BatchReader::physical_line() {
  char* bytes = nullptr;
  std::size_t capacity = 0;
  const auto size = ::getline(&bytes, &capacity, file_);
  const std::unique_ptr<char, decltype(&std::free)> owner{bytes, &std::free};
  if (size < 0) return std::nullopt;
  ++lines_;
  std::string line{bytes, static_cast<std::size_t>(size)};
  if (line.ends_with('\n')) line.pop_back();
  return line;
}

Result<std::optional<BatchLine>> BatchReader::next() {
  auto line = physical_line();
  if (!line && std::ferror(file_) != 0)
    return Error{ErrorCode::kSystem, fmt::format("cannot read: {}", std::strerror(errno)), errno};
  if (!line) return std::optional<BatchLine>{};
  BatchLine logical{lines_, *std::move(line)};
  while (logical.text.ends_with('\\') && !is_comment(logical.text)) {
    logical.text.pop_back();
    const auto more = physical_line();
    if (!more) break;
    logical.text += *more;
  }
  return std::optional{std::move(logical)};
}

}  // namespace dove::cli
