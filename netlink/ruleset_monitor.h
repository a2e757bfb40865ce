// Who changes a table of nftables, in whatever family.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "netlink/socket.h"

namespace dove::netlink {

class RulesetMonitor {
 public:
  // Of the tables named `table`: they themselves, their chains, rules, sets, elements and objects.
  // What packets do (elements of dynamic sets, counters) is no change.
  static Result<RulesetMonitor> open(std::string table, std::size_t receive_buffer = 4U << 20U);

  int fd() const noexcept { return socket_.fd(); }

  struct Drained {
    bool overrun = false;  // changes were lost: anybody may have made any
    bool more = false;     // there may be more: drain again before going to sleep
  };
  // Appends the netlink port of whoever made a change, once a run of changes. nft(8) has its
  // process id there.
  Result<Drained> drain(std::vector<std::uint32_t>& senders);

 private:
  RulesetMonitor(Socket socket, std::string table);
  Socket socket_;
  Inbox inbox_;
  std::string table_;
};

// Whether a message tells of a change to a table of this name.
bool changes_table(const Message& message, std::string_view table) noexcept;

}  // namespace dove::netlink
