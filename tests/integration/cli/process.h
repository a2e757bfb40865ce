// The real programs, run as a script runs them.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

namespace dove::test {

struct Finished {
  int code = -1;  // the exit status; -1 when it was killed
  std::string out;
  std::string err;
};

using Environment = std::vector<std::string>;  // "NAME=VALUE", beside what the test has

// Runs `argv` to its end, or kills it after 30 s.
Finished run(const std::vector<std::string>& argv, std::string_view input = {},
             const Environment& environment = {});

// dovectl with the words of `line`, split at blanks.
Finished dovectl(const std::string& line, std::string_view input = {},
                 const Environment& environment = {});

// A program in the background; killed and reaped when this goes.
class Daemon {
 public:
  explicit Daemon(const std::vector<std::string>& argv);
  ~Daemon();
  Daemon(const Daemon&) = delete;
  Daemon& operator=(const Daemon&) = delete;

  void signal(int number) const;
  std::string out() const;  // all it has printed on stdout so far

 private:
  int out_;
  pid_t pid_;
};

// A directory of this test's own, removed with all in it.
class Directory {
 public:
  Directory();
  ~Directory();
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  std::string file(std::string_view name) const { return path_ + "/" + std::string{name}; }

 private:
  std::string path_;
};

}  // namespace dove::test
