#include <fmt/format.h>

#include <array>

#include "api/convert.h"
#include "cli/management.h"
#include "cli/object.h"
#include "cli/records.h"
#include "cli/values.h"

namespace dove::cli {
namespace {

template <class Message>
Status set_mac(std::string_view word, Message& message) {
  const auto mac = parse_mac(word);
  if (!mac) return mac.error();
  api::set_bytes(message.mutable_mac(), *mac);
  return {};
}

template <class List>
Status add_ip(std::string_view word, List& list) {
  const auto ip = parse_ip(word);
  if (!ip) return ip.error();
  api::set_bytes(list.Add(), *ip);
  return {};
}

template <class Message>
Keyword ip_keyword(Message& message) {
  return {"ip",
          [&message](std::string_view word) {
            if (!is_auto(word)) return add_ip(word, *message.mutable_ips());
            message.add_ips();  // an empty element: the controller is to choose
            return Status{};
          },
          true};
}

template <class Message>
Keyword shared_ip_keyword(Message& message) {
  return {"shared-ip",
          [&message](std::string_view word) { return add_ip(word, *message.mutable_shared_ips()); },
          true};
}

Status set_mac_or_auto(std::string_view word, v1::EndpointAdd& endpoint) {
  return is_auto(word) ? Status{} : set_mac(word, endpoint);
}

Status set_mac_or_auto(std::string_view word, v1::EndpointSet& endpoint) {
  if (!is_auto(word)) return set_mac(word, endpoint);
  endpoint.set_choose_mac(true);
  return {};
}

Error beside_none(std::string_view keyword) {
  return wrong_argument("none", fmt::format("there is another {}, too", keyword));
}

Result<Action> parse_add(Words& words) {
  auto name = take_name(words);
  if (!name) return name.error();
  v1::Operation operation;
  auto& endpoint = *operation.mutable_endpoint_add();
  endpoint.set_name(*std::move(name));
  const std::array keywords{
      name_keyword("network", endpoint.mutable_network()),
      Keyword{"mac", [&](std::string_view word) { return set_mac_or_auto(word, endpoint); }},
      ip_keyword(endpoint), shared_ip_keyword(endpoint)};
  if (const auto parsed = parse_keywords(words, keywords); !parsed) return parsed.error();
  if (endpoint.network().empty()) return missing("network");
  return change(std::move(operation));
}

// "none" instead of addresses, in the place of `keyword`.
Keyword or_none(Keyword keyword, bool& none) {
  const auto accept = std::move(keyword.accept);
  keyword.accept = [accept, &none](std::string_view word) {
    if (word != "none") return accept(word);
    none = true;
    return Status{};
  };
  return keyword;
}

Result<Action> parse_set(Words& words) {
  auto name = take_name(words);
  if (!name) return name.error();
  if (words.empty()) return incomplete("what to set");
  v1::Operation operation;
  auto& endpoint = *operation.mutable_endpoint_set();
  endpoint.set_name(*std::move(name));
  bool no_ips = false;
  bool no_shared_ips = false;
  const std::array keywords{
      Keyword{"mac", [&](std::string_view word) { return set_mac_or_auto(word, endpoint); }},
      or_none(ip_keyword(endpoint), no_ips), or_none(shared_ip_keyword(endpoint), no_shared_ips)};
  if (const auto parsed = parse_keywords(words, keywords); !parsed) return parsed.error();
  if (no_ips && endpoint.ips_size() != 0) return beside_none("ip");
  if (no_shared_ips && endpoint.shared_ips_size() != 0) return beside_none("shared-ip");
  endpoint.set_no_ips(no_ips);
  endpoint.set_no_shared_ips(no_shared_ips);
  return change(std::move(operation));
}

Result<Action> parse_del_endpoint(Words& words) {
  return parse_del(words, [](v1::Operation& operation, std::string name) {
    operation.set_endpoint_del(std::move(name));
  });
}

// show [NAME] [network NETWORK]. The word "network" alone is a name like any other.
Result<Action> parse_show_endpoint(Words& words) {
  v1::ShowRequest request;
  request.set_kind(v1::ShowRequest::ENDPOINT);
  if (words.size() % 2 == 1 || (!words.empty() && words.peek() != "network")) {
    auto name = take_name(words);
    if (!name) return name.error();
    request.set_name(*std::move(name));
  }
  const std::array keywords{name_keyword("network", request.mutable_network())};
  if (const auto parsed = parse_keywords(words, keywords); !parsed) return parsed.error();
  return show(std::move(request));
}

constexpr std::array kCommands{Command{"add", parse_add}, Command{"delete", parse_del_endpoint},
                               Command{"set", parse_set},
                               Command{"show list lst", parse_show_endpoint}};

std::string state_of(const v1::Endpoint& endpoint) {
  return endpoint.state() == v1::Attachment::GONE
             ? "detached"
             : lower(v1::Attachment::State_Name(endpoint.state()));
}

}  // namespace

constinit const Object kEndpoint{
    .names = "endpoint",
    .usage =
        "dovectl endpoint add NAME network NETWORK [ mac { MAC | auto } ]\n"
        "               [ ip { IP | auto } ]... [ shared-ip IP ]...\n"
        "       dovectl endpoint set NAME [ mac { MAC | auto } ]\n"
        "               [ ip { IP | auto | none } ]... [ shared-ip { IP | none } ]...\n"
        "       dovectl endpoint del NAME\n"
        "       dovectl endpoint show [ NAME ] [ network NETWORK ]",
    .commands = kCommands};

Record to_record(const v1::Endpoint& endpoint) {
  const bool active = endpoint.state() == v1::Attachment::ACTIVE;
  return {
      {.key = "name",
       .value = endpoint.name(),
       .place = Place::kTitle,
       .color = Color::kName,
       .column = 24},
      {.key = "network", .value = endpoint.network(), .column = 16},
      {.key = "tenant", .value = endpoint.tenant(), .level = Level::kDetails},
      {.key = "vni", .value = endpoint.vni()},
      {.key = "mac", .value = mac_value(endpoint.mac()), .color = Color::kMac, .column = 17},
      {.key = "state",
       .value = state_of(endpoint),
       .color = active ? Color::kGood : Color::kBad,
       .column = 8},
      {.key = "host", .value = or_null(endpoint.host()), .column = 16},
      {.key = "vtep",
       .value = vtep_value(endpoint.vtep(), endpoint.vtep_port()),
       .color = Color::kIp},
      {.key = "ips",
       .value = ip_list(endpoint.ips()),
       .place = Place::kLines,
       .color = Color::kIp,
       .column = 1,
       .word = "ip"},
      {.key = "shared_ips",
       .value = ip_list(endpoint.shared_ips()),
       .place = Place::kLines,
       .color = Color::kIp,
       .word = "shared-ip"},
      {.key = "held_ips",
       .value = ip_list(endpoint.held_ips()),
       .place = Place::kLines,
       .color = Color::kIp,
       .word = "holds"},
      {.key = "generation", .value = endpoint.generation(), .level = Level::kDetails},
      {.key = "revision", .value = endpoint.revision(), .level = Level::kDetails},
      {.key = "dynamic",
       .value = endpoint.dynamic(),
       .level = endpoint.dynamic() ? Level::kAlways : Level::kDetails},
  };
}

}  // namespace dove::cli
