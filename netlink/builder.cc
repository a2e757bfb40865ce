#include "netlink/builder.h"

#include <cstring>

namespace dove::netlink {
namespace {

// An attribute's length, header included, is 16 bits.
constexpr std::size_t kPayloadLimit = 0xffff - sizeof(nlattr);

}  // namespace

Builder::Builder(std::span<std::byte> buffer, std::uint16_t type, std::uint16_t flags,
                 std::uint32_t sequence) noexcept
    : buffer_{buffer}, failed_{buffer.size() < MNL_NLMSG_HDRLEN} {
  if (failed_) return;
  header_ = mnl_nlmsg_put_header(buffer_.data());
  header_->nlmsg_type = type;
  header_->nlmsg_flags = flags;
  header_->nlmsg_seq = sequence;
}

Builder& Builder::append_header(ByteView bytes) noexcept {
  failed_ = failed_ || header_->nlmsg_len + align(bytes.size()) > buffer_.size();
  if (!failed_)
    std::memcpy(mnl_nlmsg_put_extra_header(header_, bytes.size()), bytes.data(), bytes.size());
  return *this;
}

Builder& Builder::put(std::uint16_t type, ByteView payload) noexcept {
  failed_ = failed_ || payload.size() > kPayloadLimit;
  failed_ =
      failed_ || !mnl_attr_put_check(header_, buffer_.size(), type, payload.size(), payload.data());
  return *this;
}

Builder& Builder::put(std::uint16_t type, std::string_view text) noexcept {
  failed_ = failed_ || text.size() >= kPayloadLimit ||
            header_->nlmsg_len + sizeof(nlattr) + align(text.size() + 1) > buffer_.size();
  if (failed_) return *this;
  nlattr* const attribute = mnl_attr_nest_start(header_, type);
  attribute->nla_type = type;
  char* const out = static_cast<char*>(mnl_attr_get_payload(attribute));
  std::memset(out, 0, align(text.size() + 1));
  std::memcpy(out, text.data(), text.size());
  attribute->nla_len = static_cast<std::uint16_t>(sizeof(nlattr) + text.size() + 1);
  header_->nlmsg_len += static_cast<std::uint32_t>(align(text.size() + 1));
  return *this;
}

Builder& Builder::begin_nest(std::uint16_t type) noexcept {
  failed_ = failed_ || depth_ == kNests;
  if (failed_) return *this;
  nests_[depth_] = mnl_attr_nest_start_check(header_, buffer_.size(), type);
  failed_ = nests_[depth_++] == nullptr;
  return *this;
}

Builder& Builder::end_nest() noexcept {
  failed_ = failed_ || depth_ == 0;
  if (!failed_) mnl_attr_nest_end(header_, nests_[--depth_]);
  return *this;
}

Builder& Builder::replace_with(const nlmsghdr& message, std::uint16_t flags) noexcept {
  failed_ = failed_ || message.nlmsg_len < sizeof(nlmsghdr) || message.nlmsg_len > buffer_.size();
  if (failed_) return *this;
  const std::uint32_t sequence = header_->nlmsg_seq;
  std::memcpy(header_, &message, message.nlmsg_len);
  header_->nlmsg_seq = sequence;
  header_->nlmsg_pid = 0;
  header_->nlmsg_flags |= flags;
  return *this;
}

std::uint32_t Builder::sequence() const noexcept { return header_ ? header_->nlmsg_seq : 0; }

std::optional<ByteView> Builder::finish() noexcept {
  if (failed_ || depth_ != 0) return std::nullopt;
  return buffer_.first(header_->nlmsg_len);
}

}  // namespace dove::netlink
