#include "controller/management_service.h"

#include "api/server_call.h"
#include "api/status.h"

namespace dove::controller {
namespace {

// Writes part after part; the next is made when the one before has been written. Between asking
// for a part and having it, the call waits for the registry alone: nothing else can end it.
class ShowCall final : public api::StreamCall<v1::ShowRequest, v1::ShowReply> {
 public:
  explicit ShowCall(Registry& registry) : registry_{registry} {}

 private:
  void begin(const v1::ShowRequest& request) override {
    query_.kind = request.kind();
    query_.name = request.name();
    query_.network = request.network();
    query_.tenant = request.tenant();
    next();
  }
  void written(bool ok) override { ok ? next() : finish(grpc::Status::CANCELLED); }

  void next() {
    registry_.show(query_, [this](Result<Registry::Part> part) { send(std::move(part)); });
  }
  void send(Result<Registry::Part> part) {
    if (!part) return finish(api::to_status(part.error()));
    part_ = *std::move(part);
    if (part_.last) return write_last(part_.reply);
    query_.after = std::move(part_.after);
    write(part_.reply);
  }

  Registry& registry_;
  Registry::Query query_;
  Registry::Part part_;
};

template <class Reply>
Registry::Done<Reply> finish_with(Reply& reply, const api::FinishCall& finish) {
  return [&reply, finish](Result<Reply> result) {
    if (!result) return finish(api::to_status(result.error()));
    reply = *std::move(result);
    finish(grpc::Status::OK);
  };
}

void change(Registry& registry, const v1::ChangeRequest& request, v1::ChangeReply& reply,
            const api::FinishCall& finish) {
  auto operations = parse_change(request);
  if (!operations) return finish(api::to_status(operations.error()));
  registry.change(*std::move(operations), Registry::Wait{request.wait_ms()},
                  finish_with(reply, finish));
}

}  // namespace

ManagementService::ManagementService(grpc::ServerBuilder& builder, Registry& registry)
    : registry_{registry} {
  builder.RegisterService(&service_);
}

void ManagementService::start(api::CompletionThread& thread) {
  using Service = v1::Management::AsyncService;
  api::serve_unary(service_, thread, &Service::RequestChange,
                   [this](const auto& request, auto& reply, const auto& finish) {
                     change(registry_, request, reply, finish);
                   });
  api::serve_unary(service_, thread, &Service::RequestSettle,
                   [this](const v1::SettleRequest& request, v1::SettleReply& reply,
                          const api::FinishCall& finish) {
                     registry_.settle(Registry::Wait{request.wait_ms()},
                                      finish_with(reply, finish));
                   });
  api::serve_stream(service_, thread, &Service::RequestShow,
                    [this] { return std::make_shared<ShowCall>(registry_); });
}

}  // namespace dove::controller
