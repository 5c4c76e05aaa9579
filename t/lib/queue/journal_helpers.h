// What the tests of the journal share: records, and a replay of them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "queue/journal_reader.h"
#include "queue/journal_writer.h"
#include "t/lib/queue/log_helpers.h"

namespace hikyaku::queue {

inline const std::vector<JournalRecord> kOneOfEach = {
    Completed{QueueId{1}},
    RecipientDone{QueueId{2}, 3, Outcome::kFailed, "5.1.1", "550 5.1.1 no such user", "mx.example.com"},
    Deferred{QueueId{3}, {0, 2, 70000}, 4, 1'795'557'600, "4.4.1", "connect to 192.0.2.1: Connection refused"},
    Deferred{QueueId{4}, {}, 1, -1, "", ""},
    Held{QueueId{5}, true, "by an operator"},
    Held{QueueId{5}, false, ""},
    BounceSent{QueueId{6}, {1}},
    Moved{QueueId{7}, Place{8, 9, 10, 11, 12, kMoved}},
    Checkpoint{LogPosition{13, 14}},
};

// Nothing when the journal is refused; `told` says what is not whole.
inline std::optional<std::vector<JournalRecord>> replay(Disk& disk, const std::string& folder,
                                                        JournalReplay* told = nullptr) {
  std::vector<JournalRecord> records;
  auto done = replay_journal(disk, folder, [&](const JournalRecord& record) { records.push_back(record); });
  if (!done) return std::nullopt;
  if (told != nullptr) *told = *done;
  return records;
}

inline std::vector<JournalRecord> completed(uint64_t first, uint64_t last) {
  std::vector<JournalRecord> records;
  // No byte of an id is zero, so that no cut goes unnoticed in a file that ends in zeros.
  for (uint64_t id = first; id <= last; ++id) records.push_back(Completed{QueueId{0x1112'1314'1516'1700 + id}});
  return records;
}

}  // namespace hikyaku::queue
