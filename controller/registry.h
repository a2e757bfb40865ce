// The one who changes things: a thread that owns the state and the store. What is asked of it waits
// in a queue and is done in order; a change is planned, committed to the store, put into the state,
// told to the agents, and only then confirmed.
//
// All functions may be called from any thread. `done` is called once, on the registry's thread, and
// must not block; after stop() has begun, with kUnavailable.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "controller/operation.h"
#include "controller/plan.h"
#include "controller/sessions.h"
#include "controller/state.h"
#include "controller/store/store.h"
#include "dove/v1/management.pb.h"

namespace dove::controller {

class Registry {
 public:
  // Loads everything; refuses a store whose records are damaged or contradict each other, or where
  // an endpoint has the gateways' MAC. `store` and `sessions` must outlive the registry.
  static Result<std::unique_ptr<Registry>> open(Store& store, Sessions& sessions);
  ~Registry();

  // Ends what is being done and refuses the rest.
  void stop();

  template <class T>
  using Done = std::function<void(Result<T>)>;

  void change(std::vector<Operation> operations, Done<v1::ChangeReply> done);

  // Objects in order of their names, a part at a time.
  struct Query {
    v1::ShowRequest::Kind kind = v1::ShowRequest::TENANT;
    std::string name;     // empty: all
    std::string network;  // of endpoints and policies
    std::string tenant;   // of policies
    std::string after;    // begin behind this name
  };
  struct Part {
    v1::ShowReply reply;
    std::string after;  // for the next query
    bool last = true;
  };
  void show(Query query, Done<Part> done);

  // Registers the host and admits the peer, or says why not.
  void hello(std::shared_ptr<Peer> peer, Hello hello, Done<HostId> done);
  // The request is well-formed: its numbers are in range, its addresses have their lengths. Answers
  // through the peer's outbox. `done` is told when the reply waits there.
  void request(std::shared_ptr<Peer> peer, v1::Request request, std::function<void()> done);

 private:
  using Job = std::function<void(bool refused)>;

  Registry(Store& store, Sessions& sessions);
  Status load();
  void post(Job job);
  void run();
  Result<bool> show_objects(const Query& query, Part& part) const;
  Surroundings surroundings() const;
  // Writes the draft through; nothing to write is success.
  Status commit(Draft& draft);
  Result<v1::ChangeReply> do_change(const std::vector<Operation>& operations);
  Result<Part> do_show(const Query& query);
  Result<HostId> do_hello(const std::shared_ptr<Peer>& peer, const Hello& hello);
  void do_request(Peer& peer, const v1::Request& request);
  void do_join(Peer& peer, std::uint64_t id, const v1::Join& join);
  void do_leave(Peer& peer, std::uint64_t id, const v1::Leave& leave);
  Status do_prepare(const v1::Prepare& prepare, v1::Reply& reply);
  void do_activate(Peer& peer, std::uint64_t id, const v1::Activate& activate);
  Result<bool> activate(Peer& peer, const v1::Activate& activate);
  Status do_detach(Peer& peer, const v1::Detach& detach, v1::Reply& reply);
  Status do_announce(Peer& peer, const v1::Announce& announce);
  void show_attachment(const std::string& endpoint, v1::Reply& reply) const;
  void render_made(const Made& made, v1::Object* object) const;

  Store& store_;
  Sessions& sessions_;
  // The thread's own.
  State state_;
  std::uint64_t revision_ = 0;

  std::mutex mutex_;  // the queue
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  bool stopping_ = false;
  std::thread thread_;  // last: it uses all above
};

}  // namespace dove::controller
