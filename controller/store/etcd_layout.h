// What the store in etcd is made of: its keys, its values, and the requests that read and write
// them. See etcd_store.h for what they mean. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/etcd.pb.h"
#include "controller/etcd_layout.pb.h"
#include "controller/store/store.h"

namespace dove::controller::etcd_layout {

namespace rpc = ::etcdserverpb;
namespace stored = ::dove::etcd;

inline constexpr const char* kStoreKey = "dove/store";
inline constexpr const char* kActiveKey = "dove/active";
inline constexpr const char* kCommitKey = "dove/commit";
inline constexpr const char* kRecords = "dove/record/";
inline constexpr const char* kOpenings = "dove/opening/";
inline constexpr const char* kChunks = "dove/chunk/";
inline constexpr std::uint32_t kSchema = 1;

std::string number_key(std::string_view prefix, std::uint64_t number);
std::string chunk_key(const std::string& commit_id, std::uint64_t number);
// The end of the range of all keys that begin with `prefix`, whose last byte is not 0xff.
std::string end_of(std::string prefix);

// A record's value, behind the revision of its commit.
std::string stamped(std::uint64_t revision, std::string_view value);
std::optional<Record> record_of(const rpc::KeyValue& found);

// --- requests: changes, conditions, and what a transaction shows when a condition does not hold
rpc::RangeRequest one(const std::string& key);
void put(rpc::TxnRequest& request, const std::string& key, std::string value,
         std::int64_t lease = 0);
void erase(rpc::TxnRequest& request, const std::string& key);
void erase_all(rpc::TxnRequest& request, const std::string& from, const std::string& end);
void write(rpc::TxnRequest& request, const Write& one, std::uint64_t revision);
// When the key was made, or written last, by etcd's revision: 0 for one that is not there.
void require_created(rpc::TxnRequest& request, const std::string& key, std::int64_t at);
void require_written(rpc::TxnRequest& request, const std::string& key, std::int64_t at);
// Of a key that is there.
void require_value(rpc::TxnRequest& request, const std::string& key, const std::string& value);
void or_else_show(rpc::TxnRequest& request, const std::string& key);
// What or_else_show() asked for, in its order; a key that is not there is all zeros.
rpc::KeyValue shown(const rpc::TxnResponse& response, int at);

// --- commits of any size
bool fits_in_one(const std::vector<Write>& writes);
// Each fits into one transaction by itself, as a value and as what it says.
std::vector<stored::Chunk> chunks_of(const std::vector<Write>& writes);

}  // namespace dove::controller::etcd_layout
