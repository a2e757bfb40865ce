// {
//   "version": 1,
//   "store": {"id": "<hex>", "revision": 7},
//   "ports": [{"dev": "tap0", "endpoint": "vm1", "network": "blue", "vni": 100,
//              "mac": "52:54:00:00:00:01", "ips": ["10.0.0.1"], "generation": 3,
//              "security": true}],
//   "joined": [{"network": "blue", "vni": 100}],
//   "detached": [{"endpoint": "vm2", "generation": 5}],
//   "vteps": ["192.0.2.12", "192.0.2.13"]
// }
// Keys are only ever added within a version; unknown ones are ignored. Added were `security`, which
// is on where it is left out, and `vteps`.
#include "agent/state_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <asio/post.hpp>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "core/name.h"

namespace dove::agent {
namespace {

using Json = nlohmann::json;

constexpr int kVersion = 1;
constexpr off_t kSizeLimit = 64 << 20;

std::string to_hex(std::string_view bytes) {
  std::string text;
  for (const char c : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return text;
}

std::optional<unsigned> hex_digit(char c) {
  if (c >= '0' && c <= '9') return static_cast<unsigned>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<unsigned>(c - 'a') + 10;
  return std::nullopt;
}

std::optional<std::string> from_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    const auto high = hex_digit(text[i]);
    const auto low = hex_digit(text[i + 1]);
    if (!high || !low) return std::nullopt;
    bytes += static_cast<char>(*high << 4U | *low);
  }
  return bytes;
}

// Reads the members of one object. The first thing that is not as it should be is remembered; the
// caller tests once, at the end.
class Reader {
 public:
  Reader(const Json& object, std::string where) : object_{object}, where_{std::move(where)} {
    if (!object_.is_object()) fail("", "an object");
  }

  std::string text(const char* key) {
    const Json* value = member(key);
    if (value != nullptr && value->is_string()) return value->get<std::string>();
    fail(key, "a string");
    return {};
  }
  std::uint64_t number(const char* key) {
    const Json* value = member(key);
    if (value != nullptr && value->is_number_unsigned()) return value->get<std::uint64_t>();
    fail(key, "a number");
    return 0;
  }
  std::string name(const char* key) {
    auto value = text(key);
    if (!check_name(key, value)) fail(key, "a name");
    return value;
  }
  Vni vni(const char* key) {
    const auto raw = number(key);
    const auto value =
        raw < Vni::kLimit ? Vni::from(static_cast<std::uint32_t>(raw)) : std::nullopt;
    if (!value) fail(key, "a VNI");
    return value.value_or(*Vni::from(1));
  }
  MacAddress mac(const char* key) {
    const auto value = MacAddress::parse(text(key));
    if (!value || !value->is_unicast()) fail(key, "a MAC address");
    return value.value_or(MacAddress{});
  }
  std::vector<IpAddress> ips_or_none(const char* key) {
    return member(key) == nullptr ? std::vector<IpAddress>{} : ips(key);
  }
  std::vector<IpAddress> ips(const char* key) {
    std::vector<IpAddress> addresses;
    for (const Json& element : list(key)) {
      const auto address =
          element.is_string() ? IpAddress::parse(element.get<std::string>()) : std::nullopt;
      if (address) addresses.push_back(*address);
      if (!address) fail(key, "a list of IP addresses");
    }
    return addresses;
  }
  bool boolean_or(const char* key, bool otherwise) {
    const Json* value = member(key);
    if (value == nullptr) return otherwise;
    if (!value->is_boolean()) fail(key, "true or false");
    return value->is_boolean() ? value->get<bool>() : otherwise;
  }
  const Json& list(const char* key) {
    static const Json kEmpty = Json::array();
    const Json* value = member(key);
    if (value != nullptr && value->is_array()) return *value;
    fail(key, "a list");
    return kEmpty;
  }
  const Json& object(const char* key) {
    static const Json kEmpty = Json::object();
    const Json* value = member(key);
    if (value != nullptr && value->is_object()) return *value;
    fail(key, "an object");
    return kEmpty;
  }

  // Empty while all is well.
  const std::string& problem() const { return problem_; }

