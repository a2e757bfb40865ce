#include "agent/journal.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace dove::agent {
namespace {

constexpr std::chrono::minutes kQuiet{1};
constexpr std::size_t kRemembered = 1024;

}  // namespace

Journal::Journal(std::string_view level) {
  spdlog::set_default_logger(spdlog::stderr_logger_mt("doved"));
  // journald knows the time and the program; a terminal's user wants them too.
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%e %n %l: %v");
  spdlog::set_level(spdlog::level::from_str(std::string{level}));
}

void Journal::info(std::string_view text) { spdlog::info("{}", text); }

void Journal::error(std::string_view text) { spdlog::error("{}", text); }

void Journal::complain(const std::string& text) {
  const auto now = std::chrono::steady_clock::now();
  if (complaints_.size() >= kRemembered && !complaints_.contains(text)) complaints_.clear();
  const auto [found, fresh] = complaints_.try_emplace(text);
  auto& complaint = found->second;
  if (!fresh && now - complaint.written < kQuiet) {
    ++complaint.suppressed;
    return;
  }
  if (complaint.suppressed == 0)
    spdlog::warn("{}", text);
  else
    spdlog::warn("{} ({} times more since)", text, complaint.suppressed);
  complaint = {.written = now};
}

}  // namespace dove::agent
