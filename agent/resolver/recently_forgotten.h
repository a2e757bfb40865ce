// Which keys the controller was told to forget of late. It matters where interest comes by itself,
// with an IP's answer or an introduction: when these and our forget crossed, the controller has
// forgotten what we believe it will tell. Who may be in here is asked for in words.
//
// Of fixed size, and right in one direction only: what was added within the last kMemory is always
// contained, something else may be.
#pragma once

#include <bitset>
#include <chrono>
#include <cstddef>

#include "agent/event.h"
#include "core/hash.h"

namespace dove::agent {

class RecentlyForgotten {
 public:
  static constexpr std::chrono::seconds kMemory{30};

  void add(const Key& key, TimePoint now) {
    turn(now);
    young_.set(place(key));
  }
  bool may_contain(const Key& key, TimePoint now) {
    turn(now);
    return young_.test(place(key)) || old_.test(place(key));
  }

 private:
  static constexpr std::size_t kPlaces = 1U << 16U;
  static std::size_t place(const Key& key) { return std::hash<Key>{}(key) % kPlaces; }
  void turn(TimePoint now) {
    if (now - since_ < kMemory) return;
    old_ = now - since_ < 2 * kMemory ? young_ : std::bitset<kPlaces>{};
    young_.reset();
    since_ = now;
  }

  TimePoint since_{};
  std::bitset<kPlaces> young_;
  std::bitset<kPlaces> old_;
};

}  // namespace dove::agent
