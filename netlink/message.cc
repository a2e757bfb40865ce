// The layout these views walk (all in host order, every part padded to 4):
//
//   nlmsghdr { u32 len, u16 type, u16 flags, u32 seq, u32 pid } family header, attributes...
//   attribute = nlattr { u16 len, u16 type } payload
#include "netlink/message.h"

#include <algorithm>

namespace dove::netlink {

// mnl_nlmsg_ok() of libmnl 1.0.4 takes a length of 2^31 and more for negative and lets it pass, so
// this check is our own.
std::optional<Message> Message::next(ByteView& rest) noexcept {
  const auto header = load<nlmsghdr>(rest);
  if (!header || header->nlmsg_len < sizeof(nlmsghdr) || header->nlmsg_len > rest.size())
    return std::nullopt;
  Message message{*header, rest.subspan(sizeof(nlmsghdr), header->nlmsg_len - sizeof(nlmsghdr))};
  rest = rest.subspan(std::min(align(header->nlmsg_len), rest.size()));
  return message;
}

namespace {

struct Walk {
  std::span<const nlattr*> slots;
  const std::byte* end;  // of the last attribute, padding included
};

int keep(const nlattr* attribute, void* data) {
  Walk& walk = *static_cast<Walk*>(data);
  const std::uint16_t type = mnl_attr_get_type(attribute);
  if (type < walk.slots.size()) walk.slots[type] = attribute;
  walk.end = static_cast<const std::byte*>(mnl_attr_get_payload(attribute)) +
             align(mnl_attr_get_payload_len(attribute));
  return MNL_CB_OK;
}

}  // namespace

bool parse_attributes(ByteView bytes, std::span<const nlattr*> slots) noexcept {
  Walk walk{slots, bytes.data()};
  mnl_attr_parse_payload(bytes.data(), bytes.size(), keep, &walk);
  return walk.end >= bytes.data() + bytes.size();  // libmnl stops at a lie and does not say so
}

}  // namespace dove::netlink
