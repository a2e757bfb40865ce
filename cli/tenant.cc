#include <array>

#include "cli/management.h"
#include "cli/object.h"
#include "cli/records.h"
#include "cli/values.h"

namespace dove::cli {
namespace {

constexpr std::array<std::string_view, 2> kRoutings{"allow", "deny"};  // as the protocol counts

Result<Action> parse_add(Words& words) {
  const auto name = take_name(words);
  if (!name) return name.error();
  if (const auto finished = words.finish(); !finished) return finished.error();
  v1::Operation operation;
  operation.mutable_tenant_add()->set_name(*name);
  return change(std::move(operation));
}

Result<Action> parse_del_tenant(Words& words) {
  return parse_del(words, [](v1::Operation& operation, std::string name) {
    operation.set_tenant_del(std::move(name));
  });
}

Result<Action> parse_set(Words& words) {
  const auto name = take_name(words);
  if (!name) return name.error();
  if (words.empty()) return incomplete("what to set");
  v1::Operation operation;
  auto& tenant = *operation.mutable_tenant_set();
  tenant.set_name(*name);
  const std::array keywords{Keyword{"routing", [&](std::string_view word) -> Status {
                                      const auto choice = parse_choice(word, kRoutings);
                                      if (!choice) return choice.error();
                                      tenant.set_routing(static_cast<v1::Tenant::Routing>(*choice));
                                      return {};
                                    }}};
  if (const auto parsed = parse_keywords(words, keywords); !parsed) return parsed.error();
  return change(std::move(operation));
}

Result<Action> parse_show_tenant(Words& words) {
  return parse_show(v1::ShowRequest::TENANT, words);
}

constexpr std::array kCommands{Command{"add", parse_add}, Command{"delete", parse_del_tenant},
                               Command{"set", parse_set},
                               Command{"show list lst", parse_show_tenant}};

}  // namespace

constinit const Object kTenant{.names = "tenant",
                               .usage =
                                   "dovectl tenant { add | del } NAME\n"
                                   "       dovectl tenant set NAME routing { allow | deny }\n"
                                   "       dovectl tenant show [ NAME ]",
                               .commands = kCommands};

Record to_record(const v1::Tenant& tenant) {
  return {
      {.key = "name",
       .value = tenant.name(),
       .place = Place::kTitle,
       .color = Color::kName,
       .column = 24},
      {.key = "routing", .value = lower(v1::Tenant::Routing_Name(tenant.routing())), .column = 6},
      {.key = "revision", .value = tenant.revision(), .level = Level::kDetails},
  };
}

}  // namespace dove::cli
