// A dove-controller of a benchmark's own, and what it costs.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace dove::bench {

class ControllerProcess {
 public:
  // It ends with this process, however that ends.
  explicit ControllerProcess(const std::vector<std::string>& command);
  ~ControllerProcess() { kill(); }
  ControllerProcess(const ControllerProcess&) = delete;
  ControllerProcess& operator=(const ControllerProcess&) = delete;

  void kill();  // as by kill -9
  double cpu_seconds() const;
  double resident_mib() const;
  double most_resident_mib() const;  // so far
  std::size_t descriptors() const;

 private:
  std::uint64_t status_kib(const std::string& name) const;
  std::string proc(const std::string& file) const;

  pid_t pid_ = 0;
};

}  // namespace dove::bench
