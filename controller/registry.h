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
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "controller/figures.h"
#include "controller/operation.h"
#include "controller/operator_log.h"
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
  static Result<std::unique_ptr<Registry>> open(Store& store, Sessions& sessions,
                                                OperatorLog log = OperatorLog{nullptr});
  ~Registry();

  // Ends what is being done and refuses the rest.
  void stop();

  template <class T>
  using Done = std::function<void(Result<T>)>;

  // What is to be waited for, and how long at most, as in ChangeRequest.
  using Wait = std::chrono::milliseconds;
  void change(std::vector<Operation> operations, Wait wait, Done<v1::ChangeReply> done);
  void settle(Wait wait, Done<v1::SettleReply> done);

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

  // What figures.h makes its list of. When the registry stops, `done` is not called.
  void figures(std::function<void(FigureSources)> done);

  // Registers the host and admits the peer, or says why not.
  void hello(std::shared_ptr<Peer> peer, Hello hello, Done<HostId> done);
  // The request is well-formed: its numbers are in range, its addresses have their lengths. Answers
  // through the peer's outbox. `done` is told when the reply waits there.
  void request(std::shared_ptr<Peer> peer, v1::Request request, std::function<void()> done);

 private:
  using Job = std::function<void(bool refused)>;

  Registry(Store& store, Sessions& sessions, OperatorLog log);
  Status load();
  void post(Job job);
  void run();
  Result<bool> show_objects(const Query& query, Part& part) const;
  Surroundings surroundings() const;
  // Writes the draft through; nothing to write is success.
  Status commit(Draft& draft);
  void conclude(const std::vector<Change>& changes, std::uint64_t revision);
  // Asks what became of the change that got no answer. Between jobs: it may change the state.
  void settle_doubt();
  Result<v1::ChangeReply> do_change(const std::vector<Operation>& operations);
  Result<Part> do_show(const Query& query);
  StoreWord store_word(const Hello& hello) const;
  Result<HostId> do_hello(const std::shared_ptr<Peer>& peer, const Hello& hello);
  FigureSources do_figures() const;
  void refuse(const Error& why, v1::Reply& reply);
  void do_request(const std::shared_ptr<Peer>& peer, const v1::Request& request);
  void do_request(Peer& peer, const v1::Request& request);
  void do_await(const std::shared_ptr<Peer>& peer, std::uint64_t id, const v1::Await& await);
  void do_join(Peer& peer, std::uint64_t id, const v1::Join& join);
  void do_leave(Peer& peer, std::uint64_t id, const v1::Leave& leave);
  Status do_prepare(const v1::Prepare& prepare, v1::Reply& reply);
  void do_activate(Peer& peer, std::uint64_t id, const v1::Activate& activate);
  Result<bool> activate(Peer& peer, const v1::Activate& activate);
  Status do_detach(Peer& peer, const v1::Detach& detach, v1::Reply& reply);
  Status do_announce(Peer& peer, const v1::Announce& announce);
  void do_learn(Peer& peer, std::uint64_t id, const v1::Learn& learn);
  Result<bool> learn(Peer& peer, const v1::Learn& learn, v1::Reply& reply);
  Status do_unlearn(Peer& peer, const v1::Unlearn& unlearn);
  Status do_keep(Peer& peer, const v1::Keep& keep);
  std::string host_name(HostId host) const;
  OperatorLog::Place place_of(const Endpoint& endpoint) const;
  void say_attached(const std::string& endpoint) const;
  std::uint64_t digest_of_attached(HostId host) const;
  void do_audit(const Peer& peer, const v1::Audit& audit, v1::Reply& reply) const;
  void show_attachment(const std::string& endpoint, v1::Reply& reply) const;
  void render_made(const Made& made, v1::Object* object) const;

  Store& store_;
  Sessions& sessions_;
  const OperatorLog log_;
  // The thread's own.
  State state_;
  std::uint64_t revision_ = 0;
  RegistryCounters counters_;
  Told told_;  // by the job that is being done
  // The store could not tell whether it was made. No other is until it has.
  std::optional<std::vector<Change>> doubt_;

  std::mutex mutex_;  // the queue
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  bool stopping_ = false;
  std::thread thread_;  // last: it uses all above
};

}  // namespace dove::controller
