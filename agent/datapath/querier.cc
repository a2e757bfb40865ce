#include "agent/datapath/querier.h"

#include <algorithm>

namespace dove::agent {
namespace {

constexpr unsigned kStartupQueries = 2;  // RFC 3376 8.7
constexpr unsigned kStartupPart = 4;     // of the interval, between them

QueryTimes times_of(std::chrono::seconds interval) {
  const QueryTimes usual;
  return {.response = std::min(usual.response, std::chrono::milliseconds{interval} / 2),
          .interval = interval};
}

}  // namespace

std::chrono::seconds membership_interval(std::chrono::seconds query_interval) {
  return 2 * query_interval +
         std::chrono::ceil<std::chrono::seconds>(times_of(query_interval).response);
}

Result<Querier> Querier::open(std::chrono::seconds interval) {
  auto socket = netlink::PacketSocket::open();
  if (!socket) return socket.error();
  return Querier{std::move(*socket), times_of(interval)};
}

void Querier::add(IfIndex port, const MacAddress& source, TimePoint now) {
  ports_.insert_or_assign(port, Port{source, now, kStartupQueries});
}

void Querier::ask_now(IfIndex port, TimePoint now) {
  const auto known = ports_.find(port);
  if (known == ports_.end() || now - known->second.asked_now < kShortResponse / 2) return;
  known->second.asked_now = now;
  ask(port, known->second, kShortResponse);
}

void Querier::ask(IfIndex index, const Port& port, std::chrono::milliseconds response) {
  const QueryTimes times{.response = std::min(times_.response, response),
                         .interval = times_.interval};
  const auto igmp = build_igmp_query(port.source, times);
  const auto mld = build_mld_query(port.source, times);
  const std::array<netlink::OutgoingFrame, 2> frames{{{index, igmp}, {index, mld}}};
  sent_ += socket_.send(frames).sent;
}

void Querier::run(TimePoint now) {
  for (auto& [index, port] : ports_) {
    if (port.due > now) continue;
    // There are few guests at a port, and until they answer first nothing reaches them.
    ask(index, port, port.startup > 0 ? kShortResponse : times_.response);
    if (port.startup > 0) --port.startup;
    port.due = now + (port.startup > 0 ? TimePoint::duration{times_.interval} / kStartupPart
                                       : TimePoint::duration{times_.interval});
  }
}

std::optional<TimePoint> Querier::next_deadline() const {
  std::optional<TimePoint> first;
  for (const auto& [index, port] : ports_) first = first ? std::min(*first, port.due) : port.due;
  return first;
}

}  // namespace dove::agent
