// Reports that are in the queue already, so that a qmgr that died before it wrote that down does not cause a second
// one. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <vector>

#include "ipc/messages.h"

namespace hikyaku::bounce {

// Which failures a report is about.
struct Subject {
  queue::QueueId id;
  std::vector<uint32_t> recipients;  // indices in the envelope
  bool operator==(const Subject&) const = default;
};

inline Subject subject_of(const ipc::MakeReport& ask) {
  Subject subject{ask.id, {}};
  for (const ipc::FailedRecipient& failed : ask.recipients) subject.recipients.push_back(failed.index);
  return subject;
}

// The last few of them: what is asked for again is asked for soon.
class StoredReports {
 public:
  static constexpr size_t kKept = 1000;

  void add(Subject subject, queue::QueueId report) {
    if (stored_.size() == kKept) stored_.pop_front();
    stored_.push_back({std::move(subject), report});
  }
  std::optional<queue::QueueId> find(const Subject& subject) const {
    for (const Entry& entry : stored_)
      if (entry.subject == subject) return entry.report;
    return std::nullopt;
  }

 private:
  struct Entry {
    Subject subject;
    queue::QueueId report;
  };
  std::deque<Entry> stored_;
};

}  // namespace hikyaku::bounce
