// The kernel side of doved as one thing: devices, walls, punt, guest port log, misses, programmer.
// The rest of the agent sees networks, ports, events and actions, and no netlink.
//
// Everything here belongs to the loop thread: every call is made on it and every callback comes on
// it, never from inside the call that was given the callback. nft runs on a thread of its own and
// posts its outcome back. No call waits for anything slower than the kernel.
//
// Nothing is flushed at start or at the end. open() takes over what an earlier doved left;
// shutdown() leaves networks in use as they are, forwarding and walled.
#pragma once

#include <asio/io_context.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "agent/action.h"
#include "agent/datapath/guest_identity.h"
#include "agent/datapath/options.h"
#include "agent/difference.h"
#include "agent/event.h"
#include "agent/memberships.h"
#include "agent/router.h"
#include "core/histogram.h"
#include "core/prefix.h"
#include "core/result.h"

namespace dove::agent {

// What the kernel tells. Called on the loop thread. A listener collects what follows from it and
// carries it out in on_turn_end(), which comes once after each run of the other calls.
class DatapathListener {
 public:
  virtual ~DatapathListener() = default;

  virtual void on_mac_miss(const MacMiss& miss) = 0;
  virtual void on_ip_miss(const IpMiss& miss) = 0;
  // Of each frame that the guest port log has: before on_seen and on_query of it, which come only
  // if its port let it pass.
  virtual void on_heard(const GuestHeard& heard) = 0;
  virtual void on_query(const AddressQuery& query) = 0;
  virtual void on_seen(const AddressSeen& seen) = 0;
  virtual void on_punted(PuntedFrame&& frame) = 0;
  // An entry that the resolver wanted is gone: aged, or taken by a foreign hand. Never our own
  // deletion.
  virtual void on_fdb_gone(const MacKey& key) = 0;
  virtual void on_neighbour_gone(const IpKey& key) = 0;
  // Local guests begin to listen to a group, or listen to it no more.
  virtual void on_group(const Memberships::Change& change) = 0;
  // The device of a port vanished (a tap whose QEMU ended). The port stays known by its name and
  // its walls stand. When a device of that name is there again it is made a port anew by the
  // datapath itself, and on_port_back comes when it is up.
  virtual void on_port_gone(const std::string& device) = 0;
  virtual void on_port_back(const std::string& device, IfIndex index) = 0;
  // A device that the datapath knows as nobody's has come, or changed.
  virtual void on_other_device(const std::string& device) = 0;
  // Something went wrong that no call can return: one sentence for the journal, rate-limited.
  virtual void on_trouble(const std::string& what) = 0;
  // The guests' MTU is now this: another way to a host, or another host.
  virtual void on_guest_mtu(unsigned mtu) = 0;
  virtual void on_turn_end() = 0;
};

struct DatapathPort {
  std::string device;
  IfIndex index{};
  MacKey guest;            // its network and its endpoint's MAC; zero: it has no endpoint
  std::uint32_t mark = 0;  // how the walls mark its packets
  bool present = false;    // false while the device is away
};

// The addresses that the guest at a port may send from, besides its own MAC's link-local one: port
// security. Empty: it may be anybody, and bridge others.
using OwnAddresses = std::optional<std::vector<IpAddress>>;

struct RefusedChange {
  std::size_t index;  // into what apply() was given
  std::error_code error;
};

// Everything is a count since open(), except where the kernel keeps it.
struct DatapathCounters {
  std::uint64_t punted_packets = 0;
  std::uint64_t punted_malformed = 0;
  std::uint64_t punted_given_up = 0;  // in fragments of which some did not come, or too many did
  std::uint64_t punted_ignored =
      0;  // of a network or family that is not ours, the TUN's own RS/MLD
  std::uint64_t resent = 0;
  std::uint64_t resend_errors = 0;
  std::uint64_t logged_frames = 0;
  std::uint64_t log_malformed = 0;
  std::uint64_t log_overruns = 0;
  std::uint64_t answers_sent = 0;
  std::uint64_t answer_errors = 0;
  std::uint64_t delivered = 0;  // frames out of guests' ports
  std::uint64_t delivery_errors = 0;
  std::uint64_t announcements_carried = 0;  // copies, to other hosts
  std::uint64_t announcements_told = 0;     // copies, to local guests
  std::uint64_t announcement_errors = 0;
  std::uint64_t group_queries = 0;    // sent to guests
  std::uint64_t miss_overruns = 0;    // counted, nothing else: the packet comes again
  std::uint64_t change_overruns = 0;  // each is followed by a reconciliation, or several by one
  std::uint64_t reconciliations = 0;
  std::uint64_t kernel_changes = 0;
  std::uint64_t kernel_refusals = 0;
  // What of ours somebody else removed or changed, and was made as it should be.
  std::uint64_t put_back = 0;
  std::uint64_t audits = 0;  // networks that were compared with the kernel, whatever the reason
  std::uint64_t audit_differences = 0;
  std::uint64_t audit_mended = 0;
  Histogram batch_time{kTimeBounds};
  Histogram batch_size{kSizeBounds};
  Histogram nft_time{kTimeBounds};
};

// What the mirror of the kernel's tables holds.
struct TableSizes {
  std::size_t remotes = 0;  // guests elsewhere
  std::size_t locals = 0;
  std::size_t neighbours = 0;
};

class Datapath {
 public:
  using Done = std::function<void(Status)>;

