// dovectl: from the words and the environment to one run, and its exit status.
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "cli/backend.h"
#include "cli/options.h"
#include "cli/run.h"
#include "cli/text.h"

namespace dove::cli {
namespace {

constexpr const char* kDefaultController = "unix:/run/dove/controller.sock";
constexpr const char* kDefaultSocket = "/run/dove/doved.sock";

std::string environment(const char* name, const char* otherwise) {
  const char* const value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : otherwise;
}

Result<std::vector<api::Address>> controllers(const Options& options) {
  auto addresses = api::parse_address_list(
      options.controller.value_or(environment("DOVE_CONTROLLER", kDefaultController)));
  if (!addresses) return addresses;
  for (const auto& address : *addresses)
    if (const auto allowed = api::check_plaintext(address, options.insecure); !allowed)
      return allowed.error();
  return addresses;
}

Result<api::Address> doved(const Options& options) {
  const auto path = options.socket.value_or(environment("DOVED_SOCKET", kDefaultSocket));
  return api::parse_address(path.starts_with("unix:") ? path : "unix:" + path);
}

Surroundings surroundings() {
  const char* const colors = std::getenv("COLORFGBG");
  return {.terminal = ::isatty(STDOUT_FILENO) != 0,
          .no_color = !environment("NO_COLOR", "").empty(),
          .colorfgbg = colors != nullptr ? colors : ""};
}

Exit fail(Exit exit, std::string_view line) {
  fmt::print(stderr, "{}\n", line);
  return exit;
}

Exit print_version(const Options& options) {
  Printer printer{format_of(options, surroundings()), stdout};
  printer.text("version", options.json ? DOVE_VERSION : "dovectl utility, dove-" DOVE_VERSION "\n");
  const auto printed = printer.finish();
  return printed ? Exit::kDone : fail(Exit::kRefused, "Error: " + printed.error().message);
}

Exit run_file(const std::string& name, bool force, Session& session) {
  using File = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;
  if (name == "-") return run_batch({stdin, name, force}, session, stderr);
  const File file{std::fopen(name.c_str(), "re"), &std::fclose};
  if (!file)
    return fail(Exit::kWrong, fmt::format("Cannot open file \"{}\" for reading: {}",
                                          printable(name), std::strerror(errno)));
  return run_batch({file.get(), name, force}, session, stderr);
}

// The backend is the caller's, who decides whether it is ever taken down.
Exit run(const Options& options, std::span<const std::string> words,
         std::unique_ptr<Backend>& backend) {
  auto controller_addresses = controllers(options);
  // What the environment says concerns only those who need a controller.
  if (!controller_addresses && options.controller)
    return fail(Exit::kWrong, "Error: " + printable(controller_addresses.error().message));
  auto doved_address = doved(options);
  if (!doved_address)
    return fail(Exit::kWrong, "Error: " + printable(doved_address.error().message));
  backend = make_backend({std::move(controller_addresses), *std::move(doved_address)});
  Printer printer{format_of(options, surroundings()), stdout};
  Session session{.backend = *backend,
                  .printer = printer,
                  .echo = options.echo,
                  .timestamps = options.timestamps,
                  .statistics = options.statistics > 0,
                  .wait = options.wait};
  return options.batch ? run_file(*options.batch, options.force, session)
                       : cli::run(words, session, stderr);
}

Exit start(std::span<const std::string> words, std::unique_ptr<Backend>& backend) {
  const auto options = parse_options(words);
  if (!options) return fail(Exit::kWrong, options.error().message);
  if (options->version) return print_version(*options);
  if (options->batch && !words.empty())
    return fail(Exit::kWrong, wrong_argument(words.front(), "-batch takes no command").message);
  static const std::vector<std::string> kHelp{"help"};
  return run(*options, options->help ? std::span<const std::string>{kHelp} : words, backend);
}

}  // namespace
}  // namespace dove::cli

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);
  std::unique_ptr<dove::cli::Backend> backend;
  const auto exit = dove::cli::start(words, backend);
  std::fflush(nullptr);
  // With the connection still open: to take gRPC down in good order costs more than the command
  // did.
  ::_exit(static_cast<int>(exit));
}
