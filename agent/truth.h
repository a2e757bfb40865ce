// What this host believes of what the controller told it, by digests, and what the controller says
// of that which differs. See Audit, Truth and Lookup in agent.proto.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "agent/directory.h"

namespace dove::agent {

// Of one network, or without one of the host as a whole.
struct Beliefs {
  std::optional<Vni> vni;
  std::uint64_t settings = 0;
  std::uint64_t members = 0;
  std::uint64_t groups = 0;
  std::optional<std::uint64_t> replica;  // of a network that is kept as a whole
  struct Interest {
    std::uint32_t keys = 0;
    std::uint64_t digest = 0;
  };
  std::optional<Interest> interest;  // empty while answers are awaited
  std::uint64_t hosts = 0;
  std::uint64_t attached = 0;
};

using GroupMembers = std::map<MacAddress, std::vector<HostId>>;

// Empty: as it is believed.
struct Truth {
  bool gone = false;  // of a network: the controller has none such, and nothing else is said
  bool joined = true;
  std::optional<NetworkSettings> settings;
  std::optional<std::vector<HostId>> members;
  std::optional<GroupMembers> groups;
  bool replica_differs = false;
  bool interest_differs = false;
  std::optional<std::vector<HostRecord>> hosts;
  std::optional<std::vector<Attachment>> attached;
};

class TruthSource {
 public:
  virtual ~TruthSource() = default;
  // As in Directory: the completion is called once, later. Behind whatever the controller has
  // pushed before it compared.
  virtual void audit(const Beliefs& beliefs, Completion<Truth> done) = 0;
  static constexpr std::size_t kKeysAtOnce = 512;
  // Precondition: no more than kKeysAtOnce.
  virtual void look_up(std::span<const Key> keys, Completion<std::vector<BindingRecord>> done) = 0;
  // All that a network has.
  virtual void look_up(Vni vni, Completion<std::vector<BindingRecord>> done) = 0;
};

}  // namespace dove::agent
