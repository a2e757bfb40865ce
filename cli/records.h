// The daemons' messages as records: which keys, in which order, how in text. The keys are a
// contract (only ever added), so each of these has a golden test.
#pragma once

#include "cli/record.h"
#include "dove/v1/local.pb.h"
#include "dove/v1/management.pb.h"

namespace dove::cli {

Record to_record(const v1::Tenant& tenant);
Record to_record(const v1::Network& network);
Record to_record(const v1::Policy& policy);
Record to_record(const v1::Endpoint& endpoint);
Record to_record(const v1::Host& host);
Record to_record(const v1::Port& port);
Record to_record(const v1::FdbEntry& entry);
Record to_record(const v1::Neighbour& neighbour);
Record to_record(const v1::StatusReply& status);
Record to_record(const v1::Counter& counter);
Record to_record(const v1::Difference& difference);

// Whichever it holds; no fields when it holds nothing that this version knows.
Record to_record(const v1::Object& object);

// Wire bytes as text; null when they are empty or no address.
Value mac_value(const std::string& bytes);
Value ip_value(const std::string& bytes);
Value ip_list(const google::protobuf::RepeatedPtrField<std::string>& list);
Value vtep_value(const std::string& address, std::uint32_t port);
// An enumerator's own name in lower case; "unknown" when it is newer than this program.
std::string lower(std::string_view name);

}  // namespace dove::cli
