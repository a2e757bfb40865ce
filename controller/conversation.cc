#include "controller/conversation.h"

#include <fmt/format.h>

#include <utility>

#include "controller/plan.h"
#include "core/name.h"

namespace dove::controller {
namespace {

// What an agent says at once at most. Ours say much less; what is longer would hold up everybody
// else while it is looked at.
constexpr std::size_t kKeysPerMessage = 16384;
constexpr std::size_t kIpsPerGuest = 1024;
constexpr std::size_t kHelloText = 255;  // of a version or a boot's id
constexpr std::size_t kProblemText = 1024;

Error too_much(std::string_view what, std::size_t limit) {
  return {ErrorCode::kInvalid, fmt::format("more than {} {} in one message", limit, what)};
}

Result<Hello> parse_hello(const v1::Hello& message) {
  if (message.protocol() != api::kProtocol)
    return Error{ErrorCode::kInvalid, fmt::format("protocol {} is unknown, expected {}",
                                                  message.protocol(), api::kProtocol)};
  if (auto name = check_name("host name", message.host()); !name) return name.error();
  if (message.boot_id().size() > kHelloText || message.version().size() > kHelloText)
    return Error{ErrorCode::kInvalid,
                 fmt::format("a boot's id or a version has more than {} bytes", kHelloText)};
  const auto vtep = api::parse_vtep(message.vtep(), message.vtep_port());
  if (!vtep) return vtep.error();
  if (message.store_id().size() > kHelloText || message.opening().size() > kHelloText)
    return Error{
        ErrorCode::kInvalid,
        fmt::format("the id of a store or of its opening has more than {} bytes", kHelloText)};
  return Hello{message.host(),     *vtep,
               message.boot_id(),  message.version(),
               message.store_id(), message.opening(),
               message.revision()};
}

// A guest that was heard: of either message that names one.
template <class Message>
Status check_guest(const Message& message) {
  if (static_cast<std::size_t>(message.ips_size()) > kIpsPerGuest)
    return too_much("addresses of a guest", kIpsPerGuest);
  if (!api::parse_mac(message.mac()) || !api::parse_ips(message.ips()))
    return Error{ErrorCode::kInvalid, "a guest has a MAC of 6 and IPs of 4 or 16 bytes"};
  const auto vni = api::parse_vni(message.vni());
  return vni ? Status{} : Status{vni.error()};
}

Status check_keys(const v1::Keep& keep) {
  std::size_t count = 0;
  for (const auto& set : keep.sets()) {
    count += 1 + static_cast<std::size_t>(set.macs_size());
    if (count > 2 * kDynamicPerHost) return too_much("guests", 2 * kDynamicPerHost);
    if (const auto vni = api::parse_vni(set.vni()); !vni) return vni.error();
    for (const auto& mac : set.macs())
      if (!api::parse_mac(mac)) return Error{ErrorCode::kInvalid, "a MAC has 6 bytes"};
  }
  return {};
}

// Is it a request at all, or malformed? Whether it can be granted is the registry's question.
Status check_form(const v1::Request& request) {
  const auto network_status = [](std::uint32_t raw) -> Status {
    const auto vni = api::parse_vni(raw);
    return vni ? Status{} : Status{vni.error()};
  };
  if (request.has_leave()) return network_status(request.leave().vni());
  if (request.has_join() && request.join().network().empty())
    return network_status(request.join().vni());
  if (request.has_learn()) return check_guest(request.learn());
  if (request.has_unlearn()) return check_guest(request.unlearn());
  if (request.has_keep()) return check_keys(request.keep());
  if (request.has_audit() && request.audit().vni() != 0)
    return network_status(request.audit().vni());
  if (!request.has_announce()) return {};
  const auto& announce = request.announce();
  if (!api::parse_mac(announce.mac()) || !api::parse_ip(announce.ip()))
    return Error{ErrorCode::kInvalid, "an announcement has a MAC of 6 and an IP of 4 or 16 bytes"};
  return network_status(announce.vni());
}

Result<std::vector<MacAddress>> parse_group_macs(
    const google::protobuf::RepeatedPtrField<std::string>& list) {
  std::vector<MacAddress> macs;
  for (const auto& bytes : list) {
    const auto mac = api::parse_mac(bytes);
    if (!mac || !mac->is_multicast())
      return Error{ErrorCode::kInvalid, "a group is a multicast MAC of 6 bytes"};
    macs.push_back(*mac);
  }
  return macs;
}

Result<GroupListeners::Word> parse_groups(const v1::Groups& message) {
  const auto vni = api::parse_vni(message.vni());
  if (!vni) return vni.error();
  if (static_cast<std::size_t>(message.add_size() + message.remove_size()) > kKeysPerMessage)
    return too_much("groups", kKeysPerMessage);
  auto add = parse_group_macs(message.add());
  if (!add) return add.error();
  auto remove = parse_group_macs(message.remove());
  if (!remove) return remove.error();
  return GroupListeners::Word{*vni, message.full(), *std::move(add), *std::move(remove)};
}

}  // namespace

Status Conversation::hear(const v1::FromAgent& message) {
  if (message.has_hello()) return hear(message.hello());
  if (!admitted_) return Error{ErrorCode::kInvalid, "expected hello as the first message"};
  switch (message.message_case()) {
    case v1::FromAgent::kAsk:
      return hear_ask(message.ask());
    case v1::FromAgent::kForget:
      return hear_forget(message.forget());
    case v1::FromAgent::kApplied:
      return hear(message.applied());
    case v1::FromAgent::kKnowsHosts:
      sessions_.knows_hosts(peer_, message.knows_hosts().revision());
      return {};
    case v1::FromAgent::kRequest:
      return hear(message.request());
    case v1::FromAgent::kGroups:
      return hear(message.groups());
    case v1::FromAgent::kReplicate:
      return hear(message.replicate());
    case v1::FromAgent::kInterest:
      return hear(message.interest());
    default:
      return {};
  }
}

Status Conversation::hear(const v1::Applied& message) {
  if (message.problem().size() > kProblemText)
    return Error{ErrorCode::kInvalid,
                 fmt::format("a problem has more than {} bytes", kProblemText)};
  sessions_.applied(peer_, message);
  return {};
}

Status Conversation::hear(const v1::Hello& message) {
  if (greeted_) return Error{ErrorCode::kInvalid, "hello was said twice"};
  greeted_ = true;
  auto hello = parse_hello(message);
  if (!hello) return hello.error();
  on_hello(*std::move(hello));
  return {};
}

Status Conversation::read_keys(const v1::Keys& message) {
  keys_.clear();
  if (auto status = api::parse_keys(message, keys_); !status) return status;
  return keys_.size() > kKeysPerMessage ? too_much("keys", kKeysPerMessage) : Status{};
}

Status Conversation::hear_ask(const v1::Keys& message) {
  if (auto status = read_keys(message); !status) return status;
  std::optional<IpAddress> asker;
  if (keys_.size() == 1 && std::holds_alternative<IpKey>(keys_.front())) {
    const auto& bytes = message.sets(0).asker();
    asker = api::parse_ip(bytes);
    if (!asker && !bytes.empty())
      return Error{ErrorCode::kInvalid, "the asker's IP is neither 4 nor 16 bytes long"};
  }
  sessions_.ask(peer_, keys_, asker);
  return {};
}

Status Conversation::hear_forget(const v1::Keys& message) {
  if (auto status = read_keys(message); !status) return status;
  sessions_.forget(peer_, keys_);
  return {};
}

Status Conversation::hear(const v1::Groups& message) {
  const auto word = parse_groups(message);
  if (!word) return word.error();
  sessions_.listen(peer_, *word);
  return {};
}

Status Conversation::hear(const v1::Replicate& message) {
  const auto vni = api::parse_vni(message.vni());
  if (!vni) return vni.error();
  sessions_.replicate(peer_, {*vni, message.revision(), message.digest()});
  return {};
}

Status Conversation::hear(const v1::Interest& message) {
  const auto vni = api::parse_vni(message.vni());
  if (!vni) return vni.error();
  sessions_.prove(peer_, *vni, {message.keys(), message.digest()});
  return {};
}

Status Conversation::hear(const v1::Request& request) {
  if (auto status = check_form(request); !status) return status;
  on_request(request);
  return {};
}

}  // namespace dove::controller
