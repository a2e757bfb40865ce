#include "agent/saved_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace dove::agent {
namespace {

Error system_error(std::string_view doing, const std::filesystem::path& file) {
  const int cause = errno;
  return {ErrorCode::kSystem,
          fmt::format("cannot {} {}: {}", doing, file.string(), std::strerror(cause)), cause};
}

// Closes its descriptor.
class File {
 public:
  File(const std::filesystem::path& path, int flags) noexcept
      : fd_{::open(path.c_str(), flags | O_CLOEXEC, 0600)} {}
  ~File() {
    if (fd_ >= 0) ::close(fd_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  bool is_open() const noexcept { return fd_ >= 0; }
  int get() const noexcept { return fd_; }

 private:
  int fd_;
};

bool write_all(int fd, std::string_view text) noexcept {
  while (!text.empty()) {
    const auto n = ::write(fd, text.data(), text.size());
    if (n < 0 && errno != EINTR) return false;
    if (n > 0) text.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

Status write_new(const std::filesystem::path& path, std::string_view text) {
  (void)::unlink(path.c_str());  // what a crash left, or another's link to the file in use
  const File file{path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW};
  if (!file.is_open() || !write_all(file.get(), text) || ::fsync(file.get()) != 0)
    return system_error("write", path);
  return {};
}

Result<std::string> read_all(int fd, std::size_t size, const std::filesystem::path& path) {
  std::string text(size, '\0');
  std::size_t used = 0;
  while (used < text.size()) {
    const auto n = ::read(fd, text.data() + used, text.size() - used);
    if (n == 0) break;
    if (n < 0 && errno != EINTR) return system_error("read", path);
    if (n > 0) used += static_cast<std::size_t>(n);
  }
  text.resize(used);
  return text;
}

}  // namespace

Result<std::optional<std::string>> read_file(const std::filesystem::path& file, std::size_t limit) {
  const File opened{file, O_RDONLY | O_NONBLOCK};  // a FIFO is refused below, not waited for
  if (!opened.is_open() && errno == ENOENT) return std::optional<std::string>{};
  if (!opened.is_open()) return system_error("open", file);
  struct stat about {};
  if (::fstat(opened.get(), &about) != 0) return system_error("read", file);
  const auto size = static_cast<std::size_t>(about.st_size);
  if (!S_ISREG(about.st_mode) || size > limit)
    return Error{ErrorCode::kInvalid, fmt::format("{} is no file of doved's", file.string())};
  auto text = read_all(opened.get(), size, file);
  if (!text) return text.error();
  return std::optional{*std::move(text)};
}

Status replace_file(const std::filesystem::path& file, std::string_view text) {
  auto fresh = file;
  fresh += ".new";
  if (auto status = write_new(fresh, text); !status) return status;
  if (::rename(fresh.c_str(), file.c_str()) != 0) return system_error("replace", file);
  const auto directory = file.has_parent_path() ? file.parent_path() : std::filesystem::path{"."};
  const File handle{directory, O_RDONLY | O_DIRECTORY};
  if (!handle.is_open() || ::fsync(handle.get()) != 0) return system_error("sync", directory);
  return {};
}

}  // namespace dove::agent
