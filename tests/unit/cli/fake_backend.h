// Daemons that remember what they were asked and answer what the test put in.
#pragma once

#include <optional>
#include <vector>

#include "cli/backend.h"

namespace dove::cli {

class FakeBackend final : public Backend {
 public:
  // What the daemons have.
  std::vector<v1::Object> objects;
  std::vector<v1::Port> ports;
  std::vector<v1::FdbEntry> fdb;
  std::vector<v1::Neighbour> neighbours;
  std::vector<v1::Event> events;
  v1::StatusReply status_reply;
  v1::CountersReply counters_reply;
  v1::ChangeReply change_reply;
  v1::SettleReply settle_reply;
  v1::AwaitReply await_reply;
  // When set, every call fails with it; a stream does so after what it has.
  std::optional<Error> failure;

  // What they were asked.
  std::vector<v1::Operation> operations;
  std::vector<std::uint32_t> waits;  // as long as this at most, of each call that can wait
  std::vector<v1::ShowRequest> shows;
  std::vector<v1::PortAddRequest> port_adds;
  std::vector<std::string> port_dels;
  std::vector<std::string> joins;
  std::vector<std::string> leaves;
  std::vector<std::string> tables;
  std::vector<v1::CheckRequest> checks;
  v1::CheckReply check_reply;

  Result<v1::ChangeReply> change(const v1::ChangeRequest& request) override {
    operations.insert(operations.end(), request.operations().begin(), request.operations().end());
    waits.push_back(request.wait_ms());
    return answer(change_reply);
  }
  Result<v1::SettleReply> settle(const v1::SettleRequest& request) override {
    waits.push_back(request.wait_ms());
    return answer(settle_reply);
  }
  Status show(const v1::ShowRequest& request, const Sink<v1::Object>& sink) override {
    shows.push_back(request);
    return stream(objects, sink);
  }
  Result<v1::Port> port_add(const v1::PortAddRequest& request) override {
    port_adds.push_back(request);
    return answer(ports.empty() ? v1::Port{} : ports.front());
  }
  Status port_del(const v1::PortDelRequest& request) override {
    port_dels.push_back(request.dev());
    return failure ? Status{*failure} : Status{};
  }
  Status port_show(const v1::PortShowRequest&, const Sink<v1::Port>& sink) override {
    return stream(ports, sink);
  }
  Result<v1::JoinReply> join(const v1::NetworkName& request) override {
    joins.push_back(request.network());
    v1::JoinReply reply;
    reply.set_vni(100);
    return answer(reply);
  }
  Result<v1::JoinReply> leave(const v1::NetworkName& request) override {
    leaves.push_back(request.network());
    return answer(v1::JoinReply{});
  }
  Status fdb_show(const v1::TableRequest& request, const Sink<v1::FdbEntry>& sink) override {
    tables.push_back(request.network());
    return stream(fdb, sink);
  }
  Status neighbour_show(const v1::TableRequest& request, const Sink<v1::Neighbour>& sink) override {
    tables.push_back(request.network());
    return stream(neighbours, sink);
  }
  Result<v1::StatusReply> status() override { return answer(status_reply); }
  Result<v1::CountersReply> counters() override { return answer(counters_reply); }
  Result<v1::CheckReply> check(const v1::CheckRequest& request) override {
    checks.push_back(request);
    return answer(check_reply);
  }
  Result<v1::AwaitReply> await(const v1::AwaitRequest& request) override {
    waits.push_back(request.wait_ms());
    return answer(await_reply);
  }
  Status monitor(const std::function<Status(const v1::Event&)>& sink) override {
    for (const auto& event : events)
      if (const auto wanted = sink(event); !wanted) return wanted;
    return failure ? *failure : Error{ErrorCode::kUnavailable, "doved has ended the stream"};
  }

 private:
  template <class T>
  Result<T> answer(const T& reply) const {
    if (failure) return *failure;
    return reply;
  }
  template <class T>
  Status stream(const std::vector<T>& things, const Sink<T>& sink) const {
    for (const auto& thing : things) sink(thing);
    return failure ? Status{*failure} : Status{};
  }
};

}  // namespace dove::cli
