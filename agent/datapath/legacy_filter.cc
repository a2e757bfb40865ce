#include "agent/datapath/legacy_filter.h"

#include <netinet/in.h>
// Behind the C library's, which they then leave alone.
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <sys/socket.h>

#include <cstddef>
#include <cstring>
#include <fstream>
#include <optional>
#include <vector>

#include "netlink/file_descriptor.h"

namespace dove::agent {
namespace {

constexpr const char* kTable = "filter";

struct Ipv4 {
  static constexpr const char* kNames = "/proc/thread-self/net/ip_tables_names";
  static constexpr int kFamily = AF_INET;
  static constexpr int kLevel = IPPROTO_IP;
  static constexpr int kInfo = IPT_SO_GET_INFO;
  static constexpr int kEntries = IPT_SO_GET_ENTRIES;
  using Info = ipt_getinfo;
  using Entries = ipt_get_entries;
  using Entry = ipt_entry;
};
struct Ipv6 {
  static constexpr const char* kNames = "/proc/thread-self/net/ip6_tables_names";
  static constexpr int kFamily = AF_INET6;
  static constexpr int kLevel = IPPROTO_IPV6;
  static constexpr int kInfo = IP6T_SO_GET_INFO;
  static constexpr int kEntries = IP6T_SO_GET_ENTRIES;
  using Info = ip6t_getinfo;
  using Entries = ip6t_get_entries;
  using Entry = ip6t_entry;
};

bool is_there(const char* names) {
  std::ifstream in{names};
  for (std::string name; std::getline(in, name);)
    if (name == kTable) return true;
  return false;
}

template <class Version>
struct Table {
  typename Version::Info info{};
  std::vector<std::byte> entries;
};

template <class Version>
std::optional<Table<Version>> read_table() {
  if (!is_there(Version::kNames)) return {};
  const netlink::FileDescriptor socket{
      ::socket(Version::kFamily, SOCK_DGRAM | SOCK_CLOEXEC, IPPROTO_UDP)};
  if (socket.get() < 0) return {};
  Table<Version> table;
  std::memcpy(table.info.name, kTable, std::strlen(kTable) + 1);
  socklen_t length = sizeof table.info;
  if (getsockopt(socket.get(), Version::kLevel, Version::kInfo, &table.info, &length) != 0)
    return {};
  constexpr auto kHeader = offsetof(typename Version::Entries, entrytable);
  std::vector<std::byte> reply(kHeader + table.info.size);
  std::memcpy(reply.data(), kTable, std::strlen(kTable) + 1);
  std::memcpy(reply.data() + offsetof(typename Version::Entries, size), &table.info.size,
              sizeof table.info.size);
  length = static_cast<socklen_t>(reply.size());
  // Refused when it has just become another.
  if (getsockopt(socket.get(), Version::kLevel, Version::kEntries, reply.data(), &length) != 0)
    return {};
  table.entries.assign(reply.begin() + kHeader, reply.end());
  return table;
}

// False: it would reach beyond the end.
template <class T>
bool read_at(std::span<const std::byte> bytes, std::size_t place, T& value) {
  if (place > bytes.size() || bytes.size() - place < sizeof(T)) return false;
  std::memcpy(&value, bytes.data() + place, sizeof(T));
  return true;
}

template <class Entry>
bool drops(std::span<const std::byte> entries, std::size_t policy) {
  Entry entry;
  xt_standard_target target;
  return read_at(entries, policy, entry) &&
         read_at(entries, policy + entry.target_offset, target) && target.verdict == -NF_DROP - 1;
}

// A chain begins with an entry whose target says that nothing should get there, and names it.
template <class Entry>
std::set<std::string> chains_of(std::span<const std::byte> entries) {
  std::set<std::string> chains;
  Entry entry;
  for (std::size_t place = 0; read_at(entries, place, entry); place += entry.next_offset) {
    if (entry.next_offset == 0) break;
    xt_error_target target;
    if (read_at(entries, place + entry.target_offset, target) &&
        std::strcmp(target.target.u.user.name, XT_ERROR_TARGET) == 0)
      chains.emplace(target.errorname, strnlen(target.errorname, sizeof target.errorname));
  }
  return chains;
}

template <class Entry>
LegacyFilter parse(std::span<const std::byte> entries, std::size_t policy) {
  return {.drops_forwarded = drops<Entry>(entries, policy), .chains = chains_of<Entry>(entries)};
}

template <class Version>
LegacyFilter filter() {
  const auto table = read_table<Version>();
  if (!table) return {};
  return parse<typename Version::Entry>(table->entries, table->info.underflow[NF_INET_FORWARD]);
}

}  // namespace

LegacyFilter parse_ipv4_filter(std::span<const std::byte> entries, std::size_t policy) {
  return parse<ipt_entry>(entries, policy);
}
LegacyFilter parse_ipv6_filter(std::span<const std::byte> entries, std::size_t policy) {
  return parse<ip6t_entry>(entries, policy);
}

LegacyFilters legacy_filters() { return {.ipv4 = filter<Ipv4>(), .ipv6 = filter<Ipv6>()}; }

}  // namespace dove::agent
