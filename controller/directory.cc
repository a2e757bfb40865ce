#include "controller/directory.h"

#include <algorithm>

#include "controller/link_local.h"

namespace dove::controller {
namespace {

bool same_answer(const MacBinding& a, const MacBinding& b) noexcept {
  if (a.verdict != Verdict::kFound) return a.verdict == b.verdict;
  return a.verdict == b.verdict && a.host == b.host && a.generation == b.generation &&
         a.target == b.target;
}

bool same_answer(const IpBinding& a, const IpBinding& b) noexcept {
  if (a.verdict != Verdict::kFound) return a.verdict == b.verdict;
  return a.verdict == b.verdict && a.mac == b.mac && a.generation == b.generation &&
         a.target == b.target && a.router == b.router;
}

template <class View, class Views>
bool add_reader(View& view, Views& of_reader, ReaderId reader) {
  if (!of_reader.insert(&view).second) return false;
  view.readers.push_back(reader);
  return true;
}

template <class View>
void remove_reader(View& view, ReaderId reader) {
  const auto at = std::find(view.readers.begin(), view.readers.end(), reader);
  if (at == view.readers.end()) return;
  *at = view.readers.back();
  view.readers.pop_back();
}

MacKey key_in(Vni vni, const MacKey& key) noexcept { return {vni, key.mac}; }
IpKey key_in(Vni vni, const IpKey& key) noexcept { return {vni, key.ip}; }

}  // namespace

// --- what the answer is

template <class Key>
auto Directory::nothing(const Key& key) const {
  std::conditional_t<std::is_same_v<Key, MacKey>, MacBinding, IpBinding> binding{.key = key};
  binding.revision = revision_;
  binding.ttl = negative_ttl_;
  return binding;
}

template <class Binding>
Binding Directory::seen_from(Vni vni, const Binding& there) const {
  const auto since = std::max(there.revision, topology_.revision_of(vni));
  if (!topology_.routes(vni, there.key.vni)) {
    auto denied = nothing(key_in(vni, there.key));
    denied.verdict = Verdict::kDenied;
    denied.revision = since;
    return denied;
  }
  auto routed = there;
  routed.key.vni = vni;
  routed.target = there.key.vni;
  routed.revision = since;
  return routed;
}

const MacBinding* Directory::owner(const MacKey& key) const {
  const auto at = owners_.find(key);
  return at == owners_.end() ? nullptr : &at->second.binding;
}

Vni Directory::home_of(const MacKey& key) const {
  const auto tenant = topology_.tenant_of(key.vni);
  const auto at = homes_.find({tenant, key.mac});
  const bool there = at != homes_.end() && topology_.tenant_of(at->second) == tenant;
  return there ? at->second : key.vni;
}

MacBinding Directory::answer(const MacKey& key) const {
  if (const auto* own = owner(key)) return *own;
  const auto home = home_of(key);
  const auto* there = home == key.vni ? nullptr : owner({home, key.mac});
  return there == nullptr ? nothing(key) : seen_from(key.vni, *there);
}

// Of an address that no record names.
IpBinding Directory::derived(const IpKey& key) const {
  const auto mac = mac_of_link_local(key.ip);
  const auto* at = mac ? owner({key.vni, *mac}) : nullptr;
  if (at == nullptr) return nothing(key);
  return {.key = key,
          .verdict = Verdict::kFound,
          .mac = *mac,
          .generation = at->generation,
          .revision = at->revision};
}

IpBinding Directory::answer(const IpKey& key) const {
  const auto home = topology_.home_of(key);
  const auto at = addresses_.find({home, key.ip});
  if (at == addresses_.end()) return derived(key);
  const auto& binding = at->second;
  if (binding.verdict != Verdict::kFound) return nothing(key);
  return home == key.vni ? binding : seen_from(key.vni, binding);
}

std::optional<Directory::Place> Directory::place_of(const IpKey& key) const {
  const auto address = answer(key);
  if (address.verdict != Verdict::kFound) return {};
  const auto at = answer(MacKey{key.vni, address.mac});
  if (at.verdict != Verdict::kFound) return {};
  return Place{at.host, at.target.value_or(key.vni)};
}

// --- who is told

Directory::MacView& Directory::view(const MacKey& key) {
  auto& views = views_[key.vni].macs;
  const auto at = views.find(key.mac);
  return at != views.end() ? at->second : views.try_emplace(key.mac, answer(key)).first->second;
}

Directory::IpView& Directory::view(const IpKey& key) {
  auto& views = views_[key.vni].ips;
  const auto at = views.find(key.ip);
  return at != views.end() ? at->second : views.try_emplace(key.ip, answer(key)).first->second;
}

Directory::MacView* Directory::find(const MacKey& key) {
  const auto views = views_.find(key.vni);
  if (views == views_.end()) return nullptr;
  const auto at = views->second.macs.find(key.mac);
  return at == views->second.macs.end() ? nullptr : &at->second;
}

Directory::IpView* Directory::find(const IpKey& key) {
  const auto views = views_.find(key.vni);
  if (views == views_.end()) return nullptr;
  const auto at = views->second.ips.find(key.ip);
  return at == views->second.ips.end() ? nullptr : &at->second;
}

void Directory::drop_if_unread(const MacView& view) {
  if (!view.readers.empty()) return;
  const auto key = view.answer.key;
  const auto at = views_.find(key.vni);
  at->second.macs.erase(key.mac);
  if (at->second.macs.empty() && at->second.ips.empty()) views_.erase(at);
}

void Directory::drop_if_unread(const IpView& view) {
  if (!view.readers.empty()) return;
  const auto key = view.answer.key;
  const auto at = views_.find(key.vni);
  at->second.ips.erase(key.ip);
  if (at->second.macs.empty() && at->second.ips.empty()) views_.erase(at);
}

void Directory::ask(ReaderId reader, const MacKey& key, Listener& listener) {
  auto& asked = view(key);
  add_reader(asked, interests_[reader].macs, reader);
  listener.tell(reader, asked.answer);
}

void Directory::ask(ReaderId reader, const IpKey& key, Listener& listener) {
  auto& asked = view(key);
  add_reader(asked, interests_[reader].ips, reader);
  listener.tell(reader, asked.answer);
  tell_owner(reader, asked.answer, listener);
}

void Directory::introduce(ReaderId reader, const IpKey& key, Listener& listener) {
  auto& introduced = view(key);
  if (!add_reader(introduced, interests_[reader].ips, reader)) return;
  auto binding = introduced.answer;
  binding.introduced = true;
  listener.tell(reader, binding);
  tell_owner(reader, binding, listener);
}

void Directory::tell_owner(ReaderId reader, const IpBinding& binding, Listener& listener) {
  if (binding.verdict == Verdict::kFound) ask(reader, {binding.key.vni, binding.mac}, listener);
}

void Directory::forget(ReaderId reader, const MacKey& key) {
  auto* const view = find(key);
  if (view == nullptr || interests_[reader].macs.erase(view) == 0) return;
  remove_reader(*view, reader);
  drop_if_unread(*view);
}

void Directory::forget(ReaderId reader, const IpKey& key) {
  auto* const view = find(key);
  if (view == nullptr || interests_[reader].ips.erase(view) == 0) return;
  remove_reader(*view, reader);
  drop_if_unread(*view);
}

void Directory::forget_all(ReaderId reader) {
  const auto at = interests_.find(reader);
  if (at == interests_.end()) return;
  for (auto* view : at->second.macs) {
    remove_reader(*view, reader);
    drop_if_unread(*view);
  }
  for (auto* view : at->second.ips) {
    remove_reader(*view, reader);
    drop_if_unread(*view);
  }
  interests_.erase(at);
}

std::size_t Directory::interest(ReaderId reader) const {
  const auto at = interests_.find(reader);
  return at == interests_.end() ? 0 : at->second.macs.size() + at->second.ips.size();
}

// --- what changes

void Directory::route(std::uint64_t revision, std::span<const Routing> tenants,
                      Listener& listener) {
  revision_ = revision;
  std::vector<Views*> concerned;
  for (const auto& tenant : tenants)
    for (const auto vni : topology_.replace(tenant, revision))
      if (const auto at = views_.find(vni); at != views_.end()) concerned.push_back(&at->second);
  for (auto* views : concerned)
    for (auto& [mac, view] : views->macs) refresh(view, listener);
  for (auto* views : concerned)
    for (auto& [ip, view] : views->ips) refresh(view, listener);
}

void Directory::update(std::uint64_t revision, std::span<const MacBinding> macs,
                       std::span<const IpUpdate> ips, Listener& listener) {
  revision_ = revision;
  for (const auto& binding : macs) store(binding);
  for (const auto& one : ips) store(one);
  for (const auto& binding : macs) {
    refresh(binding.key, listener);
    if (auto* derived = find(IpKey{binding.key.vni, link_local_of(binding.key.mac)}))
      refresh(*derived, listener);
  }
  for (const auto& one : ips) refresh(one.binding.key, listener);
}

void Directory::store(const MacBinding& binding) {
  const auto& key = binding.key;
  if (const auto at = owners_.find(key); at != owners_.end()) {
    const auto home = homes_.find({at->second.tenant, key.mac});
    if (home != homes_.end() && home->second == key.vni) homes_.erase(home);
    owners_.erase(at);
  }
  if (binding.verdict != Verdict::kFound) return;
  const auto tenant = topology_.tenant_of(key.vni);
  owners_.emplace(key, Owner{binding, tenant});
  if (tenant != 0) homes_.insert_or_assign({tenant, key.mac}, key.vni);
}

// One that leads nowhere need not be held, unless something else could be derived.
void Directory::store(const IpUpdate& update) {
  const auto& binding = update.binding;
  const bool found = binding.verdict == Verdict::kFound;
  if (update.recorded && (found || mac_of_link_local(binding.key.ip)))
    addresses_.insert_or_assign(binding.key, binding);
  else
    addresses_.erase(binding.key);
}

template <class Key>
void Directory::refresh(const Key& key, Listener& listener) {
  for (const auto vni : topology_.networks_with(key.vni))
    if (auto* const view = find(key_in(vni, key))) refresh(*view, listener);
}

void Directory::refresh(MacView& view, Listener& listener) {
  const auto now = answer(view.answer.key);
  if (same_answer(view.answer, now)) return;
  view.answer = now;
  for (const auto reader : view.readers) listener.tell(reader, now);
}

void Directory::refresh(IpView& view, Listener& listener) {
  const auto now = answer(view.answer.key);
  if (same_answer(view.answer, now)) return;
  view.answer = now;
  for (const auto reader : view.readers) {
    listener.tell(reader, now);
    tell_owner(reader, now, listener);
  }
}

}  // namespace dove::controller
