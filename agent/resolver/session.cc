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
