#include "api/process_figures.h"

#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

namespace dove::api {
namespace {

using Kind = Metric::Kind;

constexpr Metric kBuild{"dove_build_info", Kind::kGauge, "1; the program and its version."};
constexpr Metric kCpu{"process_cpu_seconds_total", Kind::kCounter,
                      "Processor time used, by the program and the kernel for it."};
constexpr Metric kResident{"process_resident_memory_bytes", Kind::kGauge, "Memory in use."};
constexpr Metric kVirtual{"process_virtual_memory_bytes", Kind::kGauge, "Address space in use."};
constexpr Metric kStart{"process_start_time_seconds", Kind::kGauge,
                        "When the program was started, since 1970."};
constexpr Metric kOpen{"process_open_fds", Kind::kGauge, "Open file descriptors."};
constexpr Metric kMost{"process_max_fds", Kind::kGauge, "Most open file descriptors."};
constexpr Metric kThreads{"process_threads", Kind::kGauge, "Threads."};

// Fields of /proc/self/stat behind the program's name, counted as proc(5) does.
constexpr std::size_t kFirstField = 3;
struct Stat {
  std::uint64_t utime = 0, stime = 0, threads = 0, start = 0, vsize = 0, rss = 0;
};

std::optional<Stat> read_stat() {
  std::ifstream file{"/proc/self/stat"};
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  const auto name_end = line.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::array<std::uint64_t, 25> fields{};
  std::size_t at = name_end + 2;
  for (std::size_t i = kFirstField; i < fields.size() && at < line.size(); ++i) {
    const auto end = line.find(' ', at);
    fields[i] = std::strtoull(line.c_str() + at, nullptr, 10);
    if (end == std::string::npos) break;
    at = end + 1;
  }
  return Stat{fields[14], fields[15], fields[20], fields[22], fields[23], fields[24]};
}

// Seconds since 1970 at which the machine was started.
std::uint64_t boot_time() {
  std::ifstream file{"/proc/stat"};
  std::string word;
  std::uint64_t seconds = 0;
  while (file >> word)
    if (word == "btime" && file >> seconds) return seconds;
  return 0;
}

std::uint64_t open_files() {
  std::error_code error;
  std::uint64_t count = 0;
  for (std::filesystem::directory_iterator at{"/proc/self/fd", error}, end; !error && at != end;
       at.increment(error))
    ++count;
  return count == 0 ? 0 : count - 1;  // but for the one that reads the directory
}

Sample in_ticks(Metric metric, std::uint64_t ticks, double ticks_a_second) {
  metric.divisor = ticks_a_second;
  return {metric, {}, ticks};
}

}  // namespace

std::vector<Sample> process_figures(std::string_view program) {
  std::vector<Sample> all{
      {kBuild, {{"program", std::string{program}}, {"version", DOVE_VERSION}}, std::uint64_t{1}}};
  const long hertz = ::sysconf(_SC_CLK_TCK);
  const auto ticks_a_second = static_cast<double>(hertz);
  if (const auto stat = read_stat()) {
    const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    const auto start = boot_time() * static_cast<std::uint64_t>(hertz) + stat->start;
    all.push_back(in_ticks(kCpu, stat->utime + stat->stime, ticks_a_second));
    all.push_back(in_ticks(kStart, start, ticks_a_second));
    all.push_back({kResident, {}, stat->rss * page});
    all.push_back({kVirtual, {}, stat->vsize});
    all.push_back({kThreads, {}, stat->threads});
  }
  all.push_back({kOpen, {}, open_files()});
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0)
    all.push_back({kMost, {}, std::uint64_t{limit.rlim_cur}});
  return all;
}

}  // namespace dove::api
