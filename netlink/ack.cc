// NLMSG_ERROR: nlmsgerr { i32 -errno, nlmsghdr of the request }, then the request's payload unless
// the header says NLM_F_CAPPED, then, with NLM_F_ACK_TLVS, attributes. NLMSG_DONE: i32 -errno, then
// likewise attributes.
#include "netlink/ack.h"

#include <algorithm>
#include <limits>

namespace dove::netlink {
namespace {

std::optional<ByteView> words_of_error(const Message& message, const nlmsgerr& error) noexcept {
  std::size_t skip = sizeof(nlmsgerr);
  if ((message.flags() & NLM_F_CAPPED) == 0 && error.msg.nlmsg_len > sizeof(nlmsghdr))
    skip += align(error.msg.nlmsg_len) - sizeof(nlmsghdr);
  if (skip > message.payload().size()) return std::nullopt;
  return message.payload().subspan(skip);
}

std::string_view text_in(ByteView attributes) noexcept {
  const auto table = Attributes<NLMSGERR_ATTR_MAX>::parse(attributes);
  return table ? table->text(NLMSGERR_ATTR_MSG).value_or(std::string_view{}) : std::string_view{};
}

int positive(int error) noexcept {
  return error > 0 || error == std::numeric_limits<int>::min() ? 0 : -error;
}

}  // namespace

std::optional<Ack> decode_ack(const Message& message) noexcept {
  Ack ack{.sequence = message.sequence()};
  std::optional<ByteView> words;
  if (message.type() == NLMSG_ERROR) {
    const auto error = message.family<nlmsgerr>();
    if (!error) return std::nullopt;
    ack.error = positive(error->error);
    words = words_of_error(message, *error);
  } else if (message.type() == NLMSG_DONE) {
    const auto error = message.family<int>();
    ack.error = error ? positive(*error) : 0;
    words = message.attributes<int>();
  } else {
    return std::nullopt;
  }
  if ((message.flags() & NLM_F_ACK_TLVS) != 0 && words) ack.text = text_in(*words);
  return ack;
}

}  // namespace dove::netlink
