#include "cli/run.h"

#include <fmt/format.h>

#include "cli/batch.h"
#include "cli/text.h"

namespace dove::cli {
namespace {

Exit tell(std::FILE* err, Exit exit, std::string_view line) {
  fmt::print(err, "{}\n", line);
  return exit;
}

Exit run_line(const BatchLine& line, Session& session, std::FILE* err) {
  const auto words = split(line.text);
  if (!words) return tell(err, Exit::kWrong, words.error().message);
  return words->empty() ? Exit::kDone : run(*words, session, err);
}

}  // namespace

Exit run(std::span<const std::string> words, Session& session, std::FILE* err) {
  const auto action = parse_command(words);
  if (!action) return tell(err, Exit::kWrong, action.error().message);
  const auto done = (*action)(session);
  if (done) return Exit::kDone;
  session.printer.discard();
  return tell(err, Exit::kRefused, fmt::format("Error: {}", printable(done.error().message)));
}

Exit run_batch(const Batch& batch, Session& session, std::FILE* err) {
  BatchReader reader{batch.file};
  Exit outcome = Exit::kDone;
  for (;;) {
    const auto line = reader.next();
    if (!line)
      return tell(err, Exit::kWrong,
                  fmt::format("Error: {}: {}", printable(batch.name), line.error().message));
    if (!*line) return outcome;
    const auto exit = run_line(**line, session, err);
    if (exit == Exit::kDone) continue;
    tell(err, exit, fmt::format("Command failed {}:{}", printable(batch.name), (*line)->number));
    if (!batch.force) return exit;
    outcome = Exit::kWrong;
  }
}

}  // namespace dove::cli
