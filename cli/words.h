// The words of one command, read from the left, and the errors that ip(8) gives about them.
//
// Whatever is wrong with the words is an Error whose message is the whole line for stderr. Nothing
// here looks further than the words: an Error from this header means exit status 1.
#pragma once

#include <functional>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace dove::cli {

// Borrows the words; a view it hands out is valid as long as they are.
class Words {
 public:
  explicit Words(std::span<const std::string> words) noexcept : words_{words} {}

  bool empty() const noexcept { return words_.empty(); }
  std::size_t size() const noexcept { return words_.size(); }
  // Precondition of both: !empty().
  std::string_view peek() const noexcept { return words_.front(); }
  std::string_view take() noexcept {
    const std::string_view word = words_.front();
    words_ = words_.subspan(1);
    return word;
  }
  // The next word, or the error that there is none; `expected` says what it was to be ("a name").
  Result<std::string_view> require(std::string_view expected);
  // Nothing may be left.
  Status finish() const;

 private:
  std::span<const std::string> words_;
};

// True when `word` begins `name`: ip's rule for abbreviations. The empty word abbreviates nothing.
constexpr bool abbreviates(std::string_view word, std::string_view name) noexcept {
  return !word.empty() && name.starts_with(word);
}

// One "KEYWORD VALUE" of a command. Keywords are not abbreviated: their order is free, so an
// abbreviation would be a promise about every keyword to come.
struct Keyword {
  std::string_view name;
  std::function<Status(std::string_view value)> accept;
  bool repeatable = false;
};
// Reads all that is left.
Status parse_keywords(Words& words, std::span<const Keyword> keywords);

Error incomplete(std::string_view expected);
// A keyword that the command cannot do without.
Error missing(std::string_view keyword);
// `Error: argument "WORD" is wrong: REASON`
Error wrong_argument(std::string_view word, std::string_view reason);
// `Object "WORD" is unknown, try "HELP".` and, when one of `known` is close, what may be meant.
Error unknown(std::string_view kind, std::string_view word, std::string_view help,
              std::span<const std::string_view> known);
// The one of `known` that a slip of the finger or two separates from `word`.
std::optional<std::string_view> closest(std::string_view word,
                                        std::span<const std::string_view> known);

}  // namespace dove::cli
