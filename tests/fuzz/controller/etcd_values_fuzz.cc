// What etcd answers: a page of keys and values, of which records and commits are made. What is read
// as a record is what was stored, and a commit's chunks are its writes, in their order.
#include <google/protobuf/stubs/logging.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "controller/store/etcd_layout.h"

// The library would write a line about every string that is no UTF-8.
[[maybe_unused]] static const auto kQuiet = google::protobuf::SetLogHandler(nullptr);

namespace {

using namespace dove::controller;
using namespace dove::controller::etcd_layout;

void check_record(const rpc::KeyValue& found) {
  const auto record = record_of(found);
  if (!record) return;
  if (kRecords + record->key != found.key()) std::abort();
  if (stamped(record->revision, record->value) != found.value()) std::abort();
}

void check_chunks(const stored::Chunk& chunk) {
  std::vector<Write> writes;
  for (const auto& one : chunk.writes())
    writes.push_back({one.key(), one.has_value() ? std::optional{one.value()} : std::nullopt});
  const auto chunks = chunks_of(writes);
  if (fits_in_one(writes) && chunks.size() > 1) std::abort();
  auto wanted = writes.begin();
  for (const auto& part : chunks) {
    if (part.writes_size() == 0) std::abort();
    for (const auto& one : part.writes()) {
      if (wanted == writes.end() || one.key() != wanted->key) std::abort();
      if (one.has_value() != wanted->value.has_value()) std::abort();
      if (one.value() != wanted->value.value_or("")) std::abort();
      ++wanted;
    }
  }
  if (wanted != writes.end()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  rpc::RangeResponse page;
  if (!page.ParseFromArray(data, static_cast<int>(size))) return 0;
  for (const auto& found : page.kvs()) {
    check_record(found);
    stored::Chunk chunk;
    if (chunk.ParseFromString(found.value())) check_chunks(chunk);
  }
  rpc::TxnResponse response;
  *response.add_responses()->mutable_response_range() = page;
  if (shown(response, 0).key() != (page.kvs_size() == 0 ? std::string{} : page.kvs(0).key()))
    std::abort();
  if (shown(response, 1).create_revision() != 0) std::abort();
  return 0;
}