 private:
  const Json* member(const char* key) const {
    if (!object_.is_object()) return nullptr;
    const auto found = object_.find(key);
    return found == object_.end() ? nullptr : &*found;
  }
  void fail(std::string_view key, std::string_view expected) {
    if (problem_.empty())
      problem_ = fmt::format("{}{}{} is not {}", where_, key.empty() ? "" : ".", key, expected);
  }

  const Json& object_;
  std::string where_;
  std::string problem_;
};

SavedPort read_element(Reader& in, const SavedPort* /*kind*/) {
  return {.dev = in.text("dev"),
          .endpoint = in.name("endpoint"),
          .network = in.name("network"),
          .vni = in.vni("vni"),
          .mac = in.mac("mac"),
          .ips = in.ips("ips"),
          .generation = in.number("generation"),
          .security = in.boolean_or("security", true)};
}

SavedNetwork read_element(Reader& in, const SavedNetwork* /*kind*/) {
  return {.name = in.name("network"), .vni = in.vni("vni")};
}

SavedDetach read_element(Reader& in, const SavedDetach* /*kind*/) {
  return {.endpoint = in.name("endpoint"), .generation = in.number("generation")};
}

template <class Element>
Status read_list(Reader& state, const char* key, std::vector<Element>& out) {
  for (const Json& element : state.list(key)) {
    Reader in{element, fmt::format("{}[{}]", key, out.size())};
    out.push_back(read_element(in, static_cast<const Element*>(nullptr)));
    if (!in.problem().empty()) return Error{ErrorCode::kInvalid, in.problem()};
  }
  return {};
}

Status read_store(Reader& state, StorePoint& out) {
  Reader in{state.object("store"), "store"};
  const auto id = from_hex(in.text("id"));
  out = {.store_id = id.value_or(""), .revision = in.number("revision")};
  if (!in.problem().empty()) return Error{ErrorCode::kInvalid, in.problem()};
  if (!id) return Error{ErrorCode::kInvalid, "store.id is not hexadecimal"};
  return {};
}

Json to_json(const std::vector<IpAddress>& addresses) {
  Json list = Json::array();
  for (const auto& ip : addresses) list.push_back(ip.to_string());
  return list;
}

Json to_json(const SavedPort& port) {
  return {{"dev", port.dev},
          {"endpoint", port.endpoint},
          {"network", port.network},
          {"vni", port.vni.value()},
          {"mac", port.mac.to_string()},
          {"ips", to_json(port.ips)},
          {"generation", port.generation},
          {"security", port.security}};
}

Json to_json(const SavedNetwork& network) {
  return {{"network", network.name}, {"vni", network.vni.value()}};
}

Json to_json(const SavedDetach& detach) {
  return {{"endpoint", detach.endpoint}, {"generation", detach.generation}};
}

template <class Element>
Json to_json_list(const std::vector<Element>& elements) {
  Json list = Json::array();
  for (const auto& element : elements) list.push_back(to_json(element));
  return list;
}

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

Result<std::string> read_all(const std::filesystem::path& path) {
  const File file{path, O_RDONLY};
  if (!file.is_open() && errno == ENOENT) return std::string{};
  if (!file.is_open()) return system_error("open the state file", path);
  struct stat about {};
  if (::fstat(file.get(), &about) != 0) return system_error("read the state file", path);
  if (!S_ISREG(about.st_mode) || about.st_size > kSizeLimit)
    return Error{ErrorCode::kInvalid, fmt::format("{} is no state file of doved", path.string())};
  std::string text(static_cast<std::size_t>(about.st_size), '\0');
  std::size_t used = 0;
  while (used < text.size()) {
    const auto n = ::read(file.get(), text.data() + used, text.size() - used);
    if (n == 0) break;
    if (n < 0 && errno != EINTR) return system_error("read the state file", path);
    if (n > 0) used += static_cast<std::size_t>(n);
  }
  text.resize(used);
  // An empty file is not an absent one: something cut it off.
  if (text.empty()) text = " ";
  return text;
}

Status write_new(const std::filesystem::path& path, std::string_view text) {
  const File file{path, O_WRONLY | O_CREAT | O_TRUNC};
  if (!file.is_open() || !write_all(file.get(), text) || ::fsync(file.get()) != 0)
    return system_error("write the state file", path);
  return {};
}

}  // namespace

