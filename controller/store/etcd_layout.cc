#include "controller/store/etcd_layout.h"

#include <fmt/format.h>

#include <utility>

#include "core/hex.h"

namespace dove::controller::etcd_layout {
namespace {

// Of one transaction. etcd takes 128 writes and 1.5 MiB by default.
constexpr int kMostWrites = 100;
constexpr std::size_t kMostBytes = 512 * 1024;
constexpr std::size_t kStampSize = 8;

std::size_t size_of(const Write& write) {
  return write.key.size() + (write.value ? write.value->size() : 0);
}

}  // namespace

std::string number_key(std::string_view prefix, std::uint64_t number) {
  return fmt::format("{}{:020}", prefix, number);
}

std::string chunk_key(const std::string& commit_id, std::uint64_t number) {
  return number_key(kChunks + to_hex(commit_id) + "/", number);
}

std::string end_of(std::string prefix) {
  ++prefix.back();
  return prefix;
}

std::string stamped(std::uint64_t revision, std::string_view value) {
  std::string bytes(kStampSize, '\0');
  for (std::size_t i = 0; i < kStampSize; ++i)
    bytes[i] = static_cast<char>(revision >> (8 * (kStampSize - 1 - i)) & 0xff);
  return bytes.append(value);
}

std::optional<Record> record_of(const rpc::KeyValue& found) {
  const auto& bytes = found.value();
  if (bytes.size() < kStampSize || !found.key().starts_with(kRecords)) return std::nullopt;
  std::uint64_t revision = 0;
  for (std::size_t i = 0; i < kStampSize; ++i)
    revision = revision << 8 | static_cast<unsigned char>(bytes[i]);
  return Record{found.key().substr(std::string_view{kRecords}.size()), bytes.substr(kStampSize),
                revision};
}

rpc::RangeRequest one(const std::string& key) {
  rpc::RangeRequest request;
  request.set_key(key);
  return request;
}

void put(rpc::TxnRequest& request, const std::string& key, std::string value, std::int64_t lease) {
  auto* write = request.add_success()->mutable_request_put();
  write->set_key(key);
  write->set_value(std::move(value));
  write->set_lease(lease);
}

void erase(rpc::TxnRequest& request, const std::string& key) { erase_all(request, key, {}); }

void erase_all(rpc::TxnRequest& request, const std::string& from, const std::string& end) {
  auto* range = request.add_success()->mutable_request_delete_range();
  range->set_key(from);
  range->set_range_end(end);
}

void write(rpc::TxnRequest& request, const Write& one, std::uint64_t revision) {
  const auto key = kRecords + one.key;
  if (one.value)
    put(request, key, stamped(revision, *one.value));
  else
    erase(request, key);
}

void require_created(rpc::TxnRequest& request, const std::string& key, std::int64_t at) {
  auto* compare = request.add_compare();
  compare->set_target(rpc::Compare::CREATE);
  compare->set_key(key);
  compare->set_create_revision(at);
}

void require_written(rpc::TxnRequest& request, const std::string& key, std::int64_t at) {
  auto* compare = request.add_compare();
  compare->set_target(rpc::Compare::MOD);
  compare->set_key(key);
  compare->set_mod_revision(at);
}

void require_value(rpc::TxnRequest& request, const std::string& key, const std::string& value) {
  auto* compare = request.add_compare();
  compare->set_target(rpc::Compare::VALUE);
  compare->set_key(key);
  compare->set_value(value);
}

void or_else_show(rpc::TxnRequest& request, const std::string& key) {
  *request.add_failure()->mutable_request_range() = one(key);
}

rpc::KeyValue shown(const rpc::TxnResponse& response, int at) {
  if (at >= response.responses_size()) return {};
  const auto& range = response.responses(at).response_range();
  return range.kvs_size() == 0 ? rpc::KeyValue{} : range.kvs(0);
}

bool fits_in_one(const std::vector<Write>& writes) {
  std::size_t bytes = 0;
  for (const auto& write : writes) bytes += size_of(write);
  return writes.size() <= kMostWrites && bytes <= kMostBytes;
}

std::vector<stored::Chunk> chunks_of(const std::vector<Write>& writes) {
  std::vector<stored::Chunk> chunks;
  std::size_t bytes = 0;
  for (const auto& write : writes) {
    bytes += size_of(write);
    if (chunks.empty() || bytes > kMostBytes || chunks.back().writes_size() == kMostWrites) {
      chunks.emplace_back();
      bytes = size_of(write);
    }
    auto* to = chunks.back().add_writes();
    to->set_key(write.key);
    if (write.value) to->set_value(*write.value);
  }
  return chunks;
}

}  // namespace dove::controller::etcd_layout
