// The multicast querier of the guests' ports: asks each guest, out of its own port, which groups it
// listens to, so that the bridge, which hears the answers, does not forget who listens. A port is
// asked at once when it is added, again soon after, and then every interval, each on its own beat;
// the first times it has but a second to answer.
//
// Belongs to the loop thread. Time is an argument.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>

#include "agent/event.h"
#include "agent/frames/group_query.h"
#include "core/result.h"
#include "netlink/packet_socket.h"

namespace dove::agent {

class Querier {
 public:
  static Result<Querier> open(std::chrono::seconds interval);

  // `source`: whose the queries are.
  void add(IfIndex port, const MacAddress& source, TimePoint now);
  void remove(IfIndex port) { ports_.erase(port); }
  // Asks at once, besides, and wants the answer within kShortResponse; who was asked so just now
  // is not asked again. Of a port that was not added: nothing.
  static constexpr std::chrono::milliseconds kShortResponse{1000};
  void ask_now(IfIndex port, TimePoint now);
  // Sends the queries that are due.
  void run(TimePoint now);
  std::optional<TimePoint> next_deadline() const;
  std::uint64_t sent() const noexcept { return sent_; }

 private:
  struct Port {
    MacAddress source;
    TimePoint due;
    unsigned startup = 0;  // queries still to be sent sooner
    TimePoint asked_now{};
  };

  Querier(netlink::PacketSocket socket, const QueryTimes& times)
      : socket_{std::move(socket)}, times_{times} {}
  void ask(IfIndex index, const Port& port, std::chrono::milliseconds response);

  netlink::PacketSocket socket_;
  QueryTimes times_;
  std::map<IfIndex, Port> ports_;
  std::uint64_t sent_ = 0;
};

// How long a listener is believed without a word: two queries and the time to answer (RFC
// 3376 8.4).
std::chrono::seconds membership_interval(std::chrono::seconds query_interval);

}  // namespace dove::agent
