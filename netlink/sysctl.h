// Settings under /proc/sys/net of the network namespace of the calling thread.
#pragma once

#include <string>
#include <string_view>

#include "core/result.h"

namespace dove::netlink {

// `path` is below /proc/sys/net, e.g. "ipv6/conf/dvbr10/disable_ipv6". kNotFound: the kernel has no
// such setting; kInvalid: the path would leave the directory.
Status write_sysctl(std::string_view path, std::string_view value);
Result<std::string> read_sysctl(std::string_view path);  // without the trailing newline

}  // namespace dove::netlink
