// What dovectl asks of the two daemons. Behind this header is the only place that knows gRPC.
//
// Each call connects when it is the first to need that daemon, and the connection serves the calls
// after it. An error is the daemon's refusal, or says which address was not reached and why.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/address.h"
#include "core/result.h"
#include "dove/v1/local.pb.h"
#include "dove/v1/management.pb.h"

namespace dove::cli {

// Called for each thing of an answer, in the daemon's order, as it arrives.
template <class T>
using Sink = std::function<void(const T&)>;

class Backend {
 public:
  virtual ~Backend() = default;

  // --- dove-controller
  virtual Result<v1::ChangeReply> change(const v1::ChangeRequest& request) = 0;
  virtual Status show(const v1::ShowRequest& request, const Sink<v1::Object>& sink) = 0;

  virtual Result<v1::SettleReply> settle(const v1::SettleRequest& request) = 0;

  // --- the doved of this host
  virtual Result<v1::Port> port_add(const v1::PortAddRequest& request) = 0;
  virtual Status port_del(const v1::PortDelRequest& request) = 0;
  virtual Status port_show(const v1::PortShowRequest& request, const Sink<v1::Port>& sink) = 0;
  virtual Result<v1::JoinReply> join(const v1::NetworkName& request) = 0;
  virtual Result<v1::JoinReply> leave(const v1::NetworkName& request) = 0;
  virtual Status fdb_show(const v1::TableRequest& request, const Sink<v1::FdbEntry>& sink) = 0;
  virtual Status neighbour_show(const v1::TableRequest& request,
                                const Sink<v1::Neighbour>& sink) = 0;
  virtual Result<v1::StatusReply> status() = 0;
  virtual Result<v1::CountersReply> counters() = 0;
  virtual Result<v1::CheckReply> check(const v1::CheckRequest& request) = 0;
  virtual Result<v1::AwaitReply> await(const v1::AwaitRequest& request) = 0;
  // Ends with an error only: that of `sink`, or that the daemon ended the stream.
  virtual Status monitor(const std::function<Status(const v1::Event&)>& sink) = 0;
};

struct Peers {
  // Tried in this order; at least one. An error is that of whoever needs a controller.
  Result<std::vector<api::Address>> controllers;
  api::Address doved;
};
std::unique_ptr<Backend> make_backend(Peers peers);

}  // namespace dove::cli
