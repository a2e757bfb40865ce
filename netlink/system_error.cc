#include "netlink/system_error.h"

#include <fmt/format.h>

#include <cerrno>

namespace dove::netlink {
namespace {

ErrorCode code_of(int os_error) {
  switch (os_error) {
    case EPERM:
    case EACCES:
      return ErrorCode::kDenied;
    case ENODEV:
    case ENOENT:
    case ESRCH:
    case ENXIO:
      return ErrorCode::kNotFound;
    case EEXIST:
      return ErrorCode::kExists;
    case EBUSY:
      return ErrorCode::kConflict;
    default:
      return ErrorCode::kSystem;
  }
}

}  // namespace

Error system_error(std::string_view what, int os_error, std::string_view explanation) {
  const std::string text = std::system_category().message(os_error);
  return {code_of(os_error),
          fmt::format("cannot {}: {}", what, explanation.empty() ? text : explanation), os_error};
}

}  // namespace dove::netlink
