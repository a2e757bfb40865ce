// Runs nft(8), the only way the nftables of the host are changed or read here.
//
// An invocation takes about 3.5 ms and is a process, so run() works on a thread of its own and in
// order, and what has gathered meanwhile is one transaction; what it has to say comes back through
// the executor. run_nft() waits: for start and end.
#pragma once

#include <sys/types.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "core/histogram.h"
#include "core/result.h"

namespace dove::agent {

// What to give nft: a ruleset on its standard input (`-f -`), or arguments of a listing.
struct NftCall {
  std::vector<std::string> arguments;
  std::string input;
  static NftCall transaction(std::string ruleset) { return {{"-f", "-"}, std::move(ruleset)}; }
  bool is_transaction() const noexcept { return !input.empty(); }
};

// What nft printed. kUnavailable: there is no nft; kSystem: it refused, with its own first words.
// `started`, when given, is told the process id before the process can end.
Result<std::string> run_nft(const NftCall& call, const std::function<void(pid_t)>& started = {});

class NftRunner {
 public:
  using Done = std::function<void(Result<std::string>)>;
  // Applied to what nft printed, on the runner's thread: what takes long delays nobody there.
  using Digest = std::function<void(const Result<std::string>&)>;
  // Takes a function to where callbacks shall run; called on the runner's thread.
  using Executor = std::function<void(std::function<void()>)>;

  explicit NftRunner(Executor executor);
  ~NftRunner();  // finishes the call under way, forgets the others
  NftRunner(const NftRunner&) = delete;
  NftRunner& operator=(const NftRunner&) = delete;

  // Calls are carried out in order. Transactions that wait one behind the other become one, which
  // is as good: when nft refuses that, each is carried out alone, and only the wrong one has
  // failed. From any thread.
  void run(NftCall call, Done done, Digest digest = {});
  // Waits until everything given so far has been carried out (callbacks may still be on their way).
  void drain();
  // What nft took so far, each time. From any thread.
  Histogram times();
  // Whether `process` is one of the last calls. From any thread; may wait for one that just begins,
  // so that nothing a call does can be seen before this knows it.
  bool ran(pid_t process);

 private:
  struct Job {
    NftCall call;
    Done done;
    Digest digest;
  };
  void work();
  std::vector<Job> take_jobs();
  void carry_out_all(std::vector<Job> jobs);
  Result<std::string> carry_out(const NftCall& call);
  void finish(Job& job, Result<std::string> result);
  bool is_stopping();

  Executor executor_;
  std::mutex processes_mutex_;
  std::deque<pid_t> processes_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Job> jobs_;
  bool busy_ = false;
  bool stopping_ = false;
  Histogram times_{kTimeBounds};
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace dove::agent
