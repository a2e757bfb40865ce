// Command lines from a file: blank-separated words, '...' and "..." around words with blanks, '#'
// before a comment, '\' at a line's end before the rest of it.
#pragma once

#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/result.h"

namespace dove::cli {

// The words of one line without its line end. A '\' has no meaning within it.
Result<std::vector<std::string>> split(std::string_view line);

struct BatchLine {
  std::size_t number = 0;  // of its first line, counted from 1
  std::string text;
};

class BatchReader {
 public:
  // `file` outlives the reader.
  explicit BatchReader(std::FILE* file) noexcept : file_{file} {}

  // The next line with its continuations joined, empty lines and comments included; empty at the
  // end. An error is that of reading.
  Result<std::optional<BatchLine>> next();

 private:
  std::optional<std::string> physical_line();

  std::FILE* file_;
  std::size_t lines_ = 0;
};

}  // namespace dove::cli
