// The options before OBJECT. Hand-written because ip's options are not getopt's: one dash, words,
// each with its own shortest form.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "cli/printer.h"
#include "core/result.h"

namespace dove::cli {

enum class When : std::uint8_t { kNever, kAuto, kAlways };

struct Options {
  bool json = false;
  bool pretty = false;
  bool brief = false;
  bool oneline = false;
  bool timestamps = false;
  bool echo = false;
  bool force = false;
  bool insecure = false;
  bool version = false;
  bool help = false;
  unsigned details = 0;
  unsigned statistics = 0;
  When color = When::kNever;
  std::optional<std::chrono::seconds> wait;
  std::optional<std::string> batch;       // a file's name, or "-"
  std::optional<std::string> controller;  // ADDR[,ADDR]
  std::optional<std::string> socket;      // of the local doved
};

// Takes the options off the front of `words`; what is left is OBJECT and the rest.
Result<Options> parse_options(std::span<const std::string>& words);

// Whether the word is an option, with its dash and perhaps with "=VALUE".
bool is_option(std::string_view word);

// What the environment adds, read once by main().
struct Surroundings {
  bool terminal = false;         // stdout is one
  bool no_color = false;         // NO_COLOR is set and not empty
  std::string_view colorfgbg{};  // COLORFGBG
};
Format format_of(const Options& options, const Surroundings& surroundings);

}  // namespace dove::cli
