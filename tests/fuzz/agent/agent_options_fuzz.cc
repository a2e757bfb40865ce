// A configuration file of doved: options, or one line that says what is wrong.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "agent/options.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dove::agent;
  const int file = ::memfd_create("config", MFD_CLOEXEC);
  if (::write(file, data, size) != static_cast<ssize_t>(size)) std::abort();
  const auto path = "/proc/self/fd/" + std::to_string(file);
  const char* const words[] = {"doved", "--config", path.c_str()};
  const auto parsed = parse_options(3, words);
  ::close(file);
  if (const auto* finish = std::get_if<Finish>(&parsed))
    if (finish->text.empty() || finish->text.back() != '\n') std::abort();
  return 0;
}
