#include "netlink/sysctl.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "netlink/file_descriptor.h"
#include "netlink/system_error.h"

namespace dove::netlink {
namespace {

Result<FileDescriptor> open_sysctl(std::string_view what, std::string_view path, int mode) {
  if (path.empty() || path.front() == '/' || path.find("..") != std::string_view::npos)
    return Error{ErrorCode::kInvalid,
                 fmt::format("\"{}\" is no setting under /proc/sys/net", path)};
  const int fd = ::open(fmt::format("/proc/sys/net/{}", path).c_str(), mode | O_CLOEXEC);
  if (fd < 0) return system_error(what, errno);
  return FileDescriptor{fd};
}

}  // namespace

Status write_sysctl(std::string_view path, std::string_view value) {
  const std::string what = fmt::format("set {} to {}", path, value);
  const auto file = open_sysctl(what, path, O_WRONLY);
  if (!file) return file.error();
  if (::write(file->get(), value.data(), value.size()) < 0) return system_error(what, errno);
  return {};
}

Result<std::string> read_sysctl(std::string_view path) {
  const std::string what = fmt::format("read {}", path);
  const auto file = open_sysctl(what, path, O_RDONLY);
  if (!file) return file.error();
  std::array<char, 256> text{};
  const ssize_t length = ::read(file->get(), text.data(), text.size());
  if (length < 0) return system_error(what, errno);
  std::string_view value{text.data(), static_cast<std::size_t>(length)};
  if (value.ends_with('\n')) value.remove_suffix(1);
  return std::string{value};
}

}  // namespace dove::netlink
