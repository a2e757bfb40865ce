#include "controller/figures.h"

namespace dove::controller {
namespace {

using api::gauge;
using api::total;
using S = FigureSources;
using Row = api::MetricRow<S>;

template <auto Member>
constexpr auto registry = api::read_part<S, &S::registry, Member>;
template <auto Member>
constexpr auto sessions = api::read_part<S, &S::sessions, Member>;
template <auto Member>
constexpr auto sizes = api::read_part<S, &S::sizes, Member>;

constexpr auto kEndpoints = gauge("dove_controller_endpoints", "Endpoints, by their state.");
constexpr auto kHosts = gauge("dove_controller_hosts", "Registered hosts, by their state.");

constexpr std::array kRows{
    Row{"", gauge("dove_controller_revision", "Revision of the store."),
        sizes<&ControllerSizes::revision>},
    Row{"", gauge("dove_controller_tenants", "Tenants."), sizes<&ControllerSizes::tenants>},
    Row{"", gauge("dove_controller_networks", "Networks."), sizes<&ControllerSizes::networks>},
    Row{"", gauge("dove_controller_policies", "Policies between networks."),
        sizes<&ControllerSizes::policies>},
    Row{"", kEndpoints, sizes<&ControllerSizes::attached>, "state", "attached"},
    Row{"", kEndpoints, sizes<&ControllerSizes::detached>, "state", "detached"},
    Row{"", kHosts, sizes<&ControllerSizes::connected_hosts>, "state", "connected"},
    Row{"", kHosts, sizes<&ControllerSizes::disconnected_hosts>, "state", "disconnected"},
    Row{"", kHosts, sizes<&ControllerSizes::suspect_hosts>, "state", "suspect"},
    Row{"", gauge("dove_controller_sessions", "Sessions with hosts."),
        sizes<&ControllerSizes::sessions>},
    Row{"", gauge("dove_controller_interest_keys", "Addresses whose changes hosts are told of."),
        sizes<&ControllerSizes::interest>},
    Row{"", gauge("dove_controller_store_up", "Whether the store takes commits: 1 or 0."),
        sizes<&ControllerSizes::store_up>},
    Row{"", total("dove_controller_commits_total", "Commits to the store."),
        registry<&RegistryCounters::commits>},
    Row{"", total("dove_controller_store_errors_total", "Commits that the store refused."),
        registry<&RegistryCounters::store_errors>},
    Row{"", total("dove_controller_changes_total", "Changes asked for by people and scripts."),
        registry<&RegistryCounters::changes>},
    Row{"", total("dove_controller_requests_total", "Requests of hosts."),
        registry<&RegistryCounters::requests>},
    Row{"", total("dove_controller_sessions_total", "Sessions begun."),
        sessions<&SessionsCounters::sessions>},
    Row{"", total("dove_controller_asks_total", "Addresses that hosts asked for."),
        sessions<&SessionsCounters::asks>},
    Row{"", total("dove_controller_answers_total", "Answers to these."),
        sessions<&SessionsCounters::answers>},
    Row{"", total("dove_controller_pushes_total", "Changes told to hosts that had asked."),
        sessions<&SessionsCounters::pushes>},
    Row{"",
        total("dove_controller_replica_messages_total",
              "Messages to hosts about networks that they get as a whole."),
        sessions<&SessionsCounters::replica_messages>},
    Row{"", total("dove_controller_resyncs_total", "Hosts told to ask anew."),
        sessions<&SessionsCounters::resyncs>},
    Row{"",
        total("dove_controller_outbox_overflows_total",
              "Times that more waited for a host than may."),
        sessions<&SessionsCounters::overflows>},
    Row{"",
        total("dove_controller_slow_agents_total",
              "Sessions ended because the host read too slowly."),
        sessions<&SessionsCounters::slow_agents>}};

struct RefusalRow {
  api::Metric metric;
  Refusals RegistryCounters::*member;
};
constexpr std::array kRefusals{
    RefusalRow{total("dove_controller_changes_refused_total", "Changes refused, by reason."),
               &RegistryCounters::changes_refused},
    RefusalRow{
        total("dove_controller_requests_refused_total", "Requests of hosts refused, by reason."),
        &RegistryCounters::requests_refused},
    RefusalRow{total("dove_controller_hosts_refused_total", "Sessions refused, by reason."),
               &RegistryCounters::hosts_refused}};

constexpr std::array<std::string_view, std::tuple_size_v<Refusals>> kCodes{
    "invalid", "not_found", "exists", "conflict", "denied", "unavailable", "system"};

constexpr auto kCommitTime =
    api::times("dove_controller_commit_seconds", "Time that the store took for a commit.");
constexpr auto kAskTime = api::times("dove_controller_ask_seconds",
                                     "Time that the answer to one message of questions took.");
constexpr auto kPublishTime = api::times("dove_controller_publish_seconds",
                                         "Time that it took to tell all hosts of a commit.");
constexpr auto kPublishAgents =
    api::counts("dove_controller_publish_hosts", "Hosts that were told of a commit.");

}  // namespace

std::vector<api::Sample> figures(const FigureSources& sources) {
  std::vector<api::Sample> samples;
  for (const auto& row : kRows) samples.push_back(row.sample(sources));
  for (const auto& row : kRefusals)
    for (std::size_t code = 0; code < kCodes.size(); ++code)
      samples.push_back({row.metric,
                         {{"code", std::string{kCodes[code]}}},
                         (sources.registry.*row.member)[code]});
  samples.push_back({kCommitTime, {}, sources.registry.commit_time});
  samples.push_back({kAskTime, {}, sources.sessions.ask_time});
  samples.push_back({kPublishTime, {}, sources.sessions.publish_time});
  samples.push_back({kPublishAgents, {}, sources.sessions.publish_agents});
  return samples;
}

}  // namespace dove::controller
