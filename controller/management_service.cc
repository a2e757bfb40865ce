#include "controller/management_service.h"

#include "api/status.h"

namespace dove::controller {
namespace {

// Writes part after part; the next is made when the one before has been written. Between asking
// for a part and having it, the reactor waits for the registry alone: nothing else can end it.
class ShowStream final : public grpc::ServerWriteReactor<v1::ShowReply> {
 public:
  ShowStream(Registry& registry, const v1::ShowRequest& request) : registry_{registry} {
    query_.kind = request.kind();
    query_.name = request.name();
    query_.network = request.network();
  }

  void next() {
    registry_.show(query_, [this](Result<Registry::Part> part) { write(std::move(part)); });
  }

 private:
  void write(Result<Registry::Part> part) {
    if (!part) return Finish(api::to_status(part.error()));
    part_ = *std::move(part);
    if (part_.last) return StartWriteAndFinish(&part_.reply, {}, grpc::Status::OK);
    query_.after = std::move(part_.after);
    StartWrite(&part_.reply);
  }

  void OnWriteDone(bool ok) override {
    if (part_.last) return;
    if (!ok) return Finish(grpc::Status::CANCELLED);
    next();
  }
  void OnDone() override { delete this; }

  Registry& registry_;
  Registry::Query query_;
  Registry::Part part_;
};

}  // namespace

grpc::ServerUnaryReactor* ManagementService::Change(grpc::CallbackServerContext* context,
                                                    const v1::ChangeRequest* request,
                                                    v1::ChangeReply* reply) {
  auto* reactor = context->DefaultReactor();
  auto operations = parse_change(*request);
  if (!operations) {
    reactor->Finish(api::to_status(operations.error()));
    return reactor;
  }
  registry_.change(*std::move(operations), [reactor, reply](Result<v1::ChangeReply> result) {
    if (!result) return reactor->Finish(api::to_status(result.error()));
    *reply = *std::move(result);
    reactor->Finish(grpc::Status::OK);
  });
  return reactor;
}

grpc::ServerWriteReactor<v1::ShowReply>* ManagementService::Show(grpc::CallbackServerContext*,
                                                                 const v1::ShowRequest* request) {
  auto* stream = new ShowStream{registry_, *request};
  stream->next();
  return stream;
}

}  // namespace dove::controller
