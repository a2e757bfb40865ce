// Requests to doved as anybody with its socket may send them: what passes the door is short, and
// safe in a path, a rule and a line. The first byte chooses the request.
#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <string>

#include "agent/local_request.h"
#include "tests/fuzz/agent/must.h"

namespace dove::agent::fuzz {
namespace {

// The library would write a line about every string that is no UTF-8.
[[maybe_unused]] const auto kQuiet = google::protobuf::SetLogHandler(nullptr);

bool is_safe(const std::string& word, std::size_t limit) {
  return word.size() <= limit && word != "." && word != ".." &&
         std::none_of(word.begin(), word.end(), [](char c) {
           return c <= ' ' || c == '/' || c == '"' || c == '\\' || c == ';' || c == 0x7f;
         });
}

void judge(const v1::PortAddRequest& request) {
  must(is_safe(request.dev(), 15) && is_safe(request.endpoint(), 63) &&
       is_safe(request.network(), 63));
}
void judge(const v1::PortDelRequest& request) { must(is_safe(request.dev(), 15)); }
void judge(const v1::PortShowRequest& request) { must(is_safe(request.dev(), 15)); }
template <class Request>
void judge(const Request& request) {
  must(is_safe(request.network(), 63));
}

template <class Request>
void read(const std::uint8_t* data, std::size_t size) {
  Request request;
  if (!request.ParseFromArray(data, static_cast<int>(size))) return;
  const auto status = check_request(request);
  if (status) return judge(request);
  must(status.error().message.size() < 512);
}

}  // namespace
}  // namespace dove::agent::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dove;
  using namespace dove::agent::fuzz;
  if (size == 0) return 0;
  constexpr void (*kReaders[])(const std::uint8_t*, std::size_t) = {
      read<v1::PortAddRequest>, read<v1::PortDelRequest>, read<v1::PortShowRequest>,
      read<v1::NetworkName>,    read<v1::TableRequest>,   read<v1::CheckRequest>};
  kReaders[data[0] % std::size(kReaders)](data + 1, size - 1);
  return 0;
}
