// Runs command lines, one or a batch of them, and tells the outcome as an exit status.
#pragma once

#include <cstdio>
#include <span>
#include <string>

#include "cli/object.h"

namespace dove::cli {

enum class Exit : int { kDone = 0, kWrong = 1, kRefused = 2 };

// Results on the session's printer, at most one line on `err`.
Exit run(std::span<const std::string> words, Session& session, std::FILE* err);

struct Batch {
  std::FILE* file;
  std::string name;    // for messages
  bool force = false;  // go on after a failure
};
// Stops at the first command that fails, with its status; with `force` runs all and ends with
// kWrong when one failed.
Exit run_batch(const Batch& batch, Session& session, std::FILE* err);

}  // namespace dove::cli
