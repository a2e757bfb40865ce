// NFULNL_MSG_PACKET: nfgenmsg { family, version, group }, then
//
//   NFULA_PACKET_HDR { be16 ether type, u8 hook }, NFULA_MARK, NFULA_PREFIX,
//   NFULA_IFINDEX_INDEV, NFULA_IFINDEX_PHYSINDEV, NFULA_HWADDR { be16 length, 8 bytes },
//   NFULA_HWHEADER, NFULA_PAYLOAD
#include "netlink/log.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_log.h>

#include <array>
#include <cerrno>

#include "netlink/ack.h"
#include "netlink/builder.h"
#include "netlink/system_error.h"

namespace dove::netlink {
namespace {

constexpr std::uint16_t kPacket = NFNL_SUBSYS_ULOG << 8U | NFULNL_MSG_PACKET;
constexpr std::uint16_t kConfig = NFNL_SUBSYS_ULOG << 8U | NFULNL_MSG_CONFIG;
constexpr std::chrono::milliseconds kPatience{1000};
constexpr std::size_t kOverhead = 512;  // everything in a message but the payload

std::optional<IfIndex> read_device(const Attributes<NFULA_MAX>& table, std::uint16_t type) {
  const auto index = table.number<std::uint32_t>(type);
  return index ? std::optional{IfIndex{static_cast<int>(ntohl(*index))}} : std::nullopt;
}

std::optional<MacAddress> read_source(ByteView bytes) {
  const auto address = load<nfulnl_msg_packet_hw>(bytes);
  if (!address || ntohs(address->hw_addrlen) != 6) return std::nullopt;
  return MacAddress::from_wire(std::as_bytes(std::span{address->hw_addr}).first(6));
}

}  // namespace

std::optional<LoggedPacket> decode_logged(const Message& message) noexcept {
  if (message.type() != kPacket) return std::nullopt;
  const auto header = message.family<nfgenmsg>();
  const auto table = Attributes<NFULA_MAX>::of<nfgenmsg>(message);
  if (!header || !table) return std::nullopt;
  const auto packet = load<nfulnl_msg_packet_hdr>((*table)[NFULA_PACKET_HDR]);
  if (!packet) return std::nullopt;
  return LoggedPacket{.family = header->nfgen_family,
                      .ether_type = ntohs(packet->hw_protocol),
                      .device = read_device(*table, NFULA_IFINDEX_INDEV),
                      .port = read_device(*table, NFULA_IFINDEX_PHYSINDEV),
                      .source = read_source((*table)[NFULA_HWADDR]),
                      .mark = ntohl(table->number<std::uint32_t>(NFULA_MARK).value_or(0)),
                      .prefix = table->text(NFULA_PREFIX).value_or(std::string_view{}),
                      .link_header = (*table)[NFULA_HWHEADER],
                      .payload = (*table)[NFULA_PAYLOAD]};
}

namespace {

// Binds the group to the socket that sends it, and says how packets are to come: one message, so
// no packet comes in another way.
std::optional<ByteView> configuration(std::span<std::byte> buffer, std::uint32_t sequence,
                                      const LogOptions& options) {
  nfgenmsg header{};
  header.version = NFNETLINK_V0;
  header.res_id = htons(options.group);
  nfulnl_msg_config_cmd bind{};
  bind.command = NFULNL_CFG_CMD_BIND;
  nfulnl_msg_config_mode mode{};
  mode.copy_mode = NFULNL_COPY_PACKET;
  mode.copy_range = htonl(options.copy_range);
  return Builder{buffer, kConfig, NLM_F_REQUEST | NLM_F_ACK, sequence}
      .family(header)
      .put(NFULA_CFG_CMD, std::as_bytes(std::span{&bind, 1}))
      .put(NFULA_CFG_MODE, std::as_bytes(std::span{&mode, 1}))
      .put_number(NFULA_CFG_QTHRESH, htonl(1))
      .finish();
}

Error refusal(std::string_view what, int os_error, std::string_view text) {
  if (os_error == EPERM)  // the kernel's answer to both
    return system_error(what, os_error,
                        "another program listens to it, or CAP_NET_ADMIN is missing");
  if (os_error == EINVAL || os_error == EOPNOTSUPP)
    return system_error(what, os_error,
                        "this kernel has no NFLOG (is the module \"nfnetlink_log\" there?)");
  return system_error(what, os_error, text);
}

}  // namespace

Result<LogListener> LogListener::open(const LogOptions& options) {
  auto socket = Socket::open(NETLINK_NETFILTER, {.receive_buffer = options.receive_buffer});
  if (!socket) return socket.error();
  LogListener listener{*std::move(socket), options.copy_range + kOverhead};
  if (auto bound = listener.bind(options); !bound) return bound.error();
  return listener;
}

LogListener::LogListener(Socket socket, std::size_t slot_bytes)
    : socket_{std::move(socket)}, inbox_{kAtOnce, slot_bytes} {}

// Packets that come before the acknowledgement is read are not for anybody yet.
Status LogListener::bind(const LogOptions& options) {
  const std::string what = fmt::format("listen to log group {}", options.group);
  const std::uint32_t sequence = socket_.next_sequence();
  std::array<std::uint64_t, 32> buffer;
  const auto request = configuration(std::as_writable_bytes(std::span{buffer}), sequence, options);
  if (!request) return system_error(what, EMSGSIZE);
  if (auto sent = socket_.send(*request); !sent) return sent;
  for (;;) {
    const auto received = socket_.wait(inbox_, kPatience);
    if (!received) return received.error();
    if (received->datagrams.empty() && !received->overrun) return system_error(what, ETIMEDOUT);
    for (ByteView rest : received->datagrams) {
      while (const auto message = Message::next(rest)) {
        const auto ack = decode_ack(*message);
        if (!ack || ack->sequence != sequence) continue;
        return ack->error == 0 ? Status{} : refusal(what, ack->error, ack->text);
      }
    }
  }
}

Result<LogListener::Drained> LogListener::drain(std::vector<LoggedPacket>& packets) {
  packets.clear();
  const auto received = socket_.receive(inbox_);
  if (!received) return received.error();
  for (ByteView rest : received->datagrams)
    while (const auto message = Message::next(rest))
      if (const auto packet = decode_logged(*message)) packets.push_back(*packet);
  return Drained{.overrun = received->overrun, .more = received->more};
}

}  // namespace dove::netlink
