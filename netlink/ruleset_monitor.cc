// NFT_MSG_NEWTABLE ... : nfgenmsg, then attributes of which the first type is the table's name, in
// every kind of message but NFT_MSG_NEWGEN, which ends a transaction.
#include "netlink/ruleset_monitor.h"

#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <array>

namespace dove::netlink {
namespace {

static_assert(NFTA_TABLE_NAME == 1 && NFTA_CHAIN_TABLE == 1 && NFTA_RULE_TABLE == 1 &&
              NFTA_SET_TABLE == 1 && NFTA_SET_ELEM_LIST_TABLE == 1 && NFTA_OBJ_TABLE == 1);

constexpr std::uint16_t change(int message) noexcept {
  return static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | message);
}

constexpr std::array kChanges{
    change(NFT_MSG_NEWTABLE),   change(NFT_MSG_DELTABLE), change(NFT_MSG_NEWCHAIN),
    change(NFT_MSG_DELCHAIN),   change(NFT_MSG_NEWRULE),  change(NFT_MSG_DELRULE),
    change(NFT_MSG_NEWSET),     change(NFT_MSG_DELSET),   change(NFT_MSG_NEWSETELEM),
    change(NFT_MSG_DELSETELEM), change(NFT_MSG_NEWOBJ),   change(NFT_MSG_DELOBJ)};

}  // namespace

bool changes_table(const Message& message, std::string_view table) noexcept {
  if (std::find(kChanges.begin(), kChanges.end(), message.type()) == kChanges.end()) return false;
  const auto attributes = Attributes<NFTA_TABLE_NAME>::of<nfgenmsg>(message);
  return attributes && attributes->text(NFTA_TABLE_NAME) == table;
}

Result<RulesetMonitor> RulesetMonitor::open(std::string table, std::size_t receive_buffer) {
  auto socket = Socket::open(NETLINK_NETFILTER, {.receive_buffer = receive_buffer});
  if (!socket) return socket.error();
  if (auto joined = socket->join(NFNLGRP_NFTABLES); !joined) return joined.error();
  return RulesetMonitor{std::move(*socket), std::move(table)};
}

// The kernel fills datagrams of up to 16 KiB with the messages of one transaction.
RulesetMonitor::RulesetMonitor(Socket socket, std::string table)
    : socket_{std::move(socket)}, inbox_{16, 32U << 10U}, table_{std::move(table)} {}

Result<RulesetMonitor::Drained> RulesetMonitor::drain(std::vector<std::uint32_t>& senders) {
  const auto received = socket_.receive(inbox_);
  if (!received) return received.error();
  for (ByteView rest : received->datagrams)
    while (const auto message = Message::next(rest))
      if (changes_table(*message, table_) &&
          (senders.empty() || senders.back() != message->port_id()))
        senders.push_back(message->port_id());
  return Drained{.overrun = received->overrun, .more = received->more};
}

}  // namespace dove::netlink
