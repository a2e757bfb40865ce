#include "cli/batch.h"

#include "tests/catch.h"
#include "tests/unit/cli/harness.h"

namespace dove::cli {
namespace {

using Split = std::vector<std::string>;

class Input {
 public:
  explicit Input(std::string text)
      : text_{std::move(text)}, file_{::fmemopen(text_.data(), text_.size(), "r")} {}
  ~Input() { std::fclose(file_); }
  Input(const Input&) = delete;
  Input& operator=(const Input&) = delete;
  std::FILE* file() const noexcept { return file_; }

 private:
  std::string text_;
  std::FILE* file_;
};

std::vector<std::pair<std::size_t, std::string>> lines(const std::string& text) {
  const Input input{text};
  BatchReader reader{input.file()};
  std::vector<std::pair<std::size_t, std::string>> out;
  for (;;) {
    const auto line = reader.next();
    REQUIRE(line.ok());
    if (!*line) return out;
    out.emplace_back((*line)->number, (*line)->text);
  }
}

Outcome run_text(FakeBackend& backend, const std::string& text, bool force, Format format = {}) {
  const Input input{text};
  const Capture out;
  const Capture err;
  Printer printer{format, out.file()};
  Session session{.backend = backend, .printer = printer};
  const auto exit = run_batch({input.file(), "commands", force}, session, err.file());
  return {exit, out.text(), err.text()};
}

}  // namespace

TEST_CASE("words of a line", "[cli]") {
  CHECK(*split("tenant add red") == Split{"tenant", "add", "red"});
  CHECK(*split("  a\t b  ") == Split{"a", "b"});
  CHECK(split("")->empty());
  CHECK(split("   ")->empty());
  CHECK(split("# all of it")->empty());
  CHECK(*split("a # b c") == Split{"a"});
  CHECK(*split("a#b") == Split{"a#b"});
  CHECK(*split("'a b' \"c d\" e' 'f") == Split{"a b", "c d", "e f"});
  CHECK(*split("'#' \"it's\"") == Split{"#", "it's"});
  CHECK(*split("\"\" ''") == Split{"", ""});
  CHECK(*split("a\\b") == Split{"a\\b"});
  CHECK(*split("a\r") == Split{"a"});
  CHECK(split("'a").error().message == "Error: the quote ' is not closed");
  CHECK(split("a\"b c").error().message == "Error: the quote \" is not closed");
}

TEST_CASE("lines, continued and not", "[cli]") {
  CHECK(lines("a\nb\n") == std::vector<std::pair<std::size_t, std::string>>{{1, "a"}, {2, "b"}});
  CHECK(lines("a\nb") == std::vector<std::pair<std::size_t, std::string>>{{1, "a"}, {2, "b"}});
  CHECK(lines("a \\\n b\nc\n") ==
        std::vector<std::pair<std::size_t, std::string>>{{1, "a  b"}, {3, "c"}});
  CHECK(lines("a\\\n\\\nb\nc") ==
        std::vector<std::pair<std::size_t, std::string>>{{1, "ab"}, {4, "c"}});
  CHECK(lines("a \\") == std::vector<std::pair<std::size_t, std::string>>{{1, "a "}});
  CHECK(lines("# a \\\nb\n") ==
        std::vector<std::pair<std::size_t, std::string>>{{1, "# a \\"}, {2, "b"}});
  CHECK(lines("\n\na\n") ==
        std::vector<std::pair<std::size_t, std::string>>{{1, ""}, {2, ""}, {3, "a"}});
  const std::string longline(10000, 'x');
  CHECK(lines(longline + "\nb").at(1) == std::pair<std::size_t, std::string>{2, "b"});
}

TEST_CASE("a NUL or a carriage return in a batch harms nothing", "[cli]") {
  FakeBackend backend;
  CHECK(run_text(backend, "tenant add red\r\ntenant add blue\r\n", false).exit == Exit::kDone);
  CHECK(backend.operations.size() == 2);
  const auto outcome = run_text(backend, std::string("tenant add a\0b\ntenant add c\n", 28), true);
  CHECK(outcome.exit == Exit::kWrong);
  CHECK(outcome.err.find("commands:1") != std::string::npos);
  CHECK(backend.operations.back().tenant_add().name() == "c");
}

TEST_CASE("a batch runs in order", "[cli]") {
  FakeBackend backend;
  const auto outcome = run_text(backend,
                                "# set up\n\ntenant add red  # first\nnetwork add web \\\n"
                                "  tenant red\n",
                                false);
  CHECK(outcome.exit == Exit::kDone);
  CHECK(outcome.err.empty());
  REQUIRE(backend.operations.size() == 2);
  CHECK(backend.operations[1].network_add().tenant() == "red");
}

TEST_CASE("a batch stops at the first failure, by its line and with its status", "[cli]") {
  FakeBackend backend;
  const auto wrong =
      run_text(backend, "tenant add red\n\nnetwork \\\n frob\ntenant add b\n", false);
  CHECK(wrong.exit == Exit::kWrong);
  CHECK(wrong.err ==
        "Command \"frob\" is unknown, try \"dovectl network help\".\nCommand failed commands:3\n");
  CHECK(backend.operations.size() == 1);
  backend.failure = Error{ErrorCode::kExists, "tenant \"red\" exists"};
  const auto refused = run_text(backend, "tenant add red\ntenant add b\n", false);
  CHECK(refused.exit == Exit::kRefused);
  CHECK(refused.err == "Error: tenant \"red\" exists\nCommand failed commands:1\n");
  CHECK(run_text(backend, "'tenant\n", false).exit == Exit::kWrong);
}

TEST_CASE("-force goes on and ends with 1", "[cli]") {
  FakeBackend backend;
  const auto outcome = run_text(backend, "frob\ntenant add red\nhost set kvm1\n", true);
  CHECK(outcome.exit == Exit::kWrong);
  CHECK(backend.operations.size() == 1);
  CHECK(outcome.err.find("Command failed commands:1\n") != std::string::npos);
  CHECK(outcome.err.find("Command failed commands:3\n") != std::string::npos);
}

TEST_CASE("in JSON each command of a batch prints an array of its own", "[cli]") {
  FakeBackend backend;
  CHECK(run_text(backend, "tenant show\ntenant add a\nport show\n", false, {.json = true}).out ==
        "[]\n[]\n");
}

}  // namespace dove::cli
