// Prints records: as text, -br, -o, -j or -j -p, with or without colour.
//
// What a command prints is held back until finish(), so that one that fails half-way prints
// nothing: stdout is complete or empty, and with -j valid JSON or empty.
#pragma once

#include <cstdio>
#include <string>
#include <string_view>

#include "cli/record.h"
#include "core/result.h"

namespace dove::cli {

struct Format {
  bool json = false;
  bool pretty = false;  // of JSON
  bool brief = false;
  bool oneline = false;
  bool color = false;  // of text
  bool dark = false;   // the background is
  unsigned details = 0;
  unsigned statistics = 0;
};

// `record` as it would stand on stdout, with its line end. In JSON it is the object alone.
std::string to_text(const Record& record, const Format& format);
std::string to_json(const Record& record, bool pretty);

class Printer {
 public:
  // `out` outlives the printer.
  Printer(const Format& format, std::FILE* out) noexcept : format_{format}, out_{out} {}

  const Format& format() const noexcept { return format_; }

  void begin();  // a list of records follows, maybe an empty one
  void add(const Record& record, std::string_view prefix = {});  // `prefix`: of text alone
  // Help and the like; in JSON an array of one object with this key.
  void text(std::string_view key, std::string_view lines);
  // Writes what was begun. An error is that of writing to `out`.
  Status finish();
  void discard() noexcept;

 private:
  Format format_;
  std::FILE* out_;
  std::string pending_;
  bool list_ = false;
  bool first_ = true;
};

}  // namespace dove::cli
