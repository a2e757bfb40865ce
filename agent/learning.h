// Guests that nobody registered: who was heard at a port of a network that learns, what the
// controller made of it, and when they have gone. Knows no sockets and no clock.
//
// A guest is asked for with its first frame. When the controller allows it, it is let in; then the
// controller makes it an endpoint, so that nobody speaks to it whose answers its port would keep
// back; and then what it said first is said again. It leaves when it was silent for Times::ageing
// and answers none of the probes that follow, when its port goes, or when it is an endpoint of
// somebody else. What is registered is never touched: the controller refuses that, and the refusal
// holds for a while without being asked for again.
//
// Bounded, so that a port that floods harms itself alone: what is more than kPerPort guests, or
// kAddressesPerGuest addresses of one, is counted and not learned; those that are learned stay.
//
// Belongs to the loop thread. Must outlive the answers of the directory.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/directory.h"
#include "agent/event.h"
#include "agent/forgetting.h"
#include "agent/state_file.h"

namespace dove::agent {

// What it needs of the rest of the agent.
class LearningHost {
 public:
  virtual ~LearningHost() = default;
  virtual HostId self() const = 0;
  // The guest's MAC is, or is no longer, on this host, behind this port.
  virtual void set_learned_local(const std::string& dev, const MacKey& guest, bool here) = 0;
  // Who is behind the port, or what addresses they have, is other than before. Calls `done` when
  // the walls follow.
  virtual void let_in(const std::string& dev, std::function<void()> done) = 0;
  // A frame that the port has kept back, from a guest that is let in now.
  virtual void say_again(const GuestHeard& heard) = 0;
  // Asks the guest, out of the port, whether it still has the address.
  virtual void probe(const std::string& dev, const MacKey& guest, const IpAddress& ip) = 0;
  virtual void on_learned(const std::string& dev) = 0;  // to save and to show
  virtual void on_refused(const std::string& dev, const std::string& why) = 0;
};

class Learning {
 public:
  static constexpr std::size_t kPerPort = 64;
  static constexpr std::size_t kAddressesPerGuest = 16;
  static constexpr std::size_t kRefusedPerPort = 256;  // remembered; while there are more, no
                                                       // others are asked for
  static constexpr std::size_t kHeldPerGuest = 4;      // frames
  static constexpr unsigned kProbes = 3;               // a second apart
  // Behind its question whether anybody has the address, a guest is asked whether it took it.
  static constexpr std::chrono::seconds kDetection{2};

  struct Times {
    std::chrono::seconds ageing{300};
    std::chrono::seconds refusal{10};  // what was refused is not asked for again sooner
    std::chrono::seconds moved{2};     // nor what went to another port or host
  };
  struct Guest {
    std::string endpoint;  // empty while asked for
    std::uint64_t generation = 0;
    std::vector<IpAddress> ips;  // that the controller has for it
  };
  struct Counters {
    std::uint64_t learned = 0;
    std::uint64_t moved = 0;  // to another port or host
    std::uint64_t aged = 0;
    std::uint64_t refused = 0;     // frames of MACs or addresses that are others'
    std::uint64_t over_bound = 0;  // frames of guests for which there was no room
  };

  Learning(Directory& directory, LearningHost& host, const Times& times);

  // --- what there is
  // Of an earlier doved; before its port is there.
  void restore(const std::vector<SavedGuest>& guests, TimePoint now);
  // `own`: the MAC of the endpoint that the port is of, if any.
  void add_port(const std::string& dev, Vni vni, const std::optional<MacAddress>& own);
  // Who was behind it is no more.
  void remove_port(const std::string& dev);
  void set_network(const NetworkSettings& settings, const MacAddress& router);

  // --- what happens
  void heard(const std::string& dev, const GuestHeard& heard, TimePoint now);
  // A learned guest has sent something. Without an address: from its MAC.
  void active(const std::string& dev, const MacAddress& mac, const std::optional<IpAddress>& ip,
              TimePoint now);
  // `these_are_all`: the controller forgets the other learned guests of this host. Not when what
  // was saved could not be read whole.
  void on_session_ready(bool these_are_all);
  // Whether the word was about a guest of this kind.
  bool on_lost(const Attachment& attachment, TimePoint now);
  bool on_readdressed(const Attachment& attachment);
  // Once a second.
  void on_time(TimePoint now);

