// The queries and frames that wait for an answer, each at its key, within Limits. Who waits too
// long leaves; who would exceed a limit does not get in. A guest's own limits come first, so that
// one that floods fills its own room and not the others'.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <variant>

#include "agent/event.h"
#include "agent/resolver.h"
#include "agent/resolver/network.h"

namespace dove::agent {

struct InDueOrder {};

struct Waiter : ListNode<InDueOrder> {
  using What = std::variant<AddressQuery, PuntedFrame>;
  Waiter(Record& at, What&& waits) noexcept : record{&at}, what{std::move(waits)} {}

  Record* record;
  Waiter* next_of_key = nullptr;
  TimePoint due{};
  std::uint32_t id = 0;
  std::uint32_t guest = 0;
  std::size_t bytes = 0;
  What what;
};

class WaitingRoom {
 public:
  explicit WaitingRoom(const Limits& limits) : limits_{limits} {}
  ~WaitingRoom();
  WaitingRoom(const WaitingRoom&) = delete;
  WaitingRoom& operator=(const WaitingRoom&) = delete;

  // Why it did not get in; empty when it did. One query of a port from one address waits once,
  // however often it is asked.
  std::optional<DropReason> add(Record& record, const AddressQuery& query, TimePoint now);
  std::optional<DropReason> add(Record& record, PuntedFrame&& frame, TimePoint now);

  // Empties the key's queue, oldest first: serve(Waiter::What&&, how long it waited).
  template <class Serve>
  void serve(Record& record, TimePoint now, Serve serve) {
    while (Waiter* waiter = record.first_waiter) {
      serve(std::move(waiter->what), now - (waiter->due - limits_.wait));
      remove_first(record);
    }
  }
  // Those whose time is over: give_up(const Record&).
  template <class GiveUp>
  void expire(TimePoint now, GiveUp give_up) {
    while (!due_.empty() && due_.front().due <= now) {
      Record& record = *due_.front().record;
      give_up(std::as_const(record));
      remove_first(record);
    }
  }

  std::optional<TimePoint> next_due() const noexcept {
    return due_.empty() ? std::nullopt : std::optional{due_.front().due};
  }
  std::size_t size() const noexcept { return waiters_.size(); }
  std::size_t bytes() const noexcept { return bytes_; }
  std::size_t guests() const noexcept { return guests_.size(); }

 private:
  struct Guest {
    std::uint64_t key;
    std::size_t waiting = 0;
    std::size_t bytes = 0;
  };

  std::optional<DropReason> add(Record& record, std::uint64_t guest_key, Waiter::What&& what,
                                TimePoint now);
  std::optional<DropReason> refusal(const Record& record, std::optional<std::uint32_t> guest,
                                    std::size_t bytes) const;
  std::size_t count_of_guest(const Record& record, std::uint32_t guest) const;
  std::uint32_t make_guest(std::uint64_t key);
  void append(Record& record, Waiter& waiter);
  void remove_first(Record& record);  // times are equal for all, so the first is also due first
  void leave_guest(const Waiter& waiter);

  const Limits& limits_;
  Slab<Waiter> waiters_;
  Slab<Guest> guests_;
  HashIndex guest_index_;
  List<Waiter, InDueOrder> due_;
  std::size_t bytes_ = 0;
};

}  // namespace dove::agent
