// Guests of a network that learns, whom nobody has heard yet, are asked for by the question itself:
// what a local guest asked for and the controller does not know goes to the ports of all hosts, and
// who answers is heard. Remembers who asked, and lets through no more than kPerSecond such
// questions. Pure.
#pragma once

#include <chrono>
#include <cstddef>
#include <map>
#include <optional>

#include "agent/event.h"

namespace dove::agent {

class Sought {
 public:
  static constexpr std::size_t kRemembered = 1024;
  static constexpr unsigned kPerSecond = 100;

  void asked(const AddressQuery& query, TimePoint now) {
    if (!query.source) return;  // who only probes wants no answer
    if (questions_.size() >= kRemembered)
      std::erase_if(questions_, [&](const auto& one) { return now - one.second.at > kFresh; });
    if (questions_.size() < kRemembered)
      questions_.insert_or_assign(query.target, Question{query, now});
  }

  // The question to be carried, if somebody has just asked it and it is not one too many.
  std::optional<AddressQuery> not_found(const IpKey& key, TimePoint now) {
    const auto question = questions_.extract(key);
    if (question.empty() || now - question.mapped().at > kFresh) return std::nullopt;
    if (now - second_ >= std::chrono::seconds{1}) {
      second_ = now;
      carried_ = 0;
    }
    if (carried_ >= kPerSecond) return std::nullopt;
    ++carried_;
    return question.mapped().query;
  }

 private:
  static constexpr std::chrono::seconds kFresh{2};
  struct Question {
    AddressQuery query;
    TimePoint at;
  };
  std::map<IpKey, Question> questions_;
  TimePoint second_{};
  unsigned carried_ = 0;
};

}  // namespace dove::agent