  // Checks that this host can do it (capabilities, VXLAN, TUN, nft, a device with the VTEP's
  // address, no second doved in this network namespace), raises the walls, makes dvpunt, finds what
  // an earlier doved left. May take some 50 ms; call it before the loop runs. `io` and `listener`
  // must outlive the object. No event comes before start().
  static Result<std::unique_ptr<Datapath>> open(asio::io_context& io,
                                                const DatapathOptions& options,
                                                DatapathListener& listener);
  ~Datapath();
  Datapath(const Datapath&) = delete;
  Datapath& operator=(const Datapath&) = delete;

  // --- adoption, between open() and start()
  // Networks whose devices (marked as ours) are on this host. Those without add_network() by the
  // time of forget_unclaimed() are removed, spread out; so are walls of ports nobody added again.
  std::vector<Vni> found_networks() const;
  // What the kernel has for a network that was added: unicast entries with a remote destination,
  // the lists of groups (the all-zero entry is none) and neighbours, for Resolver::adopt_*. Group
  // lists and local entries are also taken into the programmer's own mirror and corrected by the
  // next SetGroup or SetLocalFdb.
  struct Adopted {
    std::vector<SetFdb> fdb;
    std::vector<SetGroup> groups;
    std::vector<SetNeighbour> neighbours;
    Router router;  // without gateways: none
  };
  Result<Adopted> adopt(Vni vni);
  bool has_unclaimed() const;
  void forget_unclaimed();

  // Begins to read sockets and to call the listener.
  void start();

  // --- networks
  // Makes or takes over bridge and VXLAN device. Repeating it is success, and it calls off a
  // removal that is under way. kConflict when a foreign device has one of the names: the message
  // says what differs and what to do.
  Status add_network(Vni vni);
  // Its ports must be gone. The devices go later, one network at a time.
  void remove_network(Vni vni);

  // Frames to the router's MAC are routed from now on, and the kernel answers for its gateways;
  // without gateways, not any more. Precondition: add_network() succeeded.
  Status set_router(Vni vni, const Router& router);
  // The network exchanges no packet with these subnets, by way of this router, in either direction:
  // from `done` on, also while doved is down. `done` is not called when that is so already, or is
  // under way.
  void set_policy(Vni vni, const MacAddress& router, std::vector<Prefix> denied, Done done);

