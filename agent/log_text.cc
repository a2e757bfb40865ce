#include "agent/log_text.h"

#include <fmt/format.h>

namespace dove::agent {
namespace {

struct ChangeText {
  std::string operator()(const SetFdb& change) const {
    return fmt::format("MAC {} at VTEP {}", change.key.mac.to_string(), change.vtep.to_string());
  }
  std::string operator()(const SetLocalFdb& change) const {
    return fmt::format("MAC {} on this host", change.key.mac.to_string());
  }
  std::string operator()(const DeleteFdb& change) const {
    return fmt::format("end of MAC {}", change.key.mac.to_string());
  }
  std::string operator()(const SetNeighbour& change) const {
    return fmt::format("IP {} at MAC {}", change.key.ip.to_string(), change.mac.to_string());
  }
  std::string operator()(const DeleteNeighbour& change) const {
    return fmt::format("end of IP {}", change.key.ip.to_string());
  }
  std::string operator()(const SetGroup& change) const {
    return fmt::format("group {} of {} hosts", change.key.mac.to_string(), change.vteps.size());
  }
  std::string operator()(const DeleteGroup& change) const {
    return fmt::format("end of group {}", change.key.mac.to_string());
  }
};

std::string whose(const Port& port) {
  const auto network = network_text(port.network, port.vni);
  if (port.endpoint.empty())
    return fmt::format("port {}: whoever is heard, of network {},", port.dev, network);
  auto text = fmt::format("port {}: endpoint {} of network {}, MAC {}", port.dev, port.endpoint,
                          network, port.mac.to_string());
  for (const auto& ip : port.ips) text += ", " + ip.to_string();
  return text + ", generation " + std::to_string(port.generation) + ",";
}

}  // namespace

std::string network_text(const std::string& name, Vni vni) {
  return name.empty() ? "VNI " + vni.to_string() : fmt::format("{} (VNI {})", name, vni.value());
}

std::string port_text(const Port& port, bool deleted) {
  const auto where = whose(port);
  if (deleted) return where + " removed";
  switch (port.state) {
    case Port::State::kPending:
      return where + " is here, not yet confirmed by a controller";
    case Port::State::kActive:
      return where + " is active";
    case Port::State::kLost:
      return where + " is lost";
    case Port::State::kAbsent:
      return where + " waits for its device";
  }
  return where;
}

std::string change_text(const KernelChange& change) { return std::visit(ChangeText{}, change); }

}  // namespace dove::agent
