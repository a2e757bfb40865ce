#include "agent/resolver/waiting_room.h"

namespace dove::agent {
namespace {

// Frames are their source MAC's, queries their port's. Two guests whose 64 bits collide share their
// limits.
std::uint64_t guest_of(const Network& network, const MacAddress& source, std::uint64_t seed) {
  return source.hash(seed ^ network.vni.value());
}
std::uint64_t guest_of(IfIndex port, std::uint64_t seed) {
  return mix(seed + 0x100000000 + static_cast<std::uint64_t>(port));
}

bool is_same(const Waiter::What& what, const AddressQuery& query) {
  const auto* other = std::get_if<AddressQuery>(&what);
  return other != nullptr && other->port == query.port && other->asker == query.asker &&
         other->source == query.source;
}

bool is_waiting(const Record& record, const AddressQuery& query) {
  for (const Waiter* w = record.first_waiter; w != nullptr; w = w->next_of_key)
    if (is_same(w->what, query)) return true;
  return false;
}

}  // namespace

WaitingRoom::~WaitingRoom() {
  due_.for_each([&](Waiter& waiter) { waiters_.destroy(waiter.id); });
}

std::optional<DropReason> WaitingRoom::add(Record& record, const AddressQuery& query,
                                           TimePoint now) {
  if (is_waiting(record, query)) return std::nullopt;
  return add(record, guest_of(query.port, limits_.hash_seed), query, now);
}

std::optional<DropReason> WaitingRoom::add(Record& record, PuntedFrame&& frame, TimePoint now) {
  const std::uint64_t guest = guest_of(*record.network, frame.source, limits_.hash_seed);
  return add(record, guest, std::move(frame), now);
}

std::optional<DropReason> WaitingRoom::add(Record& record, std::uint64_t guest_key,
                                           Waiter::What&& what, TimePoint now) {
  const auto* frame = std::get_if<PuntedFrame>(&what);
  const std::size_t bytes = frame != nullptr ? frame->packets.bytes() : 0;
  auto guest = guest_index_.find(guest_key, [&](auto id) { return guests_[id].key == guest_key; });
  if (const auto reason = refusal(record, guest, bytes)) return reason;

  if (!guest) guest = make_guest(guest_key);
  const std::uint32_t id = waiters_.make(record, std::move(what));
  Waiter& waiter = waiters_[id];
  waiter.id = id;
  waiter.guest = *guest;
  waiter.bytes = bytes;
  waiter.due = now + limits_.wait;
  append(record, waiter);
  return std::nullopt;
}

std::optional<DropReason> WaitingRoom::refusal(const Record& record,
                                               std::optional<std::uint32_t> guest,
                                               std::size_t bytes) const {
  if (guest) {
    if (guests_[*guest].waiting >= limits_.waiting_per_guest) return DropReason::kGuestLimit;
    if (count_of_guest(record, *guest) >= limits_.waiting_per_key_and_guest)
      return DropReason::kWaitersLimit;
  }
  const std::size_t of_guest = guest ? guests_[*guest].bytes : 0;
  if (of_guest + bytes > limits_.waiting_bytes_per_guest) return DropReason::kGuestLimit;
  if (record.waiting >= limits_.waiting_per_key) return DropReason::kWaitersLimit;
  if (record.network->waiting >= limits_.waiting_per_network) return DropReason::kNetworkLimit;
  if (bytes_ + bytes > limits_.waiting_bytes) return DropReason::kBytesLimit;
  return std::nullopt;
}

std::size_t WaitingRoom::count_of_guest(const Record& record, std::uint32_t guest) const {
  std::size_t count = 0;
  for (const Waiter* w = record.first_waiter; w != nullptr; w = w->next_of_key)
    count += w->guest == guest ? 1U : 0U;
  return count;
}

std::uint32_t WaitingRoom::make_guest(std::uint64_t key) {
  const std::uint32_t id = guests_.make(Guest{.key = key});
  guest_index_.insert(key, id);
  return id;
}

void WaitingRoom::append(Record& record, Waiter& waiter) {
  (record.first_waiter != nullptr ? record.last_waiter->next_of_key : record.first_waiter) =
      &waiter;
  record.last_waiter = &waiter;
  due_.push_back(waiter);
  ++record.waiting;
  ++record.network->waiting;
  bytes_ += waiter.bytes;
  ++guests_[waiter.guest].waiting;
  guests_[waiter.guest].bytes += waiter.bytes;
}

void WaitingRoom::remove_first(Record& record) {
  Waiter& waiter = *record.first_waiter;
  record.first_waiter = waiter.next_of_key;
  waiter.leave();
  --record.waiting;
  --record.network->waiting;
  bytes_ -= waiter.bytes;
  leave_guest(waiter);
  waiters_.destroy(waiter.id);
}

void WaitingRoom::leave_guest(const Waiter& waiter) {
  Guest& guest = guests_[waiter.guest];
  guest.bytes -= waiter.bytes;
  if (--guest.waiting != 0) return;
  guest_index_.erase(guest.key, waiter.guest);
  guests_.destroy(waiter.guest);
}

}  // namespace dove::agent
