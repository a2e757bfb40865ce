#include "agent/resolver/state.h"

namespace dove::agent {

// Revisions and host ids of another store. What is in the kernel stays, as if adopted.
void Resolver::State::forget_store() {
  flood_lists.forget_hosts();
  records.for_each_network([](Network& network) {
    network.macs.for_each([](MacRecord& record) {
      record.revision = 0;
      record.known = Known::kNothing;
      RecordStore::count(record);
    });
    network.ips.for_each([](IpRecord& record) {
      record.revision = 0;
      if (record.is_negative()) record.known = Known::kNothing;
      RecordStore::count(record);
    });
  });
}

std::vector<Key> Resolver::State::interest(Vni vni) const {
  std::vector<Key> keys;
  Network* const network = records.network(vni);
  if (network == nullptr) return keys;
  const auto add = [&](const auto& record) {
    if (record.session == session) keys.emplace_back(key(record));
  };
  network->ips.for_each(add);
  network->macs.for_each(add);
  return keys;
}

namespace {

Verdict verdict_of(const Record& record) {
  if (record.known == Known::kFound) return Verdict::kFound;
  return record.known == Known::kDenied ? Verdict::kDenied : Verdict::kNotFound;
}

Believed believed(const MacRecord& record) {
  return MacBinding{.key = key(record),
                    .verdict = verdict_of(record),
                    .host = record.host,
                    .target = record.target};
}

Believed believed(const IpRecord& record) {
  IpBinding binding{.key = key(record), .verdict = verdict_of(record), .mac = {}, .target = {}};
  if (record.known == Known::kFound) {
    binding.mac = record.owner->mac;
    binding.target = record.owner->target;
    binding.router = record.router;
  }
  return binding;
}

}  // namespace

std::optional<Believed> Resolver::State::belief(const Key& key) const {
  return std::visit(
      [&](const auto& k) -> std::optional<Believed> {
        const auto* record = records.find(k);
        if (record == nullptr || record->asking || record->known == Known::kNothing) return {};
        return believed(*record);
      },
      key);
}

// Makes every record's review due now; a review of what is asked asks, or drops what nobody needs.
// A local guest's own record is only asked about when something else made it known.
void Resolver::State::ask_everything(Actions& out) {
  while (!reviews.empty()) reviews.front().ListNode<InReview>::leave();
  while (!expected.empty()) expected.front().ListNode<InExpected>::leave();
  const auto due = [&](Record& record) {
    record.asking = true;
    record.rounds = 0;
    record.review_at = now;
    reviews.push_back(record);
  };
  records.for_each_network([&](Network& network) {
    network.macs.for_each([&](MacRecord& record) {
      if (!record.local || record.asking || record.known != Known::kNothing) due(record);
    });
    network.ips.for_each(due);
  });
  run_reviews(out);
}

}  // namespace dove::agent
