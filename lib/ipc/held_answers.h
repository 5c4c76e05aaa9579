// A worker's answers that qmgr has not yet written to its journal: numbered, kept, and told again to the next qmgr.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "ipc/messages.h"

namespace hikyaku::ipc {

inline InHand subject_of(const Results& results) {
  InHand subject{results.id, {}, results.job};
  for (const RecipientResult& result : results.recipients) subject.recipients.push_back(result.index);
  return subject;
}
inline InHand subject_of(const ReportStored& stored) { return {stored.id, stored.recipients, stored.job}; }

// `Answer` is Results or ReportStored.
template <class Answer>
class HeldAnswers {
 public:
  // Gives `answer` its number and keeps a copy.
  void add(Answer& answer) {
    answer.number = ++last_;
    encode(answer, held_.emplace_back(Held{answer.number, {}}).encoded);
  }
  // All up to `number` are in the journal. False when no such number was given yet: the peer is out of its mind.
  [[nodiscard]] bool recorded(uint64_t number) {
    if (number > last_) return false;
    while (!held_.empty() && held_.front().number <= number) held_.pop_front();
    return true;
  }

  bool empty() const { return held_.empty(); }
  // What they speak of, one entry for each.
  std::vector<InHand> subjects() const {
    std::vector<InHand> subjects;
    each([&](const Answer& answer) { subjects.push_back(subject_of(answer)); });
    return subjects;
  }

  // Calls `tell` with each, oldest first.
  template <class Tell>
  void each(Tell&& tell) const {
    for (const Held& held : held_) {
      Answer answer;
      if (decode_all(held.encoded, answer)) tell(answer);
    }
  }

 private:
  struct Held {
    uint64_t number = 0;
    std::string encoded;  // an answer may point into what is gone by then
  };
  std::deque<Held> held_;
  uint64_t last_ = 0;
};

}  // namespace hikyaku::ipc
