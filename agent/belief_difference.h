// What this host believes of what the controller told it, against what the controller says now, in
// words: "NAME is so instead of so". Pure.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "agent/truth.h"

namespace dove::agent {

using Words = std::vector<std::string>;
using HostName = std::function<std::string(HostId)>;

Words differences(const NetworkSettings& believed, const NetworkSettings& truth);
// `list`: what both are, "flood list".
Words differences(const std::string& list, std::span<const HostId> believed,
                  std::span<const HostId> truth, const HostName& name);
Words differences(const GroupMembers& believed, const GroupMembers& truth, const HostName& name);
Words differences(std::span<const HostRecord> believed, std::span<const HostRecord> truth);

// An endpoint of this host as it is here; `place` says where, "port tap0".
struct Attached {
  std::string place;
  Attachment attachment;
};
Words differences(const Attached& believed, const Attachment& truth);
// The controller does not know it to be here, or it is not here though the controller says so.
std::string is_nowhere(const Attached& believed);
std::string is_elsewhere(const Attachment& truth);

// Either is empty when that side has no record of the key.
std::string difference(const Key& key, const BindingRecord* believed, const BindingRecord* truth,
                       const HostName& name);

}  // namespace dove::agent
