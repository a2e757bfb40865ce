#include "netlink/segment_socket.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "netlink/udp_socket.h"

namespace dove::netlink {
namespace {

// What is too long is refused by the segment, not by what was heard of the path's MTU; bound to an
// address that the host may get later.
bool set_up_v4(int fd) {
  return set_option(fd, IPPROTO_IP, IP_MTU_DISCOVER, int{IP_PMTUDISC_DONT}) &&
         set_option(fd, IPPROTO_IP, IP_FREEBIND, 1);
}
bool set_up_v6(int fd) {
  return set_option(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, int{IPV6_PMTUDISC_DONT}) &&
         set_option(fd, IPPROTO_IPV6, IPV6_FREEBIND, 1) &&
         set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
}

// Ancillary data (cmsg(3)) for one message.
class Control {
 public:
  template <class T>
  void add(int level, int type, const T& value) {
    cmsghdr header{};
    header.cmsg_level = level;
    header.cmsg_type = type;
    header.cmsg_len = CMSG_LEN(sizeof value);
    std::memcpy(&bytes_[size_], &header, sizeof header);
    std::memcpy(&bytes_[size_ + CMSG_LEN(0)], &value, sizeof value);
    size_ += CMSG_SPACE(sizeof value);
  }
  void attach(msghdr& message) {
    message.msg_control = bytes_.data();
    message.msg_controllen = size_;
  }

 private:
  alignas(cmsghdr) std::array<std::byte, 3 * CMSG_SPACE(sizeof(int))> bytes_{};
  std::size_t size_ = 0;
};

Control control_for(const Segments& segments) {
  const bool v4 = segments.to.address.is_v4();
  const int level = v4 ? int{IPPROTO_IP} : int{IPPROTO_IPV6};
  Control control;
  control.add(level, v4 ? IP_TTL : IPV6_HOPLIMIT, int{segments.hop_limit});
  control.add(level, v4 ? IP_TOS : IPV6_TCLASS, int{segments.traffic_class});
  if (segments.payloads.size() > 1)
    control.add(SOL_UDP, UDP_SEGMENT, static_cast<std::uint16_t>(segments.payloads[0].size()));
  return control;
}

}  // namespace

Result<SegmentSocket> SegmentSocket::open(const IpAddress& source) {
  auto fd = open_udp(source, [&](int socket) {
    constexpr int kSendBuffer = 1 << 20;
    return set_option(socket, SOL_SOCKET, SO_SNDBUFFORCE, kSendBuffer) &&
           (source.is_v4() ? set_up_v4(socket) : set_up_v6(socket));
  });
  if (!fd) return fd.error();
  return SegmentSocket{std::move(*fd)};
}

std::error_code SegmentSocket::send(const Segments& segments) {
  const auto error = [](int number) { return std::error_code{number, std::system_category()}; };
  if (segments.payloads.empty()) return {};
  if (segments.payloads.size() > kAtMost) return error(EINVAL);
  std::array<iovec, kAtMost> vectors;
  for (std::size_t i = 0; i < segments.payloads.size(); ++i)
    vectors[i] = {const_cast<std::byte*>(segments.payloads[i].data()), segments.payloads[i].size()};
  auto to = socket_address(segments.to.address, segments.to.port);
  auto control = control_for(segments);
  msghdr message{};
  message.msg_name = &to;
  message.msg_namelen = sizeof to;
  message.msg_iov = vectors.data();
  message.msg_iovlen = segments.payloads.size();
  control.attach(message);
  while (::sendmsg(fd_.get(), &message, 0) < 0)
    if (errno != EINTR) return error(errno == EAGAIN ? ENOBUFS : errno);
  return {};
}

}  // namespace dove::netlink
