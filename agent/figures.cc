#include "agent/figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>

namespace dove::agent {
namespace {

using api::gauge;
using api::Metric;
using api::total;
using S = FigureSources;
using Row = api::MetricRow<S>;
using Read = decltype(Row::read);

template <auto Part, auto Member>
constexpr Read read = api::read_part<S, Part, Member>;
template <auto Part, auto Member>
std::uint64_t read_ms(const S& sources) {
  return static_cast<std::uint64_t>((sources.*Part.*Member).count());
}
template <auto Member>
constexpr Read resolver = read<&S::resolver, Member>;
template <auto Member>
constexpr Read usage = read<&S::usage, Member>;
template <auto Member>
constexpr Read datapath = read<&S::datapath, Member>;
template <auto Member>
constexpr Read tables = read<&S::tables, Member>;
template <auto Member>
constexpr Read session = read<&S::session, Member>;
template <auto Member>
constexpr Read sizes = read<&S::sizes, Member>;

// --- metrics of several rows
constexpr auto kMisses =
    total("dove_agent_misses_total", "Questions of the kernel where a MAC or an IP is.");
constexpr auto kDropped =
    total("dove_agent_dropped_total", "Packets and questions of guests given up, by reason.");
constexpr auto kOverruns =
    total("dove_agent_overruns_total", "Times that the kernel told more than could be read.");
constexpr auto kWall = total("dove_agent_wall_packets_total",
                             "Packets that a wall of the host dropped, or changed, by wall.");
constexpr auto kPortDropped =
    total("dove_agent_port_dropped_total", "Packets of a guest dropped at its port, by reason.");
constexpr auto kPorts = gauge("dove_agent_ports", "Ports, by their state.");

constexpr std::array kResolver{
    Row{"mac_misses", kMisses, resolver<&ResolverCounters::mac_misses>, "kind", "mac"},
    Row{"ip_misses", kMisses, resolver<&ResolverCounters::ip_misses>, "kind", "ip"},
    Row{"queries", total("dove_agent_queries_total", "ARP requests and solicitations of guests."),
        resolver<&ResolverCounters::queries>},
    Row{"punted_frames",
        total("dove_agent_punted_frames_total", "Guests' frames to unknown destinations."),
        resolver<&ResolverCounters::punted>},
    Row{"routed_frames",
        total("dove_agent_routed_frames_total", "Punted frames that were addressed to the router."),
        resolver<&ResolverCounters::routed>},
    Row{"asks", total("dove_agent_asks_total", "Questions where a MAC or an IP is."),
        resolver<&ResolverCounters::asks>},
    Row{"answers", total("dove_agent_answers_total", "Answers, and changes told unasked."),
        resolver<&ResolverCounters::answers>},
    Row{"stale_answers",
        total("dove_agent_stale_answers_total", "Answers older than what was known: ignored."),
        resolver<&ResolverCounters::stale_answers>},
    Row{"negatives", total("dove_agent_negatives_total", "Answers that there is no such endpoint."),
        resolver<&ResolverCounters::negatives>},
    Row{"installed",
        total("dove_agent_entries_installed_total",
              "Forwarding entries and neighbours put into the kernel."),
        resolver<&ResolverCounters::installed>},
    Row{"aged",
        total("dove_agent_entries_aged_total",
              "Forwarding entries that the kernel removed for want of use."),
        resolver<&ResolverCounters::aged>},
    Row{"refused",
        total("dove_agent_entries_refused_total", "Entries that the kernel did not take."),
        resolver<&ResolverCounters::refused>}};

constexpr std::array kUsage{
    Row{"keys", gauge("dove_agent_keys", "Addresses known or asked about."),
        usage<&ResolverUsage::keys>},
    Row{"unresolved_keys",
        gauge("dove_agent_unresolved_keys", "Addresses asked about and not resolved."),
        usage<&ResolverUsage::unresolved_keys>},
    Row{"waiting", gauge("dove_agent_waiting", "Packets and questions that wait for an answer."),
        usage<&ResolverUsage::waiting>},
    Row{"waiting_bytes", gauge("dove_agent_waiting_bytes", "Memory of the packets that wait."),
        usage<&ResolverUsage::waiting_bytes>},
    Row{"refused_now",
        gauge("dove_agent_entries_refused", "Entries that the kernel does not take now."),
        sizes<&AgentSizes::refused>},
    Row{"waiting_guests", gauge("dove_agent_waiting_guests", "Guests that have something waiting."),
        usage<&ResolverUsage::guests>},
    Row{"groups", gauge("dove_agent_groups", "Lists of hosts for broadcast and multicast MACs."),
        usage<&ResolverUsage::groups>},
    Row{"fdb_entries", gauge("dove_agent_fdb_entries", "Forwarding entries of guests elsewhere."),
        tables<&TableSizes::remotes>},
    Row{"local_entries", gauge("dove_agent_local_entries", "Forwarding entries of guests here."),
        tables<&TableSizes::locals>},
    Row{"neighbours", gauge("dove_agent_neighbours", "Neighbours in the kernel."),
        tables<&TableSizes::neighbours>}};

constexpr std::array kDatapath{
    Row{"punted_packets", total("dove_agent_punt_packets_total", "Packets read out of dvpunt."),
        datapath<&DatapathCounters::punted_packets>},
    Row{"punted_malformed",
        total("dove_agent_punt_malformed_total", "Packets out of dvpunt that make no sense."),
        datapath<&DatapathCounters::punted_malformed>},
    Row{"punted_given_up",
        total("dove_agent_punt_given_up_total", "Frames in fragments that never were complete."),
        datapath<&DatapathCounters::punted_given_up>},
    Row{"punted_ignored",
        total("dove_agent_punt_ignored_total", "Packets out of dvpunt that no guest has sent."),
        datapath<&DatapathCounters::punted_ignored>},
    Row{"resent", total("dove_agent_resent_packets_total", "Punted packets sent on to a host."),
        datapath<&DatapathCounters::resent>},
    Row{"resend_errors",
        total("dove_agent_resend_errors_total", "Punted packets that could not be sent on."),
        datapath<&DatapathCounters::resend_errors>},
    Row{"logged_frames",
        total("dove_agent_logged_frames_total", "ARP and neighbour discovery heard at the ports."),
        datapath<&DatapathCounters::logged_frames>},
    Row{"log_malformed",
        total("dove_agent_log_malformed_total", "What was heard at the ports and says nothing."),
        datapath<&DatapathCounters::log_malformed>},
    Row{"log_overruns", kOverruns, datapath<&DatapathCounters::log_overruns>, "source", "log"},
    Row{"answers_sent",
        total("dove_agent_answers_sent_total", "ARP and neighbour discovery answered."),
        datapath<&DatapathCounters::answers_sent>},
    Row{"answer_errors",
        total("dove_agent_answer_errors_total", "Answers to guests that could not be sent."),
        datapath<&DatapathCounters::answer_errors>},
    Row{"delivered",
        total("dove_agent_delivered_frames_total", "Frames put into the ports of guests."),
        datapath<&DatapathCounters::delivered>},
    Row{"delivery_errors",
        total("dove_agent_delivery_errors_total", "Frames that could not be put into ports."),
        datapath<&DatapathCounters::delivery_errors>},
    Row{"announcements_carried",
        total("dove_agent_announcements_carried_total", "Guests' announcements sent to hosts."),
        datapath<&DatapathCounters::announcements_carried>},
    Row{"announcements_told",
        total("dove_agent_announcements_told_total", "Guests told of an address that has moved."),
        datapath<&DatapathCounters::announcements_told>},
    Row{"announcement_errors",
        total("dove_agent_announcement_errors_total", "Announcements that could not be sent."),
        datapath<&DatapathCounters::announcement_errors>},
    Row{"group_queries", total("dove_agent_group_queries_total", "IGMP and MLD queries sent."),
        datapath<&DatapathCounters::group_queries>},
    Row{"miss_overruns", kOverruns, datapath<&DatapathCounters::miss_overruns>, "source", "misses"},
    Row{"change_overruns", kOverruns, datapath<&DatapathCounters::change_overruns>, "source",
        "changes"},
    Row{"reconciliations",
        total("dove_agent_reconciliations_total", "Comparisons after changes were lost."),
        datapath<&DatapathCounters::reconciliations>},
    Row{"kernel_changes",
        total("dove_agent_kernel_changes_total", "Changes of entries asked of the kernel."),
        datapath<&DatapathCounters::kernel_changes>},
    Row{"kernel_refusals",
        total("dove_agent_kernel_refusals_total", "Changes of entries that the kernel refused."),
        datapath<&DatapathCounters::kernel_refusals>},
    Row{"put_back",
        total("dove_agent_put_back_total",
              "What somebody else removed or changed, made as it should be."),
        datapath<&DatapathCounters::put_back>},
    Row{"audits", total("dove_agent_audits_total", "Networks compared with the kernel."),
        datapath<&DatapathCounters::audits>},
    Row{"audit_differences",
        total("dove_agent_audit_differences_total", "What differed from the kernel."),
        datapath<&DatapathCounters::audit_differences>},
    Row{"audit_mended", total("dove_agent_audit_mended_total", "Differences that were mended."),
        datapath<&DatapathCounters::audit_mended>},
    Row{"echo_replies",
        total("dove_agent_echo_replies_total", "Pings of gateways that were answered."),
        read<&S::routing, &RoutingCounters::echo_replies>},
    Row{"gateway_ignored",
        total("dove_agent_gateway_ignored_total",
              "Packets to gateways that are no pings, dropped."),
        read<&S::routing, &RoutingCounters::gateway_ignored>},
    Row{"undeliverable",
        total("dove_agent_undeliverable_total", "Routed packets whose guest had left this host."),
        read<&S::routing, &RoutingCounters::undeliverable>}};

constexpr std::array kSession{
    Row{"sessions", total("dove_agent_sessions_total", "Sessions made with a controller."),
        session<&Session::Counters::sessions>},
    Row{"session_failures",
        total("dove_agent_session_failures_total",
              "Attempts that came to nothing, and sessions that were lost."),
        session<&Session::Counters::failures>},
    Row{"messages_received",
        total("dove_agent_messages_received_total", "Messages from a controller."),
        session<&Session::Counters::messages_received>},
    Row{"keys_asked",
        total("dove_agent_keys_asked_total", "Addresses that a controller was asked."),
        session<&Session::Counters::keys_asked>},
    Row{"keys_dropped",
        total("dove_agent_keys_dropped_total",
              "Addresses not asked because too much waited to be written."),
        session<&Session::Counters::keys_dropped>},
    Row{"malformed_messages",
        total("dove_agent_malformed_messages_total", "Words of a controller that made no sense."),
        session<&Session::Counters::malformed>},
    Row{"replicated_endpoints",
        gauge("dove_agent_replicated_endpoints", "Endpoints known without asking."),
        read<&S::knowledge, &KnowledgeInfo::endpoints>},
    Row{"answered_here",
        total("dove_agent_answered_here_total", "Questions answered without a controller."),
        read<&S::knowledge, &KnowledgeInfo::answers>},
    Row{"replica_gaps",
        total("dove_agent_replica_gaps_total", "Changes of replicated networks that were missed."),
        read<&S::knowledge, &KnowledgeInfo::gaps>},
    Row{"interest_resyncs",
        total("dove_agent_interest_resyncs_total",
              "Times that a controller saw differently what was asked."),
        read<&S::knowledge, &KnowledgeInfo::resyncs>},
    Row{"controller_audits",
        total("dove_agent_controller_audits_total", "Networks compared with the controller."),
        read<&S::audits, &BeliefAudit::Counters::audits>},
    Row{"controller_differences",
        total("dove_agent_controller_differences_total", "What differed from the controller."),
        read<&S::audits, &BeliefAudit::Counters::differences>},
    Row{"controller_mended",
        total("dove_agent_controller_mended_total", "Of these, what was mended."),
        read<&S::audits, &BeliefAudit::Counters::mended>},
    Row{"replicated_networks",
        gauge("dove_agent_replicated_networks", "Networks known as a whole."),
        read<&S::knowledge, &KnowledgeInfo::networks>},
    Row{"knowledge_age_ms",
        gauge("dove_agent_knowledge_age_seconds", "Since what is known was all, and true.",
              api::kMilliseconds),
        read_ms<&S::knowledge, &KnowledgeInfo::age>},
    Row{"session_connected", gauge("dove_agent_session_connected", "1 with a session, else 0."),
        sizes<&AgentSizes::connected>},
    Row{"session_age_ms",
        gauge("dove_agent_session_age_seconds", "Since there is a session, or since there is none.",
              api::kMilliseconds),
        read_ms<&S::sizes, &AgentSizes::session_age>},
    Row{"revision", gauge("dove_agent_revision", "The controller's last revision heard of."),
        sizes<&AgentSizes::revision>},
    Row{"applied_revision",
        gauge("dove_agent_applied_revision",
              "The last revision said to be in the kernel; 0: none in this session."),
        sizes<&AgentSizes::applied>},
    Row{"hosts", gauge("dove_agent_hosts", "Hosts of the fabric, this one too."),
        sizes<&AgentSizes::hosts>},
    Row{"networks", gauge("dove_agent_networks", "Networks on this host."),
        sizes<&AgentSizes::networks>},
    Row{"learned_guests", gauge("dove_agent_learned_guests", "Guests here that nobody registered."),
        sizes<&AgentSizes::learned_guests>}};

// Of what is measured.
struct SpreadRow {
  std::string_view name;
  Metric metric;
  const Histogram& (*read)(const S&);
};
template <auto Part, auto Member>
const Histogram& spread(const S& sources) {
  return sources.*Part.*Member;
}
constexpr std::array kSpreads{
    SpreadRow{"answer_time",
              api::times("dove_agent_answer_seconds",
                         "Time from a question to the controller's answer, of one question at a "
                         "time."),
              spread<&S::session, &Session::Counters::answer_time>},
    SpreadRow{"wait_time",
              api::times("dove_agent_wait_seconds",
                         "Time that guests' packets and questions waited until they were served."),
              spread<&S::resolver, &ResolverCounters::waits>},
    SpreadRow{
        "batch_time",
        api::times("dove_agent_batch_seconds", "Time that the kernel took for a batch of changes."),
        spread<&S::datapath, &DatapathCounters::batch_time>},
    SpreadRow{"batch_size",
              api::counts("dove_agent_batch_changes", "Changes in a batch to the kernel."),
              spread<&S::datapath, &DatapathCounters::batch_size>},
    SpreadRow{"nft_time", api::times("dove_agent_nft_seconds", "Time that a call of nft took."),
              spread<&S::datapath, &DatapathCounters::nft_time>}};

// Of a port.
struct LearningRow {
  std::string_view name;
  Metric metric;
  std::uint64_t Learning::Counters::*member;
};
constexpr std::array kLearning{
    LearningRow{"port_learned", total("dove_agent_port_learned_total", "Guests learned."),
                &Learning::Counters::learned},
    LearningRow{"port_learned_moved",
                total("dove_agent_port_learned_moved_total",
                      "Learned guests that went to another port or host."),
                &Learning::Counters::moved},
    LearningRow{"port_learned_aged",
                total("dove_agent_port_learned_aged_total", "Learned guests that were silent."),
                &Learning::Counters::aged},
    LearningRow{"port_learn_refused",
                total("dove_agent_port_learn_refused_total",
                      "Frames of MACs or addresses that are others'."),
                &Learning::Counters::refused},
    LearningRow{"port_learn_over_bound",
                total("dove_agent_port_learn_over_bound_total",
                      "Frames of guests for whom there was no room."),
                &Learning::Counters::over_bound}};

std::string underscored(std::string_view text) {
  std::string name{text};
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

class Maker {
 public:
  explicit Maker(const S& sources) : sources_{sources} {}

  void add(std::span<const Row> rows) {
    for (const auto& row : rows) out_.push_back({std::string{row.name}, {}, row.sample(sources_)});
  }

  void add_spreads() {
    for (const auto& row : kSpreads)
      out_.push_back({std::string{row.name}, {}, {row.metric, {}, row.read(sources_)}});
  }

  void add_drops() {
    for (std::size_t i = 0; i < static_cast<std::size_t>(DropReason::kCount); ++i) {
      const auto reason = underscored(to_string(static_cast<DropReason>(i)));
      out_.push_back(
          {"dropped_" + reason, {}, {kDropped, {{"reason", reason}}, sources_.resolver.drops[i]}});
    }
  }

  void add_ports() {
    std::map<std::string_view, std::uint64_t> states{
        {"active", 0}, {"pending", 0}, {"absent", 0}, {"lost", 0}};
    for (const auto& [dev, port] : sources_.ports) ++states[port.state];
    for (const auto& [state, count] : states)
      out_.push_back(
          {fmt::format("ports_{}", state), {}, {kPorts, {{"state", std::string{state}}}, count}});
  }

  void add_learning() {
    for (const auto& [dev, counters] : sources_.learning)
      for (const auto& row : kLearning)
        out_.push_back(
            {std::string{row.name}, dev, {row.metric, labels_of(dev), counters.*row.member}});
  }

  void add_walls() {
    for (const auto& [name, value] : sources_.walls) add_wall(name, value);
  }

  std::vector<Figure> take() { return std::move(out_); }

 private:
  std::vector<api::Label> labels_of(const std::string& dev) const {
    const auto port = sources_.ports.find(dev);
    return {{"dev", dev},
            {"network", port == sources_.ports.end() ? std::string{} : port->second.network}};
  }

  // "host_input", or "port tap0 queries_dropped".
  void add_wall(std::string_view name, std::uint64_t value) {
    constexpr std::string_view kPort = "port ";
    constexpr std::string_view kEnd = "_dropped";
    if (!name.starts_with(kPort)) {
      out_.push_back(
          {fmt::format("wall_{}", name), {}, {kWall, {{"wall", std::string{name}}}, value}});
      return;
    }
    name.remove_prefix(kPort.size());
    const auto space = name.find(' ');
    const std::string dev{name.substr(0, space)};
    auto reason = name.substr(space + 1);
    const auto counter = fmt::format("wall_port_{}", reason);
    if (reason.ends_with(kEnd)) reason.remove_suffix(kEnd.size());
    auto labels = labels_of(dev);
    labels.push_back({"reason", std::string{reason}});
    out_.push_back({counter, dev, {kPortDropped, std::move(labels), value}});
  }

  const S& sources_;
  std::vector<Figure> out_;
};

}  // namespace

std::vector<Figure> figures(const FigureSources& sources) {
  Maker maker{sources};
  maker.add(kResolver);
  maker.add_drops();
  maker.add(kUsage);
  maker.add(kDatapath);
  maker.add_learning();
  maker.add(kSession);
  maker.add_ports();
  maker.add_spreads();
  maker.add_walls();
  return maker.take();
}

std::vector<std::string_view> metric_names() {
  std::set<std::string_view> names{kDropped.name, kWall.name, kPortDropped.name, kPorts.name};
  for (const std::span<const Row> rows :
       {std::span<const Row>{kResolver}, {kUsage}, {kDatapath}, {kSession}})
    for (const auto& row : rows) names.insert(row.metric.name);
  for (const auto& row : kSpreads) names.insert(row.metric.name);
  for (const auto& row : kLearning) names.insert(row.metric.name);
  return {names.begin(), names.end()};
}

}  // namespace dove::agent
