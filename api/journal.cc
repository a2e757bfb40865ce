#include "api/journal.h"

#include <fmt/format.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

namespace dove::api {
namespace {

using Clock = Repeats::TimePoint::clock;

constexpr unsigned kNoticesAtOnce = 10;
constexpr std::size_t kLongest = 2000;

// The priority of sd-daemon(3), by which journald takes a line in.
class Priority final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm& /*time*/,
              spdlog::memory_buf_t& out) override {
    constexpr std::string_view kDebug = "<7>";
    constexpr std::string_view kInfo = "<6>";
    constexpr std::string_view kWarning = "<4>";
    constexpr std::string_view kError = "<3>";
    const auto word = message.level >= spdlog::level::err    ? kError
                      : message.level == spdlog::level::warn ? kWarning
                      : message.level == spdlog::level::info ? kInfo
                                                             : kDebug;
    out.append(word.data(), word.data() + word.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<Priority>();
  }
};

// systemd.exec(5): the variable names the file that stderr then is.
bool writes_to_journald() {
  const char* const stream = std::getenv("JOURNAL_STREAM");
  struct stat file {};
  return stream != nullptr && ::fstat(STDERR_FILENO, &file) == 0 &&
         stream == fmt::format("{}:{}", file.st_dev, file.st_ino);
}

// One line, whatever a text that came from elsewhere contains.
std::string one_line(std::string_view text) {
  std::string line{text.substr(0, kLongest)};
  std::replace_if(
      line.begin(), line.end(), [](char c) { return (c >= 0 && c < ' ') || c == 0x7f; }, ' ');
  return line;
}

}  // namespace

Journal::Journal(const std::string& program, const std::string& level) {
  auto logger = spdlog::stderr_logger_mt(program);
  auto formatter = std::make_unique<spdlog::pattern_formatter>();
  formatter->add_flag<Priority>('*').set_pattern(
      writes_to_journald() ? "%*%v" : "%Y-%m-%dT%H:%M:%S.%e %n %l: %v");
  logger->set_formatter(std::move(formatter));
  spdlog::set_default_logger(std::move(logger));
  spdlog::set_level(spdlog::level::from_str(level));
}

void Journal::info(std::string_view text) { spdlog::info("{}", one_line(text)); }

void Journal::error(std::string_view text) { spdlog::error("{}", one_line(text)); }

void Journal::notice(const std::string& key, const std::string& text) {
  const std::lock_guard lock{mutex_};
  if (const auto line = notices_.pass(key, text, kNoticesAtOnce, Clock::now())) info(*line);
}

void Journal::complain(const std::string& key, const std::string& text) {
  const std::lock_guard lock{mutex_};
  if (const auto line = complaints_.pass(key, text, 1, Clock::now()))
    spdlog::warn("{}", one_line(*line));
}

void Journal::tick() {
  const std::lock_guard lock{mutex_};
  const auto now = Clock::now();
  for (const auto& line : notices_.due(now)) info(line);
  for (const auto& line : complaints_.due(now)) spdlog::warn("{}", one_line(line));
}

}  // namespace dove::api
