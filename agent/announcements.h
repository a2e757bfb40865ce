// What guests of this host were heard saying of addresses, and what of it the controller has to
// hear: a link-local IPv6 address that is used, a shared one that a guest speaks for from now on,
// one's own of which it is new that its guest is a router. A bounded number a guest. Pure.
//
// One word about an address is under way at a time; what is heard meanwhile is said once behind it,
// so that the last one wins at the controller too, however fast a guest repeats itself.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>
#include <vector>

#include "agent/event.h"
#include "core/key.h"
#include "core/result.h"

namespace dove::agent {

class Announcements {
 public:
  static constexpr std::size_t kPerGuest = 64;
  // A word that was refused is not repeated sooner.
  static constexpr std::chrono::seconds kRefusalPause{1};

  // What a guest says of an address that is its alone goes to other hosts only once in this time.
  static constexpr std::chrono::seconds kRepeatPause{1};

  // Whose the address is, by what is known here.
  enum class Standing {
    kOwn,      // the guest's alone
    kShared,   // others may speak for it too
    kForeign,  // not known to be the guest's
  };
  struct Word {
    MacKey guest;
    IpAddress address;
    std::optional<bool> router;
  };

  // Whether the frame that was heard is to go to the other hosts: they have not just had it. Of a
  // shared address every word counts, because another may have spoken meanwhile.
  bool is_to_be_carried(const AddressSeen& seen, Standing standing, TimePoint now);

  // What is to be said now, if anything; then its outcome must be told.
  std::optional<Word> heard(const AddressSeen& seen, Standing standing, TimePoint now);
  // What is to be said next about the address. Precondition: the word is under way.
  std::optional<Word> told(const Word& word, const Status& outcome, TimePoint now);

  // All that a new session has to hear: what could not be said, and the link-local ones.
  std::vector<Word> begin_session();
  // To be called now and then within a session: what the controller could not keep.
  std::vector<Word> remind();
  // The guest has left; its addresses are another's business.
  void remove(const MacKey& guest) { guests_.erase(guest); }

 private:
  struct Entry {
    std::optional<bool> router;
    bool under_way = false;
    bool again = false;  // heard while under way
    bool said = false;   // and the controller has answered
    bool owed = false;   // there was no controller to hear it, or to keep it
    TimePoint silent_until{};
    std::size_t carried = 0;  // hash of the last frame that went to other hosts
    TimePoint carried_until{};
  };
  using Entries = std::map<IpAddress, Entry>;

  static bool is_news(const AddressSeen& seen, Standing standing, const Entry& entry);
  std::vector<Word> say_again(bool implicit_too);
  static Entry* find_or_add(Entries& entries, const IpAddress& address);

  std::map<MacKey, Entries> guests_;
};

}  // namespace dove::agent
