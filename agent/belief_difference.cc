#include "agent/belief_difference.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace dove::agent {
namespace {

template <class Range, class T>
bool contains(const Range& range, const T& one) {
  return std::find(range.begin(), range.end(), one) != range.end();
}

void compare(Words& out, std::string_view what, const std::string& is, const std::string& should) {
  if (is != should) out.push_back(fmt::format("{} {} instead of {}", what, is, should));
}

std::string text(const Subnet& subnet) {
  return fmt::format("subnet {} gateway {}", subnet.prefix.to_string(),
                     subnet.gateway ? subnet.gateway->to_string() : "none");
}

std::string text(const Prefix& prefix) {
  return fmt::format("denial of subnet {}", prefix.to_string());
}

std::string text(const IpAddress& ip) { return fmt::format("ip {}", ip.to_string()); }

// What only one side has. `prefix` goes before each word.
template <class T>
void compare_sets(Words& out, const std::string& prefix, const std::vector<T>& is,
                  const std::vector<T>& should) {
  for (const auto& one : should)
    if (!contains(is, one)) out.push_back(fmt::format("{}{} is missing", prefix, text(one)));
  for (const auto& one : is)
    if (!contains(should, one))
      out.push_back(fmt::format("{}{} is not the controller's", prefix, text(one)));
}

std::string text(const MacBinding& binding, const HostName& name) {
  if (binding.verdict == Verdict::kNotFound) return "not found";
  if (binding.verdict == Verdict::kDenied) return "denied";
  const auto target =
      binding.target ? fmt::format(" in network {}", binding.target->value()) : std::string{};
  return fmt::format("at host {}{}", name(binding.host), target);
}

std::string text(const IpBinding& binding, const HostName&) {
  if (binding.verdict == Verdict::kNotFound) return "not found";
  if (binding.verdict == Verdict::kDenied) return "denied";
  const auto target =
      binding.target ? fmt::format(" in network {}", binding.target->value()) : std::string{};
  return fmt::format("of {}{}{}", binding.mac.to_string(), target,
                     binding.router ? " (a router)" : "");
}

std::string text(const Key& key) {
  if (const auto* mac = std::get_if<MacKey>(&key))
    return fmt::format("mac {}", mac->mac.to_string());
  return text(std::get<IpKey>(key).ip);
}

std::string text(const HostRecord& host) {
  return fmt::format("host {} vtep {}", host.name,
                     host.vtep ? host.vtep->to_string() : std::string{"none"});
}

}  // namespace

Words differences(const NetworkSettings& believed, const NetworkSettings& truth) {
  Words out;
  compare(out, "name", believed.name, truth.name);
  compare(out, "tenant", believed.tenant, truth.tenant);
  compare(out, "learn", believed.learn ? "on" : "off", truth.learn ? "on" : "off");
  compare_sets(out, "", believed.subnets, truth.subnets);
  compare_sets(out, "", believed.denied, truth.denied);
  return out;
}

Words differences(const std::string& list, std::span<const HostId> believed,
                  std::span<const HostId> truth, const HostName& name) {
  Words out;
  for (const auto host : truth)
    if (!contains(believed, host))
      out.push_back(fmt::format("{} without host {}", list, name(host)));
  for (const auto host : believed)
    if (!contains(truth, host))
      out.push_back(fmt::format("{} with host {}, which is not in it", list, name(host)));
  return out;
}

Words differences(const GroupMembers& believed, const GroupMembers& truth, const HostName& name) {
  static const std::vector<HostId> kNone;
  Words out;
  const auto add = [&](const MacAddress& group, const auto& is, const auto& should) {
    auto more = differences(fmt::format("group {}", group.to_string()), is, should, name);
    out.insert(out.end(), more.begin(), more.end());
  };
  for (const auto& [group, hosts] : truth) {
    const auto here = believed.find(group);
    add(group, here == believed.end() ? kNone : here->second, hosts);
  }
  for (const auto& [group, hosts] : believed)
    if (!truth.contains(group)) add(group, hosts, kNone);
  return out;
}

Words differences(std::span<const HostRecord> believed, std::span<const HostRecord> truth) {
  Words out;
  std::map<HostId, const HostRecord*> here;
  for (const auto& host : believed) here[host.id] = &host;
  for (const auto& host : truth) {
    const auto at = here.find(host.id);
    if (at == here.end()) {
      out.push_back(fmt::format("{} is missing", text(host)));
      continue;
    }
    if (*at->second != host)
      out.push_back(fmt::format("{} instead of {}", text(*at->second), text(host)));
    here.erase(at);
  }
  for (const auto& [id, host] : here)
    out.push_back(fmt::format("{} is not the controller's", text(*host)));
  return out;
}

// --- endpoints of this host

Words differences(const Attached& believed, const Attachment& truth) {
  const auto& is = believed.attachment;
  const auto prefix = fmt::format("{}: ", believed.place);
  Words out;
  if (is.endpoint != truth.endpoint)
    out.push_back(fmt::format("{}endpoint {} instead of {}", prefix, is.endpoint, truth.endpoint));
  if (is.generation != truth.generation)
    out.push_back(fmt::format("{}endpoint {} generation {} instead of {}", prefix, is.endpoint,
                              is.generation, truth.generation));
  compare_sets(out, prefix, is.ips, truth.ips);
  compare_sets(out, prefix + "shared ", is.shared_ips, truth.shared_ips);
  return out;
}

std::string is_nowhere(const Attached& believed) {
  return fmt::format("{}: endpoint {} is not active at this host", believed.place,
                     believed.attachment.endpoint);
}

std::string is_elsewhere(const Attachment& truth) {
  return fmt::format("endpoint {} mac {} is active at this host and has no port", truth.endpoint,
                     truth.mac.to_string());
}

// --- bindings

std::string difference(const Key& key, const BindingRecord* believed, const BindingRecord* truth,
                       const HostName& name) {
  const auto say = [&](const BindingRecord* record) {
    if (record == nullptr) return std::string{"unknown"};
    return std::visit([&](const auto& one) { return text(one, name); }, *record);
  };
  return fmt::format("{} {} instead of {}", text(key), say(believed), say(truth));
}

}  // namespace dove::agent
