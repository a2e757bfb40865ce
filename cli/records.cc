#include "cli/records.h"

#include <algorithm>

#include "api/convert.h"

namespace dove::cli {

Record to_record(const v1::Object& object) {
  switch (object.object_case()) {
    case v1::Object::kTenant:
      return to_record(object.tenant());
    case v1::Object::kNetwork:
      return to_record(object.network());
    case v1::Object::kEndpoint:
      return to_record(object.endpoint());
    case v1::Object::kHost:
      return to_record(object.host());
    case v1::Object::kPolicy:
      return to_record(object.policy());
    default:
      return {};
  }
}

Value mac_value(const std::string& bytes) {
  const auto mac = api::parse_mac(bytes);
  return mac ? Value{mac->to_string()} : Value{};
}

Value ip_value(const std::string& bytes) {
  const auto ip = api::parse_ip(bytes);
  return ip ? Value{ip->to_string()} : Value{};
}

Value ip_list(const google::protobuf::RepeatedPtrField<std::string>& list) {
  Value::List values;
  for (const auto& bytes : list) values.push_back(ip_value(bytes));
  return values;
}

Value vtep_value(const std::string& address, std::uint32_t port) {
  const auto vtep = api::parse_vtep(address, port);
  return vtep ? Value{vtep->to_string()} : Value{};
}

std::string lower(std::string_view name) {
  std::string out{name.empty() ? "unknown" : name};
  std::transform(out.begin(), out.end(), out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c == '_' ? '-' : c;
  });
  return out;
}

}  // namespace dove::cli
