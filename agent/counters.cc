// The names are a contract: only ever added to. doved(8) lists them.
#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "agent/agent.h"

namespace dove::agent {
namespace {

std::string underscored(std::string_view text) {
  std::string name{text};
  std::replace_if(
      name.begin(), name.end(), [](char c) { return c == ' ' || c == '-'; }, '_');
  return name;
}

void add_resolver(const Resolver& resolver, Agent::CounterList& out) {
  const auto& counters = resolver.counters();
  out.insert(out.end(), {{"mac_misses", counters.mac_misses},
                         {"ip_misses", counters.ip_misses},
                         {"queries", counters.queries},
                         {"punted_frames", counters.punted},
                         {"routed_frames", counters.routed},
                         {"asks", counters.asks},
                         {"answers", counters.answers},
                         {"stale_answers", counters.stale_answers},
                         {"negatives", counters.negatives},
                         {"installed", counters.installed},
                         {"aged", counters.aged},
                         {"refused", counters.refused}});
  for (std::size_t i = 0; i < static_cast<std::size_t>(DropReason::kCount); ++i)
    out.push_back(
        {"dropped_" + underscored(to_string(static_cast<DropReason>(i))), counters.drops[i]});
  const auto usage = resolver.usage();
  out.insert(out.end(), {{"keys", usage.keys},
                         {"unresolved_keys", usage.unresolved_keys},
                         {"waiting", usage.waiting},
                         {"waiting_bytes", usage.waiting_bytes}});
}

void add_datapath(const DatapathCounters& counters, Agent::CounterList& out) {
  out.insert(out.end(), {{"punted_packets", counters.punted_packets},
                         {"punted_malformed", counters.punted_malformed},
                         {"punted_ignored", counters.punted_ignored},
                         {"resent", counters.resent},
                         {"resend_errors", counters.resend_errors},
                         {"logged_frames", counters.logged_frames},
                         {"log_malformed", counters.log_malformed},
                         {"log_overruns", counters.log_overruns},
                         {"answers_sent", counters.answers_sent},
                         {"answer_errors", counters.answer_errors},
                         {"delivered", counters.delivered},
                         {"delivery_errors", counters.delivery_errors},
                         {"announcements_carried", counters.announcements_carried},
                         {"announcements_told", counters.announcements_told},
                         {"announcement_errors", counters.announcement_errors},
                         {"group_queries", counters.group_queries},
                         {"miss_overruns", counters.miss_overruns},
                         {"change_overruns", counters.change_overruns},
                         {"kernel_changes", counters.kernel_changes},
                         {"kernel_refusals", counters.kernel_refusals},
                         {"put_back", counters.put_back}});
}

// "host_input", or "port tap0 queries_dropped".
void add_wall(std::string_view name, std::uint64_t value, Agent::CounterList& out) {
  constexpr std::string_view kPort = "port ";
  if (name.substr(0, kPort.size()) != kPort)
    return out.push_back({fmt::format("wall_{}", name), value});
  name.remove_prefix(kPort.size());
  const auto space = name.find(' ');
  out.push_back({fmt::format("wall_port_{}", name.substr(space + 1)), value,
                 std::string{name.substr(0, space)}});
}

void add_routing(const Agent::RoutingCounters& counters, Agent::CounterList& out) {
  out.insert(out.end(), {{"echo_replies", counters.echo_replies},
                         {"gateway_ignored", counters.gateway_ignored},
                         {"undeliverable", counters.undeliverable}});
}

void add_session(const Session::Counters& counters, Agent::CounterList& out) {
  out.insert(out.end(), {{"sessions", counters.sessions},
                         {"session_failures", counters.failures},
                         {"messages_received", counters.messages_received},
                         {"keys_asked", counters.keys_asked},
                         {"keys_dropped", counters.keys_dropped},
                         {"malformed_messages", counters.malformed}});
}

}  // namespace

void Agent::counters(std::function<void(CounterList)> done) {
  CounterList list;
  add_resolver(resolver_, list);
  add_datapath(datapath_->counters(), list);
  add_routing(routing_, list);
  add_session(session_.counters(), list);
  datapath_->wall_counters([list = std::move(list), done = std::move(done)](
                               const Result<Datapath::WallCounters>& walls) mutable {
    if (walls)
      for (const auto& [name, value] : *walls) add_wall(name, value, list);
    done(std::move(list));
  });
}

}  // namespace dove::agent
