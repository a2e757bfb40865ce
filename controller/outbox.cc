#include "controller/outbox.h"

#include <algorithm>

#include "api/convert.h"

namespace dove::controller {
namespace {

constexpr int kBindingsPerMessage = 512;
constexpr int kHostsPerMessage = 4096;
constexpr std::size_t kSpare = 4;

// A word about a replica that names none counts as one.
std::size_t bindings_in(const v1::FromController& message) {
  if (message.has_replica()) return static_cast<std::size_t>(message.replica().bindings_size()) + 1;
  if (message.has_reply())
    return static_cast<std::size_t>(message.reply().bindings().bindings_size());
  return message.has_bindings() ? static_cast<std::size_t>(message.bindings().bindings_size()) : 0;
}

// Hosts that have come or changed, behind others: the later word about one stands behind the
// former.
bool gather(v1::FromController& last, const v1::FromController& next) {
  if (!last.has_hosts() || !next.has_hosts() || next.hosts().full()) return false;
  auto& hosts = *last.mutable_hosts();
  if (hosts.hosts_size() + next.hosts().hosts_size() > kHostsPerMessage) return false;
  hosts.set_revision(next.hosts().revision());
  hosts.mutable_hosts()->MergeFrom(next.hosts().hosts());
  return true;
}

}  // namespace

Outbox::Message Outbox::fresh() {
  if (spare_.empty()) return std::make_unique<v1::FromController>();
  auto message = std::move(spare_.back());
  spare_.pop_back();
  return message;
}

template <class Binding>
bool Outbox::add(const Binding& binding, std::uint64_t revision) {
  const std::lock_guard lock{mutex_};
  if (closed_) return true;
  if (bindings_ >= limits_.bindings) {
    drop_bindings();
    return false;
  }
  if (waiting_.empty() || !waiting_.back()->has_bindings() ||
      waiting_.back()->bindings().bindings_size() >= kBindingsPerMessage)
    waiting_.push_back(fresh());
  auto* message = waiting_.back()->mutable_bindings();
  message->set_revision(revision);
  api::write(binding, message->add_bindings());
  ++bindings_;
  return true;
}

template bool Outbox::add(const MacBinding&, std::uint64_t);
template bool Outbox::add(const IpBinding&, std::uint64_t);

void Outbox::drop_bindings() {
  std::erase_if(waiting_, [](const Message& message) {
    return message->has_bindings() || message->has_replica();
  });
  bindings_ = 0;
  for (const auto& message : waiting_) bindings_ += bindings_in(*message);
  waiting_.push_back(std::make_unique<v1::FromController>());
  waiting_.back()->mutable_resync();
}

bool Outbox::add_replica(v1::FromController&& message) {
  const std::lock_guard lock{mutex_};
  if (closed_) return true;
  const auto more = bindings_in(message);
  if (bindings_ + more > limits_.bindings) {
    drop_bindings();
    return false;
  }
  waiting_.push_back(std::make_unique<v1::FromController>(std::move(message)));
  bindings_ += more;
  return true;
}

bool Outbox::add(v1::FromController&& message) {
  const std::lock_guard lock{mutex_};
  if (closed_ || (!waiting_.empty() && gather(*waiting_.back(), message))) return true;
  if (waiting_.size() >= limits_.messages + limits_.bindings / kBindingsPerMessage) return false;
  bindings_ += bindings_in(message);
  waiting_.push_back(std::make_unique<v1::FromController>(std::move(message)));
  return true;
}

const v1::FromController* Outbox::begin_write() {
  const std::lock_guard lock{mutex_};
  if (closed_ || writing_ || waiting_.empty()) return nullptr;
  writing_ = std::move(waiting_.front());
  waiting_.pop_front();
  bindings_ -= bindings_in(*writing_);
  return writing_.get();
}

void Outbox::end_write() {
  const std::lock_guard lock{mutex_};
  if (writing_->has_bindings() && spare_.size() < kSpare) {
    writing_->mutable_bindings()->clear_bindings();  // keeps the elements' memory
    spare_.push_back(std::move(writing_));
  }
  writing_.reset();
}

bool Outbox::close() {
  const std::lock_guard lock{mutex_};
  closed_ = true;
  waiting_.clear();
  return !writing_;
}

bool Outbox::is_full() const {
  const std::lock_guard lock{mutex_};
  return bindings_ >= limits_.bindings / 2 || waiting_.size() >= limits_.messages / 2;
}

}  // namespace dove::controller
