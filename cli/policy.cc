#include <fmt/format.h>

#include <array>

#include "cli/management.h"
#include "cli/object.h"
#include "cli/records.h"
#include "cli/values.h"

namespace dove::cli {
namespace {

constexpr std::array<std::string_view, 2> kRoutings{"allow", "deny"};  // as the protocol counts

// "WORD NAME", the one behind the other.
Status take_named(Words& words, std::string_view expected, std::string* name) {
  const auto word = words.require(fmt::format("\"{}\"", expected));
  if (!word) return word.error();
  if (*word != expected) return wrong_argument(*word, fmt::format("expected {}", expected));
  auto taken = take_name(words);
  if (!taken) return taken.error();
  *name = *std::move(taken);
  return {};
}

// tenant TENANT between NETWORK and NETWORK
Status take_pair(Words& words, v1::Policy& policy) {
  if (auto tenant = take_named(words, "tenant", policy.mutable_tenant()); !tenant) return tenant;
  if (auto one = take_named(words, "between", policy.mutable_network()); !one) return one;
  if (auto other = take_named(words, "and", policy.mutable_other()); !other) return other;
  if (policy.network() != policy.other()) return {};
  return wrong_argument(policy.other(), "expected another network than the one before");
}

Status take_routing(Words& words, v1::Policy& policy) {
  const auto word = words.require("allow or deny");
  if (!word) return word.error();
  const auto choice = parse_choice(*word, kRoutings);
  if (!choice) return choice.error();
  policy.set_routing(static_cast<v1::Tenant::Routing>(*choice));
  return words.finish();
}

Result<Action> parse_add(Words& words) {
  v1::Operation operation;
  auto& policy = *operation.mutable_policy_add();
  if (auto pair = take_pair(words, policy); !pair) return pair.error();
  if (auto routing = take_routing(words, policy); !routing) return routing.error();
  return change(std::move(operation));
}

// What it says may be given as in the add, and then must be so.
Result<Action> parse_del_policy(Words& words) {
  v1::Operation operation;
  auto& policy = *operation.mutable_policy_del();
  if (auto pair = take_pair(words, policy); !pair) return pair.error();
  if (!words.empty())
    if (auto routing = take_routing(words, policy); !routing) return routing.error();
  return change(std::move(operation));
}

Result<Action> parse_show_policy(Words& words) {
  v1::ShowRequest request;
  request.set_kind(v1::ShowRequest::POLICY);
  const std::array keywords{name_keyword("tenant", request.mutable_tenant()),
                            name_keyword("network", request.mutable_network())};
  if (const auto parsed = parse_keywords(words, keywords); !parsed) return parsed.error();
  return show(std::move(request));
}

constexpr std::array kCommands{Command{"add", parse_add}, Command{"delete", parse_del_policy},
                               Command{"show list lst", parse_show_policy}};

}  // namespace

constinit const Object kPolicy{
    .names = "policy",
    .usage =
        "dovectl policy add tenant TENANT between NETWORK and NETWORK { allow | deny }\n"
        "       dovectl policy del tenant TENANT between NETWORK and NETWORK [ allow | deny ]\n"
        "       dovectl policy show [ tenant TENANT ] [ network NETWORK ]",
    .commands = kCommands};

Record to_record(const v1::Policy& policy) {
  return {
      {.key = "tenant",
       .value = policy.tenant(),
       .place = Place::kTitle,
       .color = Color::kName,
       .column = 16},
      {.key = "network",
       .value = policy.network(),
       .color = Color::kName,
       .column = 24,
       .word = "between"},
      {.key = "other", .value = policy.other(), .color = Color::kName, .column = 24, .word = "and"},
      {.key = "routing",
       .value = lower(v1::Tenant::Routing_Name(policy.routing())),
       .place = Place::kBare,
       .color = policy.routing() == v1::Tenant::DENY ? Color::kBad : Color::kGood,
       .column = 6},
      {.key = "revision", .value = policy.revision(), .level = Level::kDetails},
  };
}

}  // namespace dove::cli
