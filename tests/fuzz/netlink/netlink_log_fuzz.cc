// Whatever comes by netfilter's sockets, packet log and changes of tables: no crash, and every byte that a view shows may be read.
#include "netlink/log.h"
#include "netlink/ruleset_monitor.h"
#include "tests/fuzz/netlink/datagram.h"

namespace dove::netlink::fuzz {
namespace {

unsigned sum(ByteView bytes) {
  unsigned total = 0;
  for (const std::byte byte : bytes) total += std::to_integer<unsigned>(byte);
  return total;
}

}  // namespace
}  // namespace dove::netlink::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dove::netlink;
  const fuzz::Datagram datagram{data, size};
  ByteView rest = datagram.bytes();
  volatile unsigned total = 0;
  while (const auto message = Message::next(rest)) {
    total = total + (changes_table(*message, "dove") ? 1U : 0U);
    const auto packet = decode_logged(*message);
    if (!packet) continue;
    fuzz::must(packet->payload.size() <= size && packet->link_header.size() <= size);
    total = total + fuzz::sum(packet->payload) + fuzz::sum(packet->link_header) +
            fuzz::sum(std::as_bytes(std::span{packet->prefix}));
  }
  return 0;
}
