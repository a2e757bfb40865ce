// Differences in the words of ip(8) and bridge(8). Pure but for the names of devices.
#pragma once

#include <string>

#include "agent/datapath/tables.h"
#include "agent/difference.h"
#include "netlink/link.h"

namespace dove::agent {

Difference describe(Vni vni, const TableDifference& difference);

std::string device_name(IfIndex device);

// "learning off flood on ...", as bridge(8) is told.
std::string flags_text(const netlink::BridgePortFlags& flags);

}  // namespace dove::agent
