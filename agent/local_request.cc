#include "agent/local_request.h"

#include "agent/datapath/ruleset.h"
#include "core/name.h"

namespace dove::agent {
namespace {

// Of one that may be left out.
Status check_optional(std::string_view what, const std::string& name) {
  return name.empty() ? Status{} : check_name(what, name);
}

}  // namespace

Status check_request(const v1::PortAddRequest& request) {
  if (auto status = check_device_name(request.dev()); !status) return status;
  if (auto status = check_optional("endpoint name", request.endpoint()); !status) return status;
  return check_optional("network name", request.network());
}

Status check_request(const v1::PortDelRequest& request) { return check_device_name(request.dev()); }

Status check_request(const v1::PortShowRequest& request) {
  return request.dev().empty() ? Status{} : check_device_name(request.dev());
}

Status check_request(const v1::NetworkName& request) {
  return check_name("network name", request.network());
}

Status check_request(const v1::TableRequest& request) {
  return check_optional("network name", request.network());
}

Status check_request(const v1::CheckRequest& request) {
  return check_optional("network name", request.network());
}

}  // namespace dove::agent
