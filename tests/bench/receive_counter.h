// How many packets a device of some namespace has received.
#pragma once

#include <cstdint>
#include <string>

#include "netlink/file_descriptor.h"

namespace dove::bench {

class ReceiveCounter {
 public:
  ReceiveCounter(const std::string& netns, const std::string& device);
  std::uint64_t packets() const;

 private:
  std::string device_;
  netlink::FileDescriptor file_;  // /proc/net/dev as the namespace has it
};

}  // namespace dove::bench
