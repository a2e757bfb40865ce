// Daemons that answer whatever they like: dovectl prints lines that no terminal takes for a
// command, or valid JSON. The first byte chooses the form, the second the kind of answer, which is
// the rest.
#include <google/protobuf/stubs/logging.h>

#include "tests/fuzz/cli/outcome.h"

namespace dove::cli {
namespace {

// The library would write a line about every string that is no UTF-8.
[[maybe_unused]] const auto kQuiet = google::protobuf::SetLogHandler(nullptr);

template <class Message>
void take(std::string_view bytes, std::vector<Message>& list) {
  Message message;
  if (message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) list.push_back(message);
}
template <class Message>
void take(std::string_view bytes, Message& message) {
  if (!message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) message.Clear();
}

struct Question {
  const char* words;
  void (*answer)(std::string_view bytes, FakeBackend& backend);
};
constexpr Question kQuestions[] = {
    {"tenant show", [](auto bytes, auto& backend) { take(bytes, backend.objects); }},
    {"network show", [](auto bytes, auto& backend) { take(bytes, backend.objects); }},
    {"endpoint show", [](auto bytes, auto& backend) { take(bytes, backend.objects); }},
    {"policy show", [](auto bytes, auto& backend) { take(bytes, backend.objects); }},
    {"host show", [](auto bytes, auto& backend) { take(bytes, backend.objects); }},
    {"-echo endpoint add e network n",
     [](auto bytes, auto& backend) { take(bytes, backend.change_reply); }},
    {"port show", [](auto bytes, auto& backend) { take(bytes, backend.ports); }},
    {"-echo port add tap0 endpoint e",
     [](auto bytes, auto& backend) { take(bytes, backend.ports); }},
    {"fdb show", [](auto bytes, auto& backend) { take(bytes, backend.fdb); }},
    {"neighbour show", [](auto bytes, auto& backend) { take(bytes, backend.neighbours); }},
    {"monitor", [](auto bytes, auto& backend) { take(bytes, backend.events); }},
    {"status", [](auto bytes, auto& backend) { take(bytes, backend.status_reply); }},
    {"counters", [](auto bytes, auto& backend) { take(bytes, backend.counters_reply); }},
    {"check", [](auto bytes, auto& backend) { take(bytes, backend.check_reply); }}};

constexpr const char* kForms[] = {"",          "-json ",    "-json -pretty ",       "-brief ",
                                  "-oneline ", "-details ", "-statistics -details "};

void ask(const Question& question, std::string_view form, std::string_view bytes) {
  FakeBackend backend;
  question.answer(bytes, backend);
  const auto outcome = run_line(backend, std::string{form} + question.words);
  const Format format{.json = form.starts_with("-json")};
  // What a check finds is a failure without an error.
  if (question.words != std::string_view{"check"})
    check_outcome(outcome, format, question.words == std::string_view{"monitor"});
  else if (!format.json)
    check_lines(outcome.out);
}

}  // namespace
}  // namespace dove::cli

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dove::cli;
  if (size < 2) return 0;
  ask(kQuestions[data[1] % std::size(kQuestions)], kForms[data[0] % std::size(kForms)],
      {reinterpret_cast<const char*>(data) + 2, size - 2});
  return 0;
}
