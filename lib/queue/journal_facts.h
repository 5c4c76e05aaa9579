// What a journal says of each message, kept for those who look at a queue at rest. Memory only.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "queue/journal_format.h"
#include "queue/place.h"
#include "queue/queue_id.h"

namespace hikyaku::queue {

// One recipient's state by the journal; a recipient that it does not speak of is as it was accepted.
struct RecipientFact {
  bool done = false;
  bool failed = false;  // given up for good; the sender was not told yet
  uint32_t attempts = 0;
  std::string enhanced_code, reply;  // of the last answer
};

class JournalFacts {
 public:
  void hear(const JournalRecord& record);
  // Records were lost: a message is then taken for alive unless the journal says that it is gone.
  void distrust() { whole_ = false; }

  // Whether a record at `place` is a message that still waits, as qmgr would find it at its next start.
  bool is_alive(QueueId id, const Place& place) const;
  bool is_held(QueueId id) const;
  // Of a message with so many recipients.
  std::vector<RecipientFact> recipients(QueueId id, size_t count) const;

  // Messages that wait, told by their place, and where that is.
  std::map<QueueId, Place> waiting() const;
  // The nonces of segments, as far as the journal tells of a message in them.
  const std::map<uint32_t, uint64_t>& nonces() const { return nonces_; }

 private:
  struct Told {
    bool completed = false, held = false;
    std::optional<Place> place;
    std::map<uint32_t, RecipientFact> recipients;
    std::optional<Deferred> all;  // of all recipients that are not done
  };
  Told& of(QueueId id) { return told_[id.value]; }
  const Told* find(QueueId id) const;
  void take(const RecipientDone& done);
  void take(const Deferred& deferred);

  bool whole_ = true;
  LogPosition checkpoint_;
  std::unordered_map<uint64_t, Told> told_;
  std::map<uint32_t, uint64_t> nonces_;
};

}  // namespace hikyaku::queue
