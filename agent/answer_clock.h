// How long a controller takes to answer: of one question at a time, so that nothing need be kept
// for the others.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>
#include <span>
#include <variant>

#include "agent/directory.h"
#include "core/key.h"

namespace dove::agent {

class AnswerClock {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  // An answer later than this is none: another question is followed.
  static constexpr std::chrono::seconds kGiveUp{10};

  // Follows this question, unless it follows another.
  void asked(const Key& key, TimePoint now) {
    if (!key_ || now - since_ > kGiveUp) {
      key_ = key;
      since_ = now;
    }
  }
  // The time it took, if the answer is here.
  std::optional<std::chrono::nanoseconds> answered(std::span<const BindingRecord> answers,
                                                   TimePoint now) {
    if (!key_) return std::nullopt;
    const auto is_it = [this](const BindingRecord& answer) {
      return std::visit([this](const auto& binding) { return Key{binding.key} == *key_; }, answer);
    };
    if (std::none_of(answers.begin(), answers.end(), is_it)) return std::nullopt;
    key_.reset();
    return now - since_;
  }
  // No answer will come.
  void stop() noexcept { key_.reset(); }

 private:
  std::optional<Key> key_;
  TimePoint since_{};
};

}  // namespace dove::agent
