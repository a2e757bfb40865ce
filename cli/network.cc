#include <fmt/format.h>

#include <array>

#include "api/convert.h"
#include "cli/management.h"
#include "cli/object.h"
#include "cli/records.h"
#include "cli/values.h"
#include "core/gateway.h"

namespace dove::cli {
namespace {

using Subnets = google::protobuf::RepeatedPtrField<v1::Subnet>;

Status add_subnet(std::string_view word, Subnets& subnets) {
  const auto prefix = parse_prefix(word);
  if (!prefix) return prefix.error();
  api::write(Subnet{*prefix, std::nullopt}, subnets.Add());
  return {};
}

Result<IpAddress> chosen_gateway(const Subnet& subnet) {
  if (const auto gateway = default_gateway(subnet.prefix)) return *gateway;
  return wrong_argument(
      "auto", fmt::format("subnet {} has no address for a gateway", subnet.prefix.to_string()));
}

// Of the subnet before it. `choose`: here, as the controller keeps what a subnet has already.
Status set_gateway(std::string_view word, Subnets& subnets, bool choose) {
  if (subnets.empty())
    return wrong_argument("gateway", "it stands behind the subnet that it is of");
  auto& subnet = *subnets.rbegin();
  if (!subnet.gateway().empty())
    return wrong_argument(word, "the subnet before it has a gateway already");
  if (is_auto(word) && !choose) return {};
  const auto gateway = is_auto(word) ? chosen_gateway(*api::parse_subnet(subnet)) : parse_ip(word);
  if (!gateway) return gateway.error();
  api::set_bytes(subnet.mutable_gateway(), *gateway);
  return {};
}

std::array<Keyword, 2> subnet_keywords(Subnets& subnets, bool choose) {
  return {Keyword{"subnet", [&](std::string_view word) { return add_subnet(word, subnets); }, true},
          Keyword{"gateway",
                  [&subnets, choose](std::string_view word) {
                    return set_gateway(word, subnets, choose);
                  },
                  true}};
}

template <class Message>
Keyword learn_keyword(Message& message) {
  return {"learn", [&message](std::string_view word) -> Status {
            const auto learn = parse_on_off(word);
            if (!learn) return learn.error();
            message.set_learn(*learn);
            return {};
          }};
}

Status set_vni(std::string_view word, v1::Network& network) {
  if (is_auto(word)) return {};
  const auto vni = parse_vni(word);
  if (!vni) return vni.error();
  network.set_vni(vni->value());
  return {};
}

Result<Action> parse_add(Words& words) {
  auto name = take_name(words);
  if (!name) return name.error();
  v1::Operation operation;
  auto& network = *operation.mutable_network_add();
  network.set_name(*std::move(name));
  const auto [subnet, gateway] = subnet_keywords(*network.mutable_subnets(), false);
  const std::array keywords{
      name_keyword("tenant", network.mutable_tenant()),
      Keyword{"vni", [&](std::string_view word) { return set_vni(word, network); }}, subnet,
      gateway, learn_keyword(network)};
  if (const auto parsed = parse_keywords(words, keywords); !parsed) return parsed.error();
  if (network.tenant().empty()) return missing("tenant");
  return change(std::move(operation));
}

Result<Action> parse_set(Words& words) {
  auto name = take_name(words);
  if (!name) return name.error();
  if (words.empty()) return incomplete("what to set");
  v1::Operation operation;
  auto& network = *operation.mutable_network_set();
  network.set_name(*std::move(name));
  const auto [subnet, gateway] = subnet_keywords(*network.mutable_subnets(), true);
  const std::array keywords{subnet, gateway, learn_keyword(network)};
  if (const auto parsed = parse_keywords(words, keywords); !parsed) return parsed.error();
  return change(std::move(operation));
}

Result<Action> parse_del_network(Words& words) {
  return parse_del(words, [](v1::Operation& operation, std::string name) {
    operation.set_network_del(std::move(name));
  });
}

Result<Action> parse_show_network(Words& words) {
  return parse_show(v1::ShowRequest::NETWORK, words);
}

constexpr std::array kCommands{Command{"add", parse_add}, Command{"delete", parse_del_network},
                               Command{"set", parse_set},
                               Command{"show list lst", parse_show_network}};

Value prefix_value(const v1::Subnet& subnet) {
  const auto network = api::parse_ip(subnet.network());
  return network ? Value{fmt::format("{}/{}", network->to_string(), subnet.length())} : Value{};
}

Value subnet_list(const Subnets& subnets) {
  Value::List list;
  for (const auto& subnet : subnets)
    list.push_back(Record{
        {.key = "subnet", .value = prefix_value(subnet), .color = Color::kIp},
        {.key = "gateway", .value = ip_value(subnet.gateway()), .color = Color::kIp},
    });
  return list;
}

}  // namespace

constinit const Object kNetwork{
    .names = "network",
    .usage =
        "dovectl network add NAME tenant TENANT [ vni { VNI | auto } ]\n"
        "               [ subnet PREFIX [ gateway { IP | auto } ] ]...\n"
        "               [ learn { on | off } ]\n"
        "       dovectl network set NAME [ subnet PREFIX [ gateway { IP | auto } ] ]...\n"
        "               [ learn { on | off } ]\n"
        "       dovectl network del NAME\n"
        "       dovectl network show [ NAME ]",
    .commands = kCommands};

Record to_record(const v1::Network& network) {
  return {
      {.key = "name",
       .value = network.name(),
       .place = Place::kTitle,
       .color = Color::kName,
       .column = 24},
      {.key = "vni", .value = network.vni(), .column = 8},
      {.key = "tenant", .value = network.tenant(), .column = 16},
      {.key = "subnets",
       .value = subnet_list(network.subnets()),
       .place = Place::kLines,
       .color = Color::kIp,
       .column = 1},
      {.key = "learn",
       .value = network.learn(),
       .level = network.learn() ? Level::kAlways : Level::kDetails},
      {.key = "revision", .value = network.revision(), .level = Level::kDetails},
  };
}

}  // namespace dove::cli
