#include "controller/directory.h"

#include <algorithm>

#include "core/link_local.h"

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

// Whose entry in a slot's readers is this reader's.
template <class Slot>
auto find_reader(Slot& slot, ReaderId reader) {
  return std::find_if(slot.readers.begin(), slot.readers.end(),
                      [reader](const auto& one) { return one.id == reader; });
}

// Takes one out of the middle of a vector whose order means nothing. True: another stands there
// now.
template <class List>
bool take_out(List& list, std::size_t place) {
  list[place] = list.back();
  list.pop_back();
  return place < list.size();
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

Vni Directory::home_of(const MacKey& key) const {
  const auto tenant = topology_.tenant_of(key.vni);
  const auto at = homes_.find({tenant, key.mac});
  const bool there = at != homes_.end() && topology_.tenant_of(at->second) == tenant;
  return there ? at->second : key.vni;
}

MacBinding Directory::computed(const MacKey& key) const {
  const auto home = home_of(key);
  const auto* there = home == key.vni ? nullptr : own(MacKey{home, key.mac});
  return there == nullptr ? nothing(key) : seen_from(key.vni, *there);
}

// Of an address that no record names.
IpBinding Directory::derived(const IpKey& key) const {
  const auto mac = mac_of_link_local(key.ip);
  const auto* at = mac ? own(MacKey{key.vni, *mac}) : nullptr;
  if (at == nullptr) return nothing(key);
  return {.key = key,
          .verdict = Verdict::kFound,
          .mac = *mac,
          .generation = at->generation,
          .revision = at->revision};
}

IpBinding Directory::computed(const IpKey& key) const {
  const auto home = topology_.home_of(key);
  if (home == key.vni) return derived(key);
  const auto there = ips_.find({home, key.ip});
  const bool found =
      there != ips_.end() && there->second.own && there->second.binding.verdict == Verdict::kFound;
  return found ? seen_from(key.vni, there->second.binding) : nothing(key);
}

MacBinding Directory::answer(const MacKey& key) const {
  const auto at = macs_.find(key);
  return at == macs_.end() ? computed(key) : at->second.binding;
}

IpBinding Directory::answer(const IpKey& key) const {
  const auto at = ips_.find(key);
  return at == ips_.end() ? computed(key) : at->second.binding;
}

std::optional<Directory::Place> Directory::place_of(const IpKey& key) const {
  const auto address = answer(key);
  if (address.verdict != Verdict::kFound) return {};
  const auto at = answer(MacKey{key.vni, address.mac});
  if (at.verdict != Verdict::kFound) return {};
  return Place{at.host, at.target.value_or(key.vni)};
}

// --- slots

Directory::MacSlot& Directory::slot(const MacKey& key) {
  const auto [at, fresh] = macs_.try_emplace(key, MacSlot{.binding = {.key = key}, .readers = {}});
  if (fresh) {
    at->second.binding = computed(key);
    views_[key.vni].macs.insert(&at->second);
  }
  return at->second;
}

Directory::IpSlot& Directory::slot(const IpKey& key) {
  const auto [at, fresh] = ips_.try_emplace(key, IpSlot{.binding = {.key = key}, .readers = {}});
  if (fresh) {
    at->second.binding = computed(key);
    views_[key.vni].ips.insert(&at->second);
  }
  return at->second;
}

void Directory::set_own(MacSlot& slot, bool own) {
  if (slot.own == own) return;
  slot.own = own;
  const auto& key = slot.binding.key;
  own ? enter_own(slot) : leave_own(slot);
  if (!own) {
    const auto home = homes_.find({slot.tenant, key.mac});
    if (home != homes_.end() && home->second == key.vni) homes_.erase(home);
    views_[key.vni].macs.insert(&slot);
    return;
  }
  slot.tenant = topology_.tenant_of(key.vni);
  if (slot.tenant != 0) homes_.insert_or_assign({slot.tenant, key.mac}, key.vni);
  leave_views(slot);
}

void Directory::set_own(IpSlot& slot, bool own) {
  if (slot.own == own) return;
  slot.own = own;
  own ? enter_own(slot) : leave_own(slot);
  if (own)
    leave_views(slot);
  else
    views_[slot.binding.key.vni].ips.insert(&slot);
}

template <class Slot>
void Directory::enter_own(const Slot& slot) {
  list_like(slot, own_[slot.binding.key.vni]).insert(&slot);
}

template <class Slot>
void Directory::leave_own(const Slot& slot) {
  const auto at = own_.find(slot.binding.key.vni);
  list_like(slot, at->second).erase(&slot);
  if (at->second.macs.empty() && at->second.ips.empty()) own_.erase(at);
}

template <class Slot>
void Directory::leave_views(Slot& slot) {
  const auto at = views_.find(slot.binding.key.vni);
  list_like(slot, at->second).erase(&slot);
  if (at->second.macs.empty() && at->second.ips.empty()) views_.erase(at);
}

template <class Slot>
void Directory::drop_if_idle(Slot& slot) {
  if (slot.own || !slot.readers.empty()) return;
  leave_views(slot);
  const auto key = slot.binding.key;
  slots_like(slot).erase(key);
}

// --- who reads what

template <class Slot>
bool Directory::add_reader(Slot& slot, std::vector<Slot*>& read, ReaderId reader) {
  if (find_reader(slot, reader) != slot.readers.end()) return false;
  slot.readers.push_back({reader, static_cast<std::uint32_t>(read.size())});
  read.push_back(&slot);
  return true;
}

template <class Slot>
bool Directory::remove_reader(Slot& slot, std::vector<Slot*>& read, ReaderId reader) {
  const auto at = find_reader(slot, reader);
  if (at == slot.readers.end()) return false;
  const auto place = at->place;
  if (take_out(read, place)) find_reader(*read[place], reader)->place = place;
  take_out(slot.readers, static_cast<std::size_t>(at - slot.readers.begin()));
  return true;
}

template <class Slot>
void Directory::leave(std::vector<Slot*>& read, ReaderId reader) {
  for (auto* slot : read) {
    const auto at = find_reader(*slot, reader);
    take_out(slot->readers, static_cast<std::size_t>(at - slot->readers.begin()));
    drop_if_idle(*slot);
  }
}

// --- who is told

void Directory::ask(ReaderId reader, const MacKey& key, Listener& listener) {
  auto& asked = slot(key);
  add_reader(asked, interests_[reader].macs, reader);
  listener.tell(reader, asked.binding);
}

void Directory::ask(ReaderId reader, const IpKey& key, Listener& listener) {
  auto& asked = slot(key);
  add_reader(asked, interests_[reader].ips, reader);
  listener.tell(reader, asked.binding);
  tell_owner(reader, asked.binding, listener);
}

void Directory::introduce(ReaderId reader, const IpKey& key, Listener& listener) {
  auto& introduced = slot(key);
  if (!add_reader(introduced, interests_[reader].ips, reader)) return;
  auto binding = introduced.binding;
  binding.introduced = true;
  listener.tell(reader, binding);
  tell_owner(reader, binding, listener);
}

void Directory::tell_owner(ReaderId reader, const IpBinding& binding, Listener& listener) {
  if (binding.verdict == Verdict::kFound) ask(reader, {binding.key.vni, binding.mac}, listener);
}

void Directory::forget(ReaderId reader, const MacKey& key) {
  const auto at = macs_.find(key);
  if (at == macs_.end() || !remove_reader(at->second, interests_[reader].macs, reader)) return;
  drop_if_idle(at->second);
}

void Directory::forget(ReaderId reader, const IpKey& key) {
  const auto at = ips_.find(key);
  if (at == ips_.end() || !remove_reader(at->second, interests_[reader].ips, reader)) return;
  drop_if_idle(at->second);
}

void Directory::forget_all(ReaderId reader) {
  const auto at = interests_.find(reader);
  if (at == interests_.end()) return;
  leave(at->second.macs, reader);
  leave(at->second.ips, reader);
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
  std::vector<const Views*> concerned;
  for (const auto& tenant : tenants)
    for (const auto vni : topology_.replace(tenant, revision))
      if (const auto at = views_.find(vni); at != views_.end()) concerned.push_back(&at->second);
  for (const auto* views : concerned)
    for (auto* slot : views->macs) refresh(*slot, listener);
  for (const auto* views : concerned)
    for (auto* slot : views->ips) refresh(*slot, listener);
}

void Directory::update(std::uint64_t revision, std::span<const MacBinding> macs,
                       std::span<const IpUpdate> ips, Listener& listener) {
  revision_ = revision;
  for (const auto& binding : macs) update(binding, listener);
  for (const auto& one : ips) update(one, listener);
}

void Directory::update(const MacBinding& binding, Listener& listener) {
  const auto& key = binding.key;
  auto& changed = slot(key);
  set_own(changed, binding.verdict == Verdict::kFound);
  become(changed, changed.own ? binding : computed(key), listener);
  drop_if_idle(changed);
  refresh_elsewhere(macs_, key, listener);
  const auto derived = ips_.find({key.vni, link_local_of(key.mac)});
  if (derived != ips_.end() && !derived->second.own) refresh(derived->second, listener);
}

// A record that leads nowhere counts only where something else could be derived.
void Directory::update(const IpUpdate& update, Listener& listener) {
  const auto& key = update.binding.key;
  const bool found = update.binding.verdict == Verdict::kFound;
  auto& changed = slot(key);
  set_own(changed, update.recorded && (found || mac_of_link_local(key.ip)));
  auto binding = changed.own ? update.binding : computed(key);
  if (!found) binding.ttl = negative_ttl_;
  become(changed, binding, listener);
  drop_if_idle(changed);
  refresh_elsewhere(ips_, key, listener);
}

template <class Slots, class Key>
void Directory::refresh_elsewhere(Slots& slots, const Key& key, Listener& listener) {
  for (const auto vni : topology_.networks_with(key.vni)) {
    if (vni == key.vni || !views_.contains(vni)) continue;
    const auto at = slots.find(key_in(vni, key));
    if (at != slots.end() && !at->second.own) refresh(at->second, listener);
  }
}

template <class Slot>
void Directory::refresh(Slot& slot, Listener& listener) {
  become(slot, computed(slot.binding.key), listener);
}

template <class Slot, class Binding>
void Directory::become(Slot& slot, const Binding& binding, Listener& listener) {
  if (same_answer(slot.binding, binding)) return;
  slot.binding = binding;
  tell_all(slot, listener);
}

void Directory::tell_all(MacSlot& slot, Listener& listener) {
  for (const auto& reader : slot.readers) listener.tell(reader.id, slot.binding);
}

void Directory::tell_all(IpSlot& slot, Listener& listener) {
  for (const auto& reader : slot.readers) {
    listener.tell(reader.id, slot.binding);
    tell_owner(reader.id, slot.binding, listener);
  }
}

}  // namespace dove::controller
