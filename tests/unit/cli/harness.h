// One command line run against the fake daemons, with what it printed.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "cli/batch.h"
#include "cli/options.h"
#include "cli/run.h"
#include "tests/unit/cli/fake_backend.h"

namespace dove::cli {

// A FILE that ends in a string.
class Capture {
 public:
  Capture() : file_{::open_memstream(&bytes_, &size_)} {}
  ~Capture() {
    std::fclose(file_);
    std::free(bytes_);
  }
  Capture(const Capture&) = delete;
  Capture& operator=(const Capture&) = delete;

  std::FILE* file() const noexcept { return file_; }
  std::string text() const {
    std::fflush(file_);
    return {bytes_, size_};
  }

 private:
  char* bytes_ = nullptr;
  std::size_t size_ = 0;
  std::FILE* file_;
};

struct Outcome {
  Exit exit;
  std::string out;
  std::string err;
};

// `line` is split as a batch's line is; its options are honoured, -batch apart.
inline Outcome run_line(FakeBackend& backend, std::string_view line,
                        const Surroundings& surroundings = {}) {
  const auto words = split(line);
  std::span<const std::string> rest{words.value()};
  const auto options = parse_options(rest);
  if (!options) return {Exit::kWrong, {}, options.error().message + "\n"};
  const Capture out;
  const Capture err;
  Printer printer{format_of(*options, surroundings), out.file()};
  Session session{.backend = backend,
                  .printer = printer,
                  .echo = options->echo,
                  .timestamps = options->timestamps,
                  .statistics = options->statistics > 0,
                  .wait = options->wait};
  const auto exit = run(rest, session, err.file());
  return {exit, out.text(), err.text()};
}

}  // namespace dove::cli