  // --- ports
  // Makes `device` the port of the guest with this MAC: walls first, then the bridge, then up.
  // Precondition: add_network() succeeded. The entry `mac dst 0.0.0.0` is in place before the port
  // is up, whatever apply() is given. Fails with a message that names the device and leaves it as
  // it was. Without a MAC it is nobody's in particular.
  using PortDone = std::function<void(Result<DatapathPort>)>;
  void add_port(const std::string& device, const MacKey& guest, const OwnAddresses& own,
                PortDone done);
  // Makes `device` a port of the network without an endpoint: in are who was learned, and who is
  // not is heard of and kept out.
  void add_learning_port(const std::string& device, Vni vni, std::vector<GuestIdentity> learned,
                         PortDone done);
  // Who was learned there is this, from `done` on. Their local entries are the caller's.
  void set_learned(const std::string& device, std::vector<GuestIdentity> learned, Done done);
  // A guest that was heard behind a port without security has gone from there: its bridge, which
  // has learned it, forgets it at once.
  void forget_learned(const std::string& device, const MacAddress& mac);
  // Which of them have sent anything since the last call, by device. Without an address: the MAC.
  struct Sender {
    MacAddress mac;
    std::optional<IpAddress> ip;
  };
  using Senders = std::map<std::string, std::vector<Sender>>;
  void senders(std::function<void(const Senders&)> done);
  // What the guest at a secured port may send from is this, from `done` on.
  void set_own(const std::string& device, const std::vector<IpAddress>& own, Done done);
  // Takes the device off the bridge and restores what add_port changed. Absent: kNotFound.
  void remove_port(const std::string& device, Done done);
  std::vector<DatapathPort> ports() const;
  // The multicast groups that guests of the network listen to.
  std::vector<MacAddress> groups(Vni vni) const;

  // VXLAN packets come in from these other hosts only, from `done` on.
  void set_vteps(std::set<IpAddress> vteps, Done done);

  // --- what the resolver decided
  // Applies kernel changes in order; the result names only those refused. Deleting what is absent
  // succeeds. A change for a network that is not here is refused with ENODEV.
  std::vector<RefusedChange> apply(std::span<const KernelChange> changes);
  void answer(std::span<const AnswerQuery> answers);
  void tell(std::span<const TellGuests> moved);
  void carry(std::span<const CarryFrame> frames);
  void resend(std::span<Resend> resends);  // takes their packets
  // Frames, from their Ethernet header on, out of guests' ports.
  struct GuestFrame {
    IfIndex port;
    std::vector<std::byte> frame;
  };
  void deliver(std::span<const GuestFrame> frames);
  // To guests of other hosts, by the entries that the kernel has for them, as the frame of the
  // guest at this port: the walls treat it as that.
  void send_out(IfIndex from, std::span<const std::byte> frame);

  // The guests' MTU is what fits on the ways to all of these VTEPs; the own one may be among them.
  // Until there are some it is what fits on the device that has the own one.
  void set_peers(std::vector<IpAddress> vteps);

  // Compares what this host's kernel has with what it should have: of one network, or of all and of
  // what is for all of them. With `fix` it is mended, and the listener hears what that takes away.
  // In slices; `done` comes some tenths of a second later, with what was found.
  void audit(std::optional<Vni> only, bool fix, DifferencesDone done);

  // --- what to show
  unsigned guest_mtu() const noexcept;
  // What of the walls and the punt cannot be made as it should be, tried again every second. Empty:
  // nothing.
  std::string problem() const;
  // What others on this host do that gets in guests' way, and what helps; looked at every minute.
  const std::vector<std::string>& notes() const noexcept;
  const DatapathCounters& counters() const noexcept;
  TableSizes sizes() const;
  // The walls' own counters, by name ("host_input", "port tap0 queries_dropped").
  using WallCounters = std::map<std::string, std::uint64_t>;
  void wall_counters(std::function<void(Result<WallCounters>)> done);

  // Finishes removals that are due or pending. If no network of ours is left on the host, dvpunt
  // and the walls go too; otherwise everything stays as it is. Waits for nft: at most about 1 s.
  // Nothing may be called afterwards but the destructor.
  void shutdown();

 private:
  struct State;
  explicit Datapath(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;  // shared with calls that are on their way back from nft
};

}  // namespace dove::agent
