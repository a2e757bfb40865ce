// Messages of the other side, of an agent when the first byte is even, else of a controller. What
// the parsers let through survives being written and parsed again.
#include <google/protobuf/stubs/logging.h>

#include <cstdlib>

#include "api/convert.h"

namespace {

// The library would write a line about every string that is no UTF-8.
[[maybe_unused]] const auto kQuiet = google::protobuf::SetLogHandler(nullptr);

using namespace dove;

void must(bool condition) {
  if (!condition) std::abort();
}

void check(const v1::Keys& message) {
  std::vector<Key> keys;
  if (!api::parse_keys(message, keys)) return;
  v1::Keys written;
  api::add_keys(keys, &written);
  std::vector<Key> again;
  must(api::parse_keys(written, again).ok());
  must(again.size() == keys.size());
}

void check(const v1::FromAgent& message) {
  check(message.ask());
  check(message.forget());
  (void)api::parse_vtep(message.hello().vtep(), message.hello().vtep_port());
  const auto& announce = message.request().announce();
  (void)api::parse_vni(announce.vni());
  (void)api::parse_mac(announce.mac());
  (void)api::parse_ip(announce.ip());
}

void check(const v1::Bindings& message) {
  for (const auto& one : message.bindings()) {
    const auto binding = api::parse_binding(one, message.revision());
    if (!binding) continue;
    v1::Binding written;
    std::visit([&](const auto& b) { api::write(b, &written); }, *binding);
    const auto again = api::parse_binding(written, message.revision());
    must(again.ok());
    // The times of what was found are not carried.
    if (std::visit([](const auto& b) { return b.verdict; }, *binding) != Verdict::kFound)
      must(*again == *binding);
  }
}

void check(const v1::FromController& message) {
  check(message.bindings());
  for (const auto& one : message.hosts().hosts()) {
    const auto host = api::parse_host(one);
    if (!host) continue;
    v1::HostRecord written;
    api::write(*host, &written);
    const auto again = api::parse_host(written);
    must(again.ok() && *again == *host);
  }
  for (const auto& one : message.network().subnets()) {
    const auto subnet = api::parse_subnet(one);
    if (!subnet) continue;
    v1::Subnet written;
    api::write(*subnet, &written);
    const auto again = api::parse_subnet(written);
    must(again.ok() && *again == *subnet);
  }
  (void)api::parse_ips(message.lost().attachment().ips());
  (void)api::parse_problem(message.reply().problem());
}

template <class Message>
void parse(const std::uint8_t* data, std::size_t size) {
  Message message;
  if (message.ParseFromArray(data, static_cast<int>(size))) check(message);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  if (data[0] % 2 == 0)
    parse<v1::FromAgent>(data + 1, size - 1);
  else
    parse<v1::FromController>(data + 1, size - 1);
  return 0;
}
