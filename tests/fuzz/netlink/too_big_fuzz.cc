// What anybody sends as an ICMPv6 Packet Too Big: no crash; what is told is of a packet from the
// own address, and of nobody else's. The same is tried as of a packet of whoever is in it as its
// source, which a fuzzer does not guess.
#include <vector>

#include "netlink/too_big_socket.h"
#include "tests/fuzz/netlink/datagram.h"

namespace dove::netlink::fuzz {
namespace {

constexpr std::size_t kLength = 8 + 40 + 8;  // ICMPv6, IPv6, UDP
constexpr std::size_t kSource = 8 + 8, kDestination = 8 + 24;

void read(ByteView message, const IpAddress& own) {
  const auto told = parse_too_big(message, own);
  if (!told) return;
  must(message.size() >= kLength && message[0] == std::byte{2});
  must(IpAddress::from_wire(message.subspan(kSource, 16)) == own);
  must(IpAddress::from_wire(message.subspan(kDestination, 16)) == told->to.address);
  must(parse_too_big(message.first(kLength), own) == told);
  must(!parse_too_big(message.first(kLength - 1), own));
  std::vector<std::byte> other{own.wire().begin(), own.wire().end()};
  other.back() ^= std::byte{1};
  must(!parse_too_big(message, *IpAddress::from_wire(other)));
}

}  // namespace
}  // namespace dove::netlink::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dove::netlink;
  const fuzz::Datagram datagram{data, size};
  const auto bytes = datagram.bytes();
  fuzz::read(bytes, *dove::IpAddress::parse("2001:db8::1"));
  if (size < fuzz::kSource + 16) return 0;
  if (const auto source = dove::IpAddress::from_wire(bytes.subspan(fuzz::kSource, 16)))
    fuzz::read(bytes, *source);
  return 0;
}
