#include "api/realtime.h"

namespace dove::api {

std::optional<Realtime> take_realtime(unsigned priority, Journal& journal) {
  if (priority == 0) return std::nullopt;
  auto realtime = Realtime::take(priority, [&journal](bool had) {
    journal.notice("real-time priority",
                   had ? "real-time priority again"
                       : "much work: without real-time priority until there is less");
  });
  if (realtime) return *std::move(realtime);
  journal.complain(realtime.error().message);
  return std::nullopt;
}

}  // namespace dove::api
