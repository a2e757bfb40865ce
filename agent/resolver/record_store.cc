#include "agent/resolver/record_store.h"

namespace dove::agent {

Network* RecordStore::network(Vni vni) const {
  if (last_ != nullptr && last_->vni == vni) return last_;
  const auto found = networks_.find(vni);
  if (found == networks_.end()) return nullptr;
  return last_ = found->second.get();
}

Network& RecordStore::add_network(Vni vni) {
  const std::uint64_t seed = mix(seed_ + vni.value());
  auto network =
      std::make_unique<Network>(vni, Network::Macs{macs_, seed}, Network::Ips{ips_, seed});
  return *networks_.emplace(vni, std::move(network)).first->second;
}

void RecordStore::remove_network(Network& network) {
  network.macs.for_each([](MacRecord& record) {
    forget_links(record);
    record.ListNode<InExpected>::leave();
  });
  network.ips.for_each([](IpRecord& record) { forget_links(record); });
  last_ = nullptr;
  networks_.erase(network.vni);
}

MacRecord* RecordStore::find(const MacKey& key) const {
  const Network* in = network(key.vni);
  return in != nullptr ? in->macs.find(key.mac) : nullptr;
}

IpRecord* RecordStore::find(const IpKey& key) const {
  const Network* in = network(key.vni);
  return in != nullptr ? in->ips.find(key.ip) : nullptr;
}

MacRecord& RecordStore::find_or_add(Network& network, const MacAddress& mac) {
  MacRecord* const found = network.macs.find(mac);
  return found != nullptr ? *found : network.macs.add(network, mac);
}

IpRecord& RecordStore::find_or_add(Network& network, const IpAddress& ip) {
  IpRecord* const found = network.ips.find(ip);
  return found != nullptr ? *found : network.ips.add(network, ip);
}

void RecordStore::forget_links(Record& record) {
  record.ListNode<InReview>::leave();
  if (!record.ListNode<InUnresolved>::in_list()) return;
  record.ListNode<InUnresolved>::leave();
  --record.network->unresolved_size;
}

void RecordStore::erase(MacRecord& record) {
  forget_links(record);
  record.ListNode<InExpected>::leave();
  record.network->macs.erase(record);
}

void RecordStore::erase(IpRecord& record) {
  forget_links(record);
  lead_nowhere(record);
  record.network->ips.erase(record);
}

void RecordStore::lead(IpRecord& record, MacRecord& owner) {
  if (record.owner == &owner) return;
  lead_nowhere(record);
  record.owner = &owner;
  owner.ips.push_back(record);
}

void RecordStore::lead_nowhere(IpRecord& record) {
  record.ListNode<InOwner>::leave();
  record.owner = nullptr;
}

void RecordStore::count(Record& record) {
  const bool counts = record.known != Known::kFound && !is_installed(record);
  ListNode<InUnresolved>& node = record;
  if (counts == node.in_list()) return;
  if (counts) {
    record.network->unresolved.push_back(record);
    ++record.network->unresolved_size;
  } else {
    node.leave();
    --record.network->unresolved_size;
  }
}

Record* RecordStore::oldest_removable(Network& network) {
  constexpr int kLooks = 8;
  for (int i = 0; i < kLooks && !network.unresolved.empty(); ++i) {
    Record& record = network.unresolved.front();
    if (record.kind == Record::Kind::kIp || as_mac(record).ips.empty()) return &record;
    record.ListNode<InUnresolved>::leave();
    network.unresolved.push_back(record);
  }
  return nullptr;
}

}  // namespace dove::agent
