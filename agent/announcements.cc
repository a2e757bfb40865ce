#include "agent/announcements.h"

#include <algorithm>
#include <utility>

#include "agent/directory.h"
#include "core/hash.h"
#include "core/link_local.h"

namespace dove::agent {

// One more than there is room for takes the place of one that nothing depends on.
Announcements::Entry* Announcements::find_or_add(Entries& entries, const IpAddress& address) {
  const auto known = entries.find(address);
  if (known != entries.end()) return &known->second;
  if (entries.size() >= kPerGuest) {
    const auto spare = std::find_if(entries.begin(), entries.end(), [](const auto& one) {
      return !one.second.under_way && !one.second.owed && !is_implicit(one.first);
    });
    if (spare == entries.end()) return nullptr;
    entries.erase(spare);
  }
  return &entries[address];
}

bool Announcements::is_news(const AddressSeen& seen, Standing standing, const Entry& entry) {
  const bool other_kind = seen.router && seen.router != entry.router;
  if (is_implicit(seen.address.ip)) return !(entry.said || entry.under_way) || other_kind;
  if (standing == Standing::kOwn) return other_kind;
  return seen.how == AddressSeen::How::kAnnounced;
}

bool Announcements::is_to_be_carried(const AddressSeen& seen, Standing standing, TimePoint now) {
  if (standing == Standing::kShared) return true;
  Entry* const entry = find_or_add(guests_[{seen.address.vni, seen.mac}], seen.address.ip);
  if (entry == nullptr) return true;
  const std::size_t frame = hash_bytes(seen.eaten);
  if (frame == entry->carried && now < entry->carried_until) return false;
  entry->carried = frame;
  entry->carried_until = now + kRepeatPause;
  return true;
}

std::optional<Announcements::Word> Announcements::heard(const AddressSeen& seen, Standing standing,
                                                        TimePoint now) {
  const MacKey guest{seen.address.vni, seen.mac};
  const IpAddress& address = seen.address.ip;
  if (standing == Standing::kForeign && !is_implicit(address) &&
      seen.how != AddressSeen::How::kAnnounced)
    return std::nullopt;
  Entry* const entry = find_or_add(guests_[guest], address);
  if (entry == nullptr) return std::nullopt;
  const bool news = is_news(seen, standing, *entry);
  if (seen.router) entry->router = seen.router;
  if (!news || now < entry->silent_until) return std::nullopt;
  if (std::exchange(entry->under_way, true)) {
    entry->again = true;
    return std::nullopt;
  }
  return Word{guest, address, entry->router};
}

std::optional<Announcements::Word> Announcements::told(const Word& word, const Status& outcome,
                                                       TimePoint now) {
  const auto entries = guests_.find(word.guest);
  if (entries == guests_.end()) return std::nullopt;
  const auto found = entries->second.find(word.address);
  if (found == entries->second.end()) return std::nullopt;
  Entry& entry = found->second;
  const bool unheard = !outcome && !is_refusal(outcome.error());
  const bool again = std::exchange(entry.again, false) && outcome;
  entry.said = outcome.ok();
  entry.owed = unheard;
  entry.under_way = again;
  if (!outcome && !unheard) entry.silent_until = now + kRefusalPause;
  if (!again) return std::nullopt;
  return Word{word.guest, word.address, entry.router};
}

std::vector<Announcements::Word> Announcements::begin_session() { return say_again(true); }

std::vector<Announcements::Word> Announcements::remind() { return say_again(false); }

std::vector<Announcements::Word> Announcements::say_again(bool implicit_too) {
  std::vector<Word> words;
  for (auto& [guest, entries] : guests_)
    for (auto& [address, entry] : entries) {
      if (entry.under_way || !(entry.owed || (implicit_too && is_implicit(address)))) continue;
      entry.under_way = true;
      words.push_back({guest, address, entry.router});
    }
  return words;
}

}  // namespace dove::agent
