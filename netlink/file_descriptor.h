// The owner of a file descriptor, by the name that this folder has always used.
#pragma once

#include "core/file_descriptor.h"

namespace dove::netlink {

using dove::FileDescriptor;

}  // namespace dove::netlink
