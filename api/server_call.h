// Calls that a server answers on a CompletionThread. gRPC has each wait for its caller in advance:
// these keep one of every method waiting, until the server is shut down.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/async_stream.h>
#include <grpcpp/support/async_unary_call.h>

#include <functional>
#include <memory>
#include <utility>

#include "api/completion_thread.h"

namespace dove::api {

// To be called once, from any thread; nothing of the call may be used after it.
using FinishCall = std::function<void(const grpc::Status&)>;

// A call of a unary method. Deletes itself.
template <class Request, class Reply>
class UnaryCall final : private Operation {
 public:
  using Responder = grpc::ServerAsyncResponseWriter<Reply>;
  using Accept = std::function<void(grpc::ServerContext*, Request*, Responder*, void* tag)>;
  // On the queue's thread. Request and reply are there until the call is finished.
  using Handle = std::function<void(const Request&, Reply&, FinishCall)>;

  static void wait(CompletionThread& thread, const Accept& accept, const Handle& handle) {
    auto* call = new UnaryCall{thread, accept, handle};
    accept(&call->context_, &call->request_, &call->responder_, call->tag());
  }

 private:
  UnaryCall(CompletionThread& thread, const Accept& accept, const Handle& handle)
      : thread_{thread}, accept_{accept}, handle_{handle} {}

  void done(bool ok) override {
    const bool handled = hold_ != nullptr;
    if (ok && !handled) hold_ = thread_.hold();
    if (handled || !hold_) {
      delete this;
      return;
    }
    wait(thread_, accept_, handle_);
    const auto handle = std::move(handle_);  // the call may be over before it returns
    handle(request_, reply_, [this](const grpc::Status& status) {
      auto* const tag = this->tag();
      status.ok() ? responder_.Finish(reply_, status, tag)
                  : responder_.FinishWithError(status, tag);
    });
  }

  CompletionThread& thread_;
  const Accept accept_;
  Handle handle_;
  CompletionThread::Hold hold_;  // from when it is handled
  grpc::ServerContext context_;
  Request request_;
  Reply reply_;
  Responder responder_{&context_};
};

// A call of a method that answers with a stream. Lives until gRPC is done with it, and longer while
// others hold it.
template <class Request, class Reply>
class StreamCall : public std::enable_shared_from_this<StreamCall<Request, Reply>> {
 public:
  using Writer = grpc::ServerAsyncWriter<Reply>;
  using Accept = std::function<void(grpc::ServerContext*, Request*, Writer*, void* tag)>;
  using Make = std::function<std::shared_ptr<StreamCall>()>;

  static void wait(CompletionThread& thread, const Accept& accept, const Make& make) {
    auto call = make();
    call->thread_ = &thread;
    call->again_ = [&thread, accept, make] { wait(thread, accept, make); };
    call->self_ = call;
    call->context_.AsyncNotifyWhenDone(call->on_gone_.tag());
    accept(&call->context_, &call->request_, &call->writer_, call->on_begun_.tag());
  }
  virtual ~StreamCall() = default;
  StreamCall(const StreamCall&) = delete;
  StreamCall& operator=(const StreamCall&) = delete;

 protected:
  StreamCall() = default;

  // --- on the queue's thread
  virtual void begin(const Request& request) = 0;
  virtual void written(bool ok) = 0;
  // The caller has gone away, or the call is finished. It must be finished all the same.
  virtual void gone() {}

  // --- from any thread: one write at a time, its message there until written(); then one finish
  void write(const Reply& reply) { writer_.Write(reply, on_written_.tag()); }
  void write_last(const Reply& reply) {
    writer_.WriteAndFinish(reply, {}, grpc::Status::OK, on_finished_.tag());
  }
  void finish(const grpc::Status& status) { writer_.Finish(status, on_finished_.tag()); }

 private:
  void begun(bool ok) {
    if (!ok) return leave();
    hold_ = thread_->hold();
    finished_ = hold_ == nullptr;
    if (finished_) return;
    std::exchange(again_, nullptr)();
    begin(request_);
  }
  void finished(bool /*whether it was heard*/) {
    finished_ = true;
    if (gone_) leave();
  }
  void caller_gone(bool /*always*/) {
    if (hold_) gone();
    gone_ = true;
    if (finished_) leave();
  }
  void leave() { const auto self = std::move(self_); }

  CompletionThread* thread_ = nullptr;
  std::function<void()> again_;
  CompletionThread::Hold hold_;  // from when it is begun
  grpc::ServerContext context_;
  Request request_;
  Writer writer_{&context_};
  std::shared_ptr<StreamCall> self_;
  bool finished_ = false;  // queue's thread, both
  bool gone_ = false;

  OperationOf<StreamCall, &StreamCall::begun> on_begun_{*this};
  OperationOf<StreamCall, &StreamCall::written> on_written_{*this};
  OperationOf<StreamCall, &StreamCall::finished> on_finished_{*this};
  OperationOf<StreamCall, &StreamCall::caller_gone> on_gone_{*this};
};

// A generated Request... function of an asynchronous service.
template <class Owner, class Request, class Responder>
using RequestFunction = void (Owner::*)(grpc::ServerContext*, Request*, Responder*,
                                        grpc::CompletionQueue*, grpc::ServerCompletionQueue*,
                                        void*);

// It, for calls that are answered on `thread`.
template <class Service, class Owner, class Request, class Responder>
auto accept_on(CompletionThread& thread, Service& service,
               RequestFunction<Owner, Request, Responder> function) {
  return [&service, &queue = thread.server_queue(), function](
             grpc::ServerContext* context, Request* request, Responder* responder, void* tag) {
    (service.*function)(context, request, responder, &queue, &queue, tag);
  };
}

template <class Request, class Reply, class Service, class Owner>
void serve_unary(Service& service, CompletionThread& thread,
                 RequestFunction<Owner, Request, grpc::ServerAsyncResponseWriter<Reply>> function,
                 const typename UnaryCall<Request, Reply>::Handle& handle) {
  UnaryCall<Request, Reply>::wait(thread, accept_on(thread, service, function), handle);
}

template <class Request, class Reply, class Service, class Owner>
void serve_stream(Service& service, CompletionThread& thread,
                  RequestFunction<Owner, Request, grpc::ServerAsyncWriter<Reply>> function,
                  const typename StreamCall<Request, Reply>::Make& make) {
  StreamCall<Request, Reply>::wait(thread, accept_on(thread, service, function), make);
}

}  // namespace dove::api
