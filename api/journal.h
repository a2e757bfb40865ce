// What a program writes for its operator: one line an event, on stderr, with its level; for a
// terminal or a file with the time and the program's name too, which journald knows by itself. What
// others can cause again and again is written seldom, with how often it came (repeats.h).
//
// Thread-safe.
#pragma once

#include <mutex>
#include <string>
#include <string_view>

#include "api/repeats.h"

namespace dove::api {

class Journal {
 public:
  // `level` is one of trace, debug, info, warning, error.
  Journal(const std::string& program, const std::string& level);

  void info(std::string_view text);
  void error(std::string_view text);
  // An event that others can cause at will: a few times a minute under one key.
  void notice(const std::string& key, const std::string& text);
  // Something is wrong: once a minute under one key. Without a key the text tells what is the same.
  void complain(const std::string& key, const std::string& text);
  void complain(const std::string& text) { complain(text, text); }
  // Now and then: tells what was held back.
  void tick();

 private:
  std::mutex mutex_;
  Repeats notices_;
  Repeats complaints_;
};

}  // namespace dove::api
