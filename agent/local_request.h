// What dovectl asks of this host's doved, checked at the door: a request is a few words, and what
// cannot be a name is refused before anything looks for it.
#pragma once

#include "core/result.h"
#include "dove/v1/local.pb.h"

namespace dove::agent {

Status check_request(const v1::PortAddRequest& request);
Status check_request(const v1::PortDelRequest& request);
Status check_request(const v1::PortShowRequest& request);
Status check_request(const v1::NetworkName& request);
Status check_request(const v1::TableRequest& request);
Status check_request(const v1::CheckRequest& request);

}  // namespace dove::agent
