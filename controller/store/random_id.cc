#include "controller/store/random_id.h"

#include <fmt/format.h>
#include <sys/random.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace dove::controller {

Result<std::string> random_id() {
  std::array<char, kIdSize> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    return Error{ErrorCode::kSystem, fmt::format("cannot make an id: {}", std::strerror(errno)),
                 errno};
  return std::string{bytes.data(), bytes.size()};
}

}  // namespace dove::controller
