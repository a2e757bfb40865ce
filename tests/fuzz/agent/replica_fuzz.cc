// Words about replicas, from a controller and from a file: a replica takes whatever can be parsed,
// and is saved as what it is.
#include <google/protobuf/stubs/logging.h>

#include "agent/replica_file.h"
#include "agent/session_message.h"
#include "tests/fuzz/agent/must.h"

// The library would write a line about every string that is no UTF-8.
[[maybe_unused]] static const auto kQuiet = google::protobuf::SetLogHandler(nullptr);

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace dove::agent;
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  if (const auto saved = parse_replica(text))
    fuzz::must(parse_replica(format_replica(*saved)).ok());
  dove::v1::Replica message;
  if (!message.ParseFromArray(data, static_cast<int>(size))) return 0;
  auto word = parse_replica(message);
  if (!word) return 0;
  Replica replica;
  for (const auto kind : {ReplicaWord::Kind::kLast, word->kind, ReplicaWord::Kind::kDelta}) {
    word->kind = kind;
    (void)replica.take(*word);
    const SavedReplica saved{.store_id = "s", .vni = word->vni, .replica = replica, .at = {}};
    const auto read = parse_replica(format_replica(saved));
    fuzz::must(read.ok());
    fuzz::must(read->replica.digest() == replica.digest());
    word->after = replica.revision();
    if (word->revision < ~0ULL) ++word->revision;
  }
  return 0;
}
