// Whatever the words are: no crash; stdout is empty unless all went well; with -j it is valid JSON;
// stderr is printable lines. The first byte chooses the form, the second the daemons' mood, the
// rest is a batch, each line of which may begin with options.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tests/fuzz/cli/outcome.h"

namespace dove::cli {
namespace {

// Things with names that only a broken daemon would send.
FakeBackend daemons(unsigned mood, std::string_view name) {
  FakeBackend backend;
  auto& endpoint = *backend.objects.emplace_back().mutable_endpoint();
  endpoint.set_name(std::string{name});
  endpoint.set_mac(std::string{name.substr(0, 6)});
  endpoint.add_ips(std::string{name.substr(0, 16)});
  auto& network = *backend.objects.emplace_back().mutable_network();
  network.set_name(std::string{name});
  network.add_subnets()->set_network(std::string{name.substr(0, 4)});
  backend.ports.emplace_back().set_dev(std::string{name});
  backend.fdb.emplace_back().set_mac(std::string{name.substr(0, 6)});
  backend.neighbours.emplace_back().set_ip(std::string{name.substr(0, 4)});
  auto& event = backend.events.emplace_back();
  event.set_kind(static_cast<v1::Event::Kind>(mood >> 4));
  event.mutable_port()->set_dev(std::string{name});
  backend.counters_reply.add_counters()->set_name(std::string{name});
  backend.status_reply.set_problem(std::string{name});
  *backend.change_reply.add_objects() = backend.objects.front();
  if ((mood & 1U) != 0) backend.failure = Error{ErrorCode::kUnavailable, std::string{name}};
  return backend;
}

void run_words(std::span<const std::string> words, const Format& format, FakeBackend& backend) {
  const Capture out;
  const Capture err;
  Printer printer{format, out.file()};
  Session session{.backend = backend, .printer = printer, .echo = true};
  const auto exit = run(words, session, err.file());
  // monitor has printed what came before the daemon's end.
  const bool streams = !words.empty() && words[0].starts_with('m');
  check_outcome({exit, out.text(), err.text()}, format, streams);
}

void run_all(std::string_view text, unsigned form, unsigned mood) {
  std::string bytes{text};
  std::FILE* const file = ::fmemopen(bytes.data(), bytes.size(), "r");
  must(file != nullptr);
  auto backend = daemons(mood, text.substr(0, 40));
  BatchReader reader{file};
  for (;;) {
    const auto line = reader.next();
    if (!line || !*line) break;
    const auto words = split((*line)->text);
    if (!words) continue;
    std::span<const std::string> rest{*words};
    const auto options = parse_options(rest);
    if (!options) continue;
    auto format = format_of(*options, {});
    format.json = format.json || (form & 1U) != 0;
    format.pretty = format.pretty || (form & 2U) != 0;
    format.brief = format.brief || (form & 4U) != 0;
    format.oneline = format.oneline || (form & 8U) != 0;
    format.color = false;
    run_words(rest, format, backend);
  }
  std::fclose(file);
}

}  // namespace
}  // namespace dove::cli

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  dove::cli::run_all({reinterpret_cast<const char*>(data) + 2, size - 2}, data[0], data[1]);
  return 0;
}
