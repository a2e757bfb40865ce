// Named network namespaces, as ip-netns(8) makes them. A socket belongs for good to the namespace
// its thread was in when it was made.
#pragma once

#include <string>

#include "core/vtep.h"
#include "netlink/file_descriptor.h"

namespace dove::bench {

// The calling thread is in the namespace for as long as the object exists. Throws
// std::system_error that names it.
class Inside {
 public:
  explicit Inside(const std::string& netns);
  ~Inside();
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

 private:
  netlink::FileDescriptor home_;
};

// In the namespace the calling thread is in. Throws std::system_error that names the device.
IfIndex device_index(const std::string& device);

}  // namespace dove::bench
