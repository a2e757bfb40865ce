// What doved writes for its operator: one line an event, on stderr. A complaint that repeats is
// written once a minute, with how often it came meanwhile.
//
// Belongs to the loop thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

namespace dove::agent {

class Journal {
 public:
  // One of trace, debug, info, warning, error.
  explicit Journal(std::string_view level);

  void info(std::string_view text);
  void error(std::string_view text);
  // Whether two complaints are the same is told by the text.
  void complain(const std::string& text);
  // The next complaint is written whatever came before it.
  void forget(const std::string& text) { complaints_.erase(text); }

 private:
  struct Complaint {
    std::chrono::steady_clock::time_point written;
    std::uint64_t suppressed = 0;
  };
  std::unordered_map<std::string, Complaint> complaints_;
};

}  // namespace dove::agent