std::string format_state(const State& state) {
  const Json json = {
      {"version", kVersion},
      {"store", {{"id", to_hex(state.store.store_id)}, {"revision", state.store.revision}}},
      {"ports", to_json_list(state.ports)},
      {"joined", to_json_list(state.joined)},
      {"detached", to_json_list(state.detached)},
      {"vteps", to_json(state.vteps)}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + '\n';
}

Result<State> parse_state(std::string_view text) {
  const Json json = Json::parse(text, nullptr, false);
  if (json.is_discarded()) return Error{ErrorCode::kInvalid, "it is not JSON, or cut off"};
  Reader in{json, "state"};
  const auto version = in.number("version");
  if (!in.problem().empty()) return Error{ErrorCode::kInvalid, in.problem()};
  if (version != kVersion)
    return Error{ErrorCode::kInvalid,
                 fmt::format("it has version {}, this doved reads version {}", version, kVersion)};
  State state;
  if (auto status = read_store(in, state.store); !status) return status.error();
  if (auto status = read_list(in, "ports", state.ports); !status) return status.error();
  if (auto status = read_list(in, "joined", state.joined); !status) return status.error();
  if (auto status = read_list(in, "detached", state.detached); !status) return status.error();
  state.vteps = in.ips_or_none("vteps");
  if (!in.problem().empty()) return Error{ErrorCode::kInvalid, in.problem()};
  return state;
}

Result<State> load_state(const std::filesystem::path& file) {
  const auto text = read_all(file);
  if (!text) return text.error();
  if (text->empty()) return State{};
  auto state = parse_state(*text);
  if (!state)
    return Error{
        state.error().code,
        fmt::format("cannot use the state file {}: {}; repair it, or move it away to start "
                    "without the ports it names",
                    file.string(), state.error().message)};
  return state;
}

Status save_state(const std::filesystem::path& file, const State& state) {
  auto fresh = file;
  fresh += ".new";
  if (auto status = write_new(fresh, format_state(state)); !status) return status;
  if (::rename(fresh.c_str(), file.c_str()) != 0)
    return system_error("replace the state file", file);
  const auto directory = file.has_parent_path() ? file.parent_path() : std::filesystem::path{"."};
  const File handle{directory, O_RDONLY | O_DIRECTORY};
  if (!handle.is_open() || ::fsync(handle.get()) != 0)
    return system_error("sync the state directory", directory);
  return {};
}

struct StateWriter::Worker {
  Worker(std::filesystem::path path, asio::any_io_executor where)
      : file{std::move(path)}, executor{std::move(where)}, thread{[this] { run(); }} {}
  ~Worker() {
    {
      const std::lock_guard lock{mutex};
      stopping = true;
    }
    wake.notify_one();
    thread.join();
  }

  void save(State state, std::function<void(Status)> done) {
    {
      const std::lock_guard lock{mutex};
      next = std::move(state);
      waiting.push_back(std::move(done));
    }
    wake.notify_one();
  }

  void run() {
    std::unique_lock lock{mutex};
    while (true) {
      wake.wait(lock, [this] { return stopping || next; });
      if (!next) return;
      const State state = *std::exchange(next, std::nullopt);
      const auto told = std::exchange(waiting, {});
      lock.unlock();
      asio::post(executor, [told, status = save_state(file, state)] {
        for (const auto& done : told)
          if (done) done(status);
      });
      lock.lock();
    }
  }

  const std::filesystem::path file;
  const asio::any_io_executor executor;
  std::mutex mutex;
  std::condition_variable wake;
  std::optional<State> next;
  std::vector<std::function<void(Status)>> waiting;
  bool stopping = false;
  std::thread thread;  // last: uses all of the above
};

StateWriter::StateWriter(std::filesystem::path file, asio::any_io_executor executor)
    : worker_{std::make_unique<Worker>(std::move(file), std::move(executor))} {}
StateWriter::~StateWriter() = default;

void StateWriter::save(State state, std::function<void(Status)> done) {
  worker_->save(std::move(state), std::move(done));
}

}  // namespace dove::agent
