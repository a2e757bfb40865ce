// Changes as anybody may send them, one request after another (each behind its length in a byte),
// planned upon a growing state: a change is refused without a trace or leaves the state in order,
// with every record as it would be loaded.
#include <google/protobuf/stubs/logging.h>

#include <cstdlib>

#include "controller/plan.h"
#include "controller/topology.h"

namespace {

// The library would write a line about every string that is no UTF-8.
[[maybe_unused]] const auto kQuiet = google::protobuf::SetLogHandler(nullptr);

using namespace dove;
using namespace dove::controller;

void must(bool condition) {
  if (!condition) std::abort();
}

class Plant {
 public:
  void change(const std::vector<Operation>& operations) {
    Draft draft{state_, now_};
    bool accepted = true;
    for (const auto& operation : operations)
      accepted = accepted && plan(operation, surroundings(), draft).ok();
    if (accepted && !draft.changes().empty()) sweep(draft);
    const auto changes = draft.changes();
    draft.roll_back();
    must(state_.check().ok());
    if (!accepted) return;
    apply(state_, changes, ++revision_, now_);
    must(state_.check().ok());
    for (const auto& one : changes)
      if (one.after) must(*decode(key_of(*one.after), encode(*one.after)) == *one.after);
    now_ += std::chrono::minutes{1};
  }

 private:
  Surroundings surroundings() const {
    return {"0123456789abcdef", revision_, [](HostId) { return false; }, kDefaultRouterMac};
  }
  State state_;
  std::uint64_t revision_ = 0;
  TimePoint now_{};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Plant plant;
  while (size > 1) {
    const std::size_t length = std::min<std::size_t>(data[0], size - 1);
    v1::ChangeRequest request;
    if (request.ParseFromArray(data + 1, static_cast<int>(length)))
      if (const auto operations = parse_change(request)) plant.change(*operations);
    data += 1 + length;
    size -= 1 + length;
  }
  return 0;
}
