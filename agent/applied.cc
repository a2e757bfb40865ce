// When what the controller has said is in force here, and how it is told.
#include "agent/agent.h"

namespace dove::agent {

void Agent::on_sync(std::uint64_t number, std::uint64_t revision) {
  sync_ = Progress::Point{number, revision};
  end_turn_soon();
}

// At the end of a turn, so that what was said before the point has been carried out or is under
// way.
void Agent::tell_applied() {
  mark_asked();
  if (sync_) progress_.reach_for(*std::exchange(sync_, std::nullopt));
  const auto reached = progress_.reached();
  if (!reached) return;
  applied_ = reached->point.revision;
  session_.applied(reached->point, reached->problem);
}

std::uint64_t Agent::applied() const {
  return progress_.is_idle() && !sync_ && !turn_posted_ ? session_.revision() : applied_;
}

// What is known is asked for again: until the answers are here it may be wrong.
void Agent::await_answers() {
  if (!asking_again_) asking_again_ = progress_.hold();
}

// Behind what is asked; some of that may have been left to the next turn.
void Agent::mark_asked() {
  if (!asking_again_) return;
  const auto next = resolver_.next_deadline();
  if (next && *next <= std::chrono::steady_clock::now()) return;
  session_.mark([asked = std::exchange(asking_again_, nullptr)](const Status&) {});
}

// The networks' lists come behind the replies.
void Agent::confirm_ports() {
  ports_.on_session_ready([this, hold = progress_.hold()] {
    await_answers();
    // Not before: who speaks has to be active here.
    for (const auto& word : announcements_.begin_session()) announce(word, {});
  });
}

// Who may send to us. Nobody hears that we know of a new host before its packets are let in.
void Agent::tell_walls() {
  std::set<IpAddress> others;
  for (const auto& [vtep, host] : vteps_)
    if (vtep.address != options_.local.address) others.insert(vtep.address);
  if (std::exchange(known_vteps_, others) != others)
    save([this](const Status& status) {
      if (!status) on_trouble(status.error().message);
    });
  ++hosts_let_in_;
  change_walls([&](auto done) {
    datapath_->set_vteps(others, [this, done = std::move(done)](const Status& status) {
      if (--hosts_let_in_ == 0 && !hosts_changed_ && status)
        session_.knows_hosts(session_.revision());
      done(status);
    });
  });
}

// It is under way until the change is in force.
void Agent::change_walls(const std::function<void(Datapath::Done)>& change) {
  change([this, hold = progress_.hold()](const Status& status) mutable {
    if (!status) {
      progress_.failed(status.error().message);
      on_trouble(status.error().message);
    }
    hold.reset();
    end_turn();
  });
}

}  // namespace dove::agent