  // --- to show
  bool has_port(const std::string& dev) const { return ports_.contains(dev); }
  // Who may speak there, with which addresses.
  std::map<MacAddress, std::vector<IpAddress>> let_in(const std::string& dev) const;
  std::size_t count(const std::string& dev) const;  // of dynamic endpoints
  // Whether a guest of a network that is here may be learned with this address.
  bool may_learn(const IpKey& address) const;
  // The guest, if it is an endpoint; and the port that it is behind.
  const Guest* find(const MacKey& guest) const;
  const std::string* port_of(const MacKey& guest) const;
  bool has(const MacKey& guest) const { return places_.contains(guest); }  // one asked for, too
  std::map<std::string, Counters> counters() const;
  std::vector<SavedGuest> state() const;

 private:
  struct Address {
    TimePoint heard;
    unsigned probes = 0;
  };
  struct Entry : Guest {
    TimePoint heard;
    unsigned probes = 0;
    bool under_way = false;
    bool let_in = false;
    std::optional<IpAddress> offered;          // let in with it, and not yet told
    std::map<IpAddress, Address> addresses;    // those of `ips` that age
    std::map<IpAddress, TimePoint> refused;    // until when
    std::map<IpAddress, TimePoint> tentative;  // since when
    std::optional<IpAddress> wanted;           // heard while under way
    bool wanted_claimed = false;
    std::vector<GuestHeard> held;
    bool known() const noexcept { return !endpoint.empty(); }
  };
  struct Port {
    Vni vni;
    std::optional<MacAddress> own;
    std::map<MacAddress, Entry> guests;
    std::map<MacAddress, TimePoint> refused;  // until when
    Counters counters;
  };
  struct Network {
    bool learns = false;
    std::vector<Subnet> subnets;
    MacAddress router;
  };

  bool learns(const Port& port) const;
  bool is_gateway(const Port& port, const IpAddress& ip) const;
  bool may_have(const Port& port, const IpAddress& ip) const { return may_learn({port.vni, ip}); }
  void hear(const std::string& dev, Port& port, Entry& guest, const GuestHeard& heard,
            TimePoint now);
  Entry* admit(const std::string& dev, Port& port, const GuestHeard& heard, TimePoint now);
  bool is_refused(Port& port, const MacAddress& mac, TimePoint now);
  void take_from_other(const std::string& dev, const MacKey& guest, TimePoint now);
  void want(const std::string& dev, const MacAddress& mac, Entry& guest,
            const std::optional<IpAddress>& ip, bool claimed);
  void checked(const std::string& dev, const MacKey& key, Directory::Heard heard,
               const Result<Attachment>& answer);
  void answered(const std::string& dev, const MacKey& key, const std::optional<IpAddress>& ip,
                const Result<Attachment>& answer);
  Entry* still_there(const std::string& dev, const MacKey& key, const Result<Attachment>& answer);
  void refuse_address(const std::string& dev, Port& port, Entry& guest, const IpAddress& ip);
  void next(const std::string& dev, const MacKey& key, Entry& guest);
  static void hold(Entry& guest, const GuestHeard& heard);
  void say_held(const Port& port, Entry& guest);
  bool may_ask(const Port& port, const Entry& guest, const IpAddress& ip) const;
  void refuse(const std::string& dev, Port& port, const MacKey& key, const Error& why);
  void take(Entry& guest, const Attachment& now_known, TimePoint now);
  void changed(const std::string& dev);
  void confirm(const std::string& dev, const MacKey& key);
  void drop(const std::string& dev, Port& port, const MacAddress& mac);
  void age(const std::string& dev, Port& port, TimePoint now);
  void ask_tentative(const std::string& dev, const MacKey& key, Entry& guest, TimePoint now);
  bool is_gone(const std::string& dev, const MacKey& key, Entry& guest, TimePoint now);
  std::vector<IpAddress> gone_addresses(const std::string& dev, const MacKey& key, Entry& guest,
                                        TimePoint now);
  Port* find_port(const std::string& dev);
  Entry* find_entry(const std::string& dev, const MacAddress& mac);

  Directory& directory_;
  LearningHost& host_;
  Forgetting forgetting_{directory_};
  const Times times_;
  TimePoint now_{};  // of the last event
  std::map<std::string, Port> ports_;
  std::map<MacKey, std::string> places_;  // of all guests
  std::map<Vni, Network> networks_;
};

}  // namespace dove::agent
