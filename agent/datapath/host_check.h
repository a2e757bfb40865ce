// Whether this host can be a DOVE switch at all, found out at the start and said in a sentence.
#pragma once

#include <string_view>

#include "core/result.h"
#include "netlink/file_descriptor.h"

namespace dove::agent {

// CAP_NET_ADMIN and CAP_NET_RAW are effective. kDenied, naming those that are not.
Status check_capabilities();

// The kernel has VXLAN and bridge devices. No device is made.
Status check_device_kinds();

// Holds this network namespace for one doved as long as it exists. Programs that it starts hold
// `nft`, too: an nft(8) outlives a doved that is killed, and the next one begins when nothing of
// the former one's can come behind it.
struct NamespaceLock {
  netlink::FileDescriptor doved, nft;
};
// kConflict when another doved has it and does not let go of it in two seconds, or such an nft in
// half a minute.
Result<NamespaceLock> lock_namespace();

}  // namespace dove::agent
