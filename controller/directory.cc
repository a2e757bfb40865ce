#include "controller/directory.h"

#include <algorithm>

#include "controller/link_local.h"

namespace dove::controller {
namespace {

bool same_answer(const MacBinding& a, const MacBinding& b) noexcept {
  if (a.verdict != Verdict::kFound) return a.verdict == b.verdict;
  return a.verdict == b.verdict && a.host == b.host && a.generation == b.generation;
}

bool same_answer(const IpBinding& a, const IpBinding& b) noexcept {
  if (a.verdict != Verdict::kFound) return a.verdict == b.verdict;
  return a.verdict == b.verdict && a.mac == b.mac && a.generation == b.generation;
}

template <class Slot, class Slots>
bool add_reader(Slot& slot, Slots& of_reader, ReaderId reader) {
  if (!of_reader.insert(&slot).second) return false;
  slot.readers.push_back(reader);
  return true;
}

template <class Slot>
void remove_reader(Slot& slot, ReaderId reader) {
  const auto at = std::find(slot.readers.begin(), slot.readers.end(), reader);
  if (at == slot.readers.end()) return;
  *at = slot.readers.back();
  slot.readers.pop_back();
}

}  // namespace

Directory::MacSlot& Directory::slot(const MacKey& key) {
  const auto [at, fresh] = macs_.try_emplace(key, MacSlot{.binding = {.key = key}, .readers = {}});
  if (fresh) {
    at->second.binding.revision = revision_;
    at->second.binding.ttl = negative_ttl_;
  }
  return at->second;
}

Directory::IpSlot& Directory::slot(const IpKey& key) {
  const auto [at, fresh] = ips_.try_emplace(key, IpSlot{.binding = {.key = key}, .readers = {}});
  if (fresh) {
    at->second.binding.revision = revision_;
    at->second.binding.ttl = negative_ttl_;
    derive(at->second);
  }
  return at->second;
}

void Directory::drop_if_idle(MacSlot& slot) {
  if (slot.readers.empty() && slot.binding.verdict != Verdict::kFound)
    macs_.erase(MacKey{slot.binding.key});
}

void Directory::drop_if_idle(IpSlot& slot) {
  const bool known = slot.recorded && slot.binding.verdict == Verdict::kFound;
  if (slot.readers.empty() && !known) ips_.erase(IpKey{slot.binding.key});
}

// Precondition: no record names the address.
void Directory::derive(IpSlot& slot) const {
  const auto key = slot.binding.key;
  const auto mac = mac_of_link_local(key.ip);
  if (!mac) return;
  const auto owner = macs_.find({key.vni, *mac});
  const bool found = owner != macs_.end() && owner->second.binding.verdict == Verdict::kFound;
  slot.binding = {.key = key, .revision = revision_, .ttl = negative_ttl_};
  if (!found) return;
  slot.binding = {.key = key,
                  .verdict = Verdict::kFound,
                  .mac = *mac,
                  .generation = owner->second.binding.generation,
                  .revision = owner->second.binding.revision};
}

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

std::optional<HostId> Directory::host_of(const IpKey& key) const {
  const auto address = ips_.find(key);
  if (address == ips_.end() || address->second.binding.verdict != Verdict::kFound) return {};
  const auto owner = macs_.find({key.vni, address->second.binding.mac});
  if (owner == macs_.end() || owner->second.binding.verdict != Verdict::kFound) return {};
  return owner->second.binding.host;
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
  if (at == macs_.end() || interests_[reader].macs.erase(&at->second) == 0) return;
  remove_reader(at->second, reader);
  drop_if_idle(at->second);
}

void Directory::forget(ReaderId reader, const IpKey& key) {
  const auto at = ips_.find(key);
  if (at == ips_.end() || interests_[reader].ips.erase(&at->second) == 0) return;
  remove_reader(at->second, reader);
  drop_if_idle(at->second);
}

void Directory::forget_all(ReaderId reader) {
  const auto at = interests_.find(reader);
  if (at == interests_.end()) return;
  for (auto* slot : at->second.macs) {
    remove_reader(*slot, reader);
    drop_if_idle(*slot);
  }
  for (auto* slot : at->second.ips) {
    remove_reader(*slot, reader);
    drop_if_idle(*slot);
  }
  interests_.erase(at);
}

std::size_t Directory::interest(ReaderId reader) const {
  const auto at = interests_.find(reader);
  return at == interests_.end() ? 0 : at->second.macs.size() + at->second.ips.size();
}

void Directory::update(std::uint64_t revision, std::span<const MacBinding> macs,
                       std::span<const IpUpdate> ips, Listener& listener) {
  revision_ = revision;
  for (const auto& binding : macs) update(binding, listener);
  for (const auto& one : ips) update(one, listener);
}

void Directory::update(const MacBinding& binding, Listener& listener) {
  auto& changed = slot(binding.key);
  if (!same_answer(changed.binding, binding)) {
    changed.binding = binding;
    if (binding.verdict != Verdict::kFound) changed.binding.ttl = negative_ttl_;
    for (const auto reader : changed.readers) listener.tell(reader, changed.binding);
  }
  drop_if_idle(changed);
  const auto derived = ips_.find({binding.key.vni, link_local_of(binding.key.mac)});
  if (derived == ips_.end() || derived->second.recorded) return;
  const auto before = derived->second.binding;
  derive(derived->second);
  if (!same_answer(before, derived->second.binding)) tell_all(derived->second, listener);
}

void Directory::update(const IpUpdate& update, Listener& listener) {
  auto& changed = slot(update.binding.key);
  const auto before = changed.binding;
  changed.recorded = update.recorded;
  changed.binding = update.binding;
  if (!update.recorded) derive(changed);
  if (changed.binding.verdict != Verdict::kFound) changed.binding.ttl = negative_ttl_;
  if (same_answer(before, changed.binding))
    changed.binding = before;
  else
    tell_all(changed, listener);
  drop_if_idle(changed);
}

void Directory::tell_all(IpSlot& slot, Listener& listener) {
  for (const auto reader : slot.readers) {
    listener.tell(reader, slot.binding);
    tell_owner(reader, slot.binding, listener);
  }
}

}  // namespace dove::controller
