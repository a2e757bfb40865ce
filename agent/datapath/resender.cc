#include "agent/datapath/resender.h"

#include <algorithm>
#include <array>

#include "agent/frames/routed.h"

namespace dove::agent {
namespace {

using netlink::SegmentSocket;

// Fewer keep their own source ports: little is saved by sending them together.
constexpr std::size_t kShortestRun = 8;

}  // namespace

Result<Resender> Resender::open(const IpAddress& source) {
  auto raw = netlink::RawSocket::open(source.family());
  if (!raw) return raw.error();
  auto segments = SegmentSocket::open(source);
  if (!segments) return segments.error();
  return Resender{std::move(*raw), std::move(*segments)};
}

void Resender::send(std::span<Resend> resends) {
  collect(resends);
  if (items_.size() < kShortestRun)
    put_off(items_);
  else
    send_in_runs();
  send_one_by_one();
}

void Resender::send_in_runs() {
  for (auto& item : items_) item.plain = parse_plain(item.packet);
  const auto by_host = [](const Item& a, const Item& b) { return a.to < b.to; };
  if (!std::is_sorted(items_.begin(), items_.end(), by_host))
    std::stable_sort(items_.begin(), items_.end(), by_host);
  for (Items left{items_}; !left.empty();) {
    const Items run = left.first(run_length(left));
    left = left.subspan(run.size());
    if (run.size() < kShortestRun || !send_together(run)) put_off(run);
  }
}

void Resender::collect(std::span<Resend> resends) {
  items_.clear();
  for (auto& resend : resends)
    for (auto& packet : resend.packets.packets) {
      const bool routed = resend.target || resend.macs;
      if (routed && !change_inner(packet, {resend.target, resend.macs})) {
        ++counters_.errors;
        continue;
      }
      items_.push_back({std::move(packet), resend.vtep, std::nullopt});
    }
}

// Of those at the front that can go together; at least 1.
std::size_t Resender::run_length(Items items) {
  const Item& first = items.front();
  if (!first.plain) return 1;
  const std::size_t length = first.plain->payload.size();
  const std::size_t limit =
      std::min({items.size(), SegmentSocket::kAtMost, SegmentSocket::kBytesAtMost / length});
  const auto fits = [&](const Item& item) {
    return item.plain && item.to == first.to && item.plain->payload.size() == length &&
           item.plain->hop_limit == first.plain->hop_limit &&
           item.plain->traffic_class == first.plain->traffic_class;
  };
  std::size_t count = 1;
  while (count < limit && fits(items[count])) ++count;
  return count;
}

bool Resender::send_together(Items run) {
  send_one_by_one();  // what came before it
  std::array<netlink::ByteView, SegmentSocket::kAtMost> payloads;
  std::transform(run.begin(), run.end(), payloads.begin(),
                 [](const Item& item) { return item.plain->payload; });
  const auto& first = run.front();
  if (segments_.send({.to = first.to,
                      .hop_limit = first.plain->hop_limit,
                      .traffic_class = first.plain->traffic_class,
                      .payloads = std::span{payloads}.first(run.size())}))
    return false;
  counters_.sent += run.size();
  return true;
}

void Resender::put_off(Items items) {
  for (auto& item : items)
    if (set_outer_destination(item.packet, item.to))
      one_by_one_.push_back(item.packet);
    else
      ++counters_.errors;
}

void Resender::send_one_by_one() {
  if (one_by_one_.empty()) return;
  const auto outcome = raw_.send(one_by_one_);
  one_by_one_.clear();
  counters_.sent += outcome.sent;
  counters_.errors += outcome.failed;
}

}  // namespace dove::agent
