// What a controller says within a session, told to a listener in the agent's values. Parts of
// messages that make no sense are left out and counted; nothing wrong passes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "agent/directory.h"
#include "core/result.h"
#include "dove/v1/agent.pb.h"

namespace dove::agent {

class SessionReader {
 public:
  // Both outlive the object.
  SessionReader(DirectoryListener& listener, std::uint64_t& malformed)
      : listener_{listener}, malformed_{malformed} {}

  // Who this host is. Another with its VTEP makes no sense.
  void set_self(HostId self, const Vtep& vtep) {
    self_ = self;
    vtep_ = vtep;
  }

  // Every message but a welcome and a reply, which are the session's own business. The revision up
  // to which the listener has been told now, or 0.
  std::uint64_t read(const v1::FromController& message);
  // Of the last message that had any; valid until the next.
  std::span<const BindingRecord> bindings() const noexcept { return bindings_; }

 private:
  std::uint64_t read(const v1::Bindings& message);
  std::uint64_t read(const v1::Hosts& message);
  std::uint64_t read(const v1::FloodList& message);
  std::uint64_t read(const v1::GroupList& message);
  std::uint64_t read(const v1::NetworkSettings& message);
  std::uint64_t read(const v1::NetworkGone& message);
  std::uint64_t read(const v1::Lost& message);
  std::uint64_t read(const v1::Readdressed& message);
  std::uint64_t read(const v1::Replica& message);
  std::uint64_t read(const v1::Resync& message);
  std::uint64_t read(const v1::Sync& message);
  template <class Value>
  Value* check(Result<Value>& parsed);

  DirectoryListener& listener_;
  std::uint64_t& malformed_;
  HostId self_{};
  std::optional<Vtep> vtep_;
  std::vector<BindingRecord> bindings_;  // of the message at hand
};

}  // namespace dove::agent
