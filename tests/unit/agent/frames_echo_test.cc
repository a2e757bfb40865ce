#include "agent/frames/bytes.h"
#include "agent/frames/echo.h"
#include "tests/catch.h"
#include "tests/unit/agent/hex.h"
#include "tests/unit/agent/kernel_frames.h"

namespace dove::agent {
namespace {

using Frame = std::vector<std::byte>;

Frame changed(const char* text, std::size_t at, int value) {
  auto frame = hex(text);
  frame[at] = static_cast<std::byte>(value);
  return frame;
}

TEST_CASE("echo: an IPv4 reply is the kernel's but for its id and fragment flags") {
  const auto reply = build_echo_reply(hex(kernel::kEchoRequest));
  REQUIRE(reply);
  auto expected = hex(kernel::kEchoReply);
  const ByteView got{*reply};
  CHECK(checksum_fold(checksum_add(0, got.subspan(14, 20))) == 0);
  for (const std::size_t at : {18U, 20U, 24U}) put16(expected, at, get16(got, at));
  CHECK(to_hex(*reply) == to_hex(expected));
}

TEST_CASE("echo: an IPv6 reply is the kernel's but for its flow label") {
  const auto reply = build_echo_reply(hex(kernel::kEchoRequest6));
  REQUIRE(reply);
  auto expected = hex(kernel::kEchoReply6);
  put_bytes(expected, 14, ByteView{*reply}.subspan(14, 4));
  CHECK(to_hex(*reply) == to_hex(expected));
}

TEST_CASE("echo: padding behind the packet is not sent back") {
  auto padded = hex(kernel::kEchoRequest);
  const auto size = padded.size();
  padded.resize(size + 10);
  CHECK(build_echo_reply(padded)->size() == size);
}

TEST_CASE("echo: whatever else it is, it is not answered") {
  CHECK_FALSE(build_echo_reply(hex(kernel::kEchoReply)));
  CHECK_FALSE(build_echo_reply(hex(kernel::kEchoReply6)));
  CHECK_FALSE(build_echo_reply(hex(kernel::kArpRequest)));
  CHECK_FALSE(build_echo_reply(changed(kernel::kEchoRequest, 14, 0x46)));   // options
  CHECK_FALSE(build_echo_reply(changed(kernel::kEchoRequest, 20, 0x20)));   // more fragments
  CHECK_FALSE(build_echo_reply(changed(kernel::kEchoRequest, 21, 1)));      // a later fragment
  CHECK_FALSE(build_echo_reply(changed(kernel::kEchoRequest, 23, 17)));     // UDP
  CHECK_FALSE(build_echo_reply(changed(kernel::kEchoRequest, 26, 224)));    // from a group
  CHECK_FALSE(build_echo_reply(changed(kernel::kEchoRequest, 35, 1)));      // a code
  CHECK_FALSE(build_echo_reply(changed(kernel::kEchoRequest6, 20, 0)));     // hop-by-hop
  CHECK_FALSE(build_echo_reply(changed(kernel::kEchoRequest6, 22, 0xff)));  // from a group
}

TEST_CASE("echo: cut off anywhere it is not answered") {
  for (const auto* text : {kernel::kEchoRequest, kernel::kEchoRequest6}) {
    const auto whole = hex(text);
    for (std::size_t size = 0; size < whole.size(); ++size)
      CHECK_FALSE(build_echo_reply(ByteView{whole}.first(size)));
  }
}

}  // namespace
}  // namespace dove::agent
