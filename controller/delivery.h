// What one change of the sessions says to agents. Not for other files than the sessions' own.
#pragma once

#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "controller/sessions.h"

namespace dove::controller {

// Collects, with the sessions' lock held, who has to be flushed or closed once it is released; and
// mends what an overflow broke.
class Sessions::Delivery final : public Directory::Listener {
 public:
  // Adds to `told` who is told what.
  explicit Delivery(Sessions& sessions, Told* told = nullptr)
      : sessions_{sessions}, lock_{sessions.mutex_}, told_{told} {}

  ~Delivery() override {
    sessions_.counters_.resyncs += resynced_.size();
    sessions_.counters_.slow_agents += stuck_.size();
    for (const auto reader : resynced_) {
      sessions_.directory_.forget_all(reader);
      sessions_.replicas_.end_all(reader);
      if (auto* session = sessions_.live(reader)) session->too_much.clear();
      begin_anew(reader);
    }
    if (told_ != nullptr) note_told();
    const auto over = sessions_.waits_.take_over();
    std::vector<std::shared_ptr<Peer>> flush;
    std::vector<std::shared_ptr<Peer>> close;
    for (const auto reader : order_)
      if (auto* session = sessions_.live(reader)) flush.push_back(session->peer);
    for (const auto reader : stuck_)
      if (auto* session = sessions_.live(reader)) close.push_back(session->peer);
    lock_.unlock();
    for (const auto& peer : flush) peer->flush();
    for (const auto& peer : close)
      peer->close({ErrorCode::kUnavailable, "the agent reads too slowly"});
    for (const auto& [peer, reason] : replaced_) peer->close(reason);
    for (const auto& line : lines_) sessions_.options_.report(line);
    for (const auto& done : over) done();
  }

  void tell(ReaderId reader, const MacBinding& binding) override { tell_any(reader, binding); }
  void tell(ReaderId reader, const IpBinding& binding) override { tell_any(reader, binding); }

  void send(ReaderId reader, v1::FromController&& message) {
    auto* session = sessions_.live(reader);
    if (session == nullptr) return;
    touch(reader, *session);
    if (!session->peer->outbox.add(std::move(message))) stuck_.insert(reader);
  }

  // What was said so far is all.
  void sync(ReaderId reader) {
    auto* session = sessions_.live(reader);
    if (session == nullptr) return;
    v1::FromController message;
    message.mutable_sync()->set_number(++session->sent);
    message.mutable_sync()->set_revision(sessions_.revision_);
    session->sent_revision = sessions_.revision_;
    send(reader, std::move(message));
    session->told = false;
    last_reader_ = 0;
  }

  // What the agent was told before may be lost: it asks anew.
  void begin_anew(ReaderId reader) {
    auto* session = sessions_.live(reader);
    if (session == nullptr) return;
    sync(reader);
    session->whole = session->sent;
    sessions_.absent_.insert(session->peer->host);
  }

  // Would have been told.
  void concern(HostId host, const Told::Point& point) {
    if (told_ != nullptr) told_->add(host, point);
  }

  // Counts with the bindings: dropped for a Resync when too much waits.
  void send_replica(ReaderId reader, v1::FromController&& message) {
    auto* session = sessions_.live(reader);
    if (session == nullptr) return;
    touch(reader, *session);
    ++sessions_.counters_.replica_messages;
    if (!session->peer->outbox.add_replica(std::move(message))) overflow(reader);
  }

  void resync(ReaderId reader) {
    resynced_.insert(reader);
    v1::FromController message;
    message.mutable_resync();
    send(reader, std::move(message));
  }

  // Told so far, and to how many.
  std::size_t bindings() const noexcept { return bindings_; }
  std::size_t agents() const noexcept { return touched_.size(); }

  void close(std::shared_ptr<Peer> peer, Error reason) {
    replaced_.emplace_back(std::move(peer), std::move(reason));
  }

  // For the operator.
  void report(std::string line) { lines_.push_back(std::move(line)); }

 private:
  template <class Binding>
  void tell_any(ReaderId reader, const Binding& binding) {
    if (reader != last_reader_) {
      auto* session = sessions_.live(reader);
      last_reader_ = reader;
      last_peer_ = session == nullptr ? nullptr : session->peer.get();
      if (session != nullptr) touch(reader, *session);
    }
    if (last_peer_ == nullptr) return;
    ++bindings_;
    if (!last_peer_->outbox.add(binding, sessions_.revision_)) overflow(reader);
  }

  void overflow(ReaderId reader) {
    ++sessions_.counters_.overflows;
    resynced_.insert(reader);
  }

  void touch(ReaderId reader, Live& session) {
    session.told = true;
    if (touched_.insert(reader).second) order_.push_back(reader);
  }

  void note_told() {
    for (const auto reader : order_)
      if (const auto* session = sessions_.live(reader))
        told_->add(session->peer->host, session->point());
  }

  Sessions& sessions_;
  std::unique_lock<std::mutex> lock_;
  Told* const told_;
  ReaderId last_reader_ = 0;  // most often the same one many times
  Peer* last_peer_ = nullptr;
  std::size_t bindings_ = 0;
  std::set<ReaderId> touched_;
  std::vector<ReaderId> order_;  // who asked is told before others are
  std::set<ReaderId> resynced_;
  std::set<ReaderId> stuck_;
  std::vector<std::pair<std::shared_ptr<Peer>, Error>> replaced_;
  std::vector<std::string> lines_;
};

}  // namespace dove::controller
