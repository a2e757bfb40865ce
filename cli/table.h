// fdb and neighbour: a table of this host's kernel, whole or of one network.
#pragma once

#include "cli/object.h"
#include "cli/records.h"
#include "cli/values.h"

namespace dove::cli {

template <class Entry>
using TableCall = Status (Backend::*)(const v1::TableRequest&, const Sink<Entry>&);

// show [network NETWORK]
template <class Entry>
Result<Action> parse_table(Words& words, TableCall<Entry> call) {
  v1::TableRequest request;
  const auto network = name_keyword("network", request.mutable_network());
  if (const auto parsed = parse_keywords(words, std::span{&network, 1}); !parsed)
    return parsed.error();
  return Action{[request = std::move(request), call](Session& session) -> Status {
    session.printer.begin();
    const auto shown = (session.backend.*call)(
        request, [&](const Entry& entry) { session.printer.add(to_record(entry)); });
    return shown ? session.printer.finish() : shown;
  }};
}

}  // namespace dove::cli
