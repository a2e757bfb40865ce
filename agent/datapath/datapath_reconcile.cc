// After changes of the kernel's were lost: what the host has is compared with what it should have,
// one network after the other and each in slices. A guest can cause overruns, but order no dumps by
// them: after one round the next waits, however many more there were meanwhile.
#include <algorithm>
#include <map>
#include <utility>

#include "agent/datapath/datapath_state.h"
#include "netlink/dump.h"

namespace dove::agent {
namespace {

// A round that takes long is followed by a longer rest: it may not take more than a fifth of the
// time.
constexpr int kRestOfRound = 4;

}  // namespace

void Datapath::State::on_change(const netlink::Overrun&) {
  ++counters.change_overruns;
  if (std::exchange(reconciliation.due, true) || reconciliation.under_way) return;
  at(reconcile_timer, std::max(Clock::now(), reconciliation.next), &State::reconcile);
}

void Datapath::State::reconcile() {
  ++counters.reconciliations;
  const auto networks = devices.networks();
  reconciliation.due = false;
  reconciliation.under_way = true;
  reconciliation.began = Clock::now();
  reconciliation.networks.assign(networks.begin(), networks.end());
  read_groups();
  check_punt();
  reconcile_ports();
  check_mtu_soon();
  listener.on_turn_end();
  reconcile_next();
}

// Devices that have gone, been renamed or come meanwhile. What was changed of the others is found
// with their network.
void Datapath::State::reconcile_ports() {
  const auto dumped = netlink::dump_links(parts.query);
  if (!dumped) return trouble(dumped.error().message);
  std::map<IfIndex, const netlink::Link*> there;
  for (const auto& link : *dumped) there[link.index] = &link;
  std::vector<IfIndex> gone;
  for (const auto& [name, port] : ports)
    if (port.shown.present && !there.contains(port.device.index)) gone.push_back(port.device.index);
  for (const auto index : gone) port_link_gone(index);
  for (const auto& link : *dumped) {
    auto* const port = port_by_index(link.index);
    const auto named = ports.find(link.name);
    const bool renamed = port != nullptr && port->shown.device != link.name;
    const bool came = named != ports.end() && !named->second.shown.present;
    if (renamed || came)
      port_link_changed(link);
    else if (port != nullptr)
      carrier_changed(*port, link.running);
  }
}

// The host's own devices come last.
void Datapath::State::reconcile_next() {
  AuditJob job{.fix = true, .done = {}, .found = {}};
  job.host = reconciliation.networks.empty();
  if (!job.host) {
    job.networks = {reconciliation.networks.front()};
    reconciliation.networks.pop_front();
  }
  const auto then = job.host ? &State::end_reconciliation : &State::reconcile_next;
  job.done = [this, then](const auto&) { at(reconcile_timer, Clock::now(), then); };
  audit(std::move(job));
}

void Datapath::State::end_reconciliation() {
  const auto now = Clock::now();
  reconciliation.under_way = false;
  reconciliation.next = std::max(reconciliation.began + options.reconcile_pause,
                                 now + kRestOfRound * (now - reconciliation.began));
  if (reconciliation.due) at(reconcile_timer, reconciliation.next, &State::reconcile);
}

}  // namespace dove::agent
