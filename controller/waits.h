// Who waits for which hosts to have applied what they were told. Hears what agents say and when
// time passes; a host that is not connected is not waited for, but one that comes back while others
// are is. Pure.
//
// Not thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "controller/directory.h"
#include "controller/state.h"

namespace dove::controller {

// What a change told whom: by host, the session, and the number of the Sync that comes behind it.
struct Told {
  struct Point {
    ReaderId reader = 0;  // 0: the host has no session, and would have been told
    std::uint64_t number = 0;
  };
  std::map<HostId, Point> points;

  void add(HostId host, const Point& point);
  void add(const Told& other);
};

// A host that has not applied what it was told.
struct Lag {
  enum class Why { kSilent, kNotConnected, kTrouble };
  HostId host;
  Why why = Why::kSilent;
  std::string problem;  // of kTrouble
};

class Waits {
 public:
  using Done = std::function<void(const std::vector<Lag>&)>;
  static constexpr std::size_t kMost = 1024;

  // `done` comes out of take_over() when every host has applied its point or has failed to, or the
  // deadline has come; at once when too many wait already.
  void add(Told told, TimePoint deadline, Done done);

  void applied(HostId host, const Told::Point& up_to, const std::string& problem);
  void gone(HostId host);                          // its session has ended
  void back(HostId host, const Told::Point& all);  // it has another, which is to apply this
  void removed(HostId host);                       // there is no such host any more
  void expire(TimePoint now);

  std::optional<TimePoint> next_deadline() const;
  std::size_t size() const noexcept { return waits_.size(); }
  // Those that are over since the last call: to be called, without any lock.
  std::vector<std::function<void()>> take_over();

 private:
  struct Wait {
    std::map<HostId, Told::Point> pending;
    std::map<HostId, Lag> lagging;
    TimePoint deadline;
    Done done;
  };
  // Looks at each wait once more; those without a pending host are over.
  template <class Change>
  void for_each(Change change);
  void end(Wait&& wait);

  std::list<Wait> waits_;
  std::vector<std::function<void()>> over_;
};

}  // namespace dove::controller
