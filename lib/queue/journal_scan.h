// Finds the whole records of a journal file, and says what the stretches between them are.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "queue/journal_format.h"

namespace hikyaku::queue {

struct FoundJournalHeader {
  std::optional<JournalHeader> header;
  std::string problem;         // empty when the header is as it was written
  bool other_version = false;  // it is whole, but not for this program: then the file must not be judged
};
// The header of the file that is named by `number`. Where only one bit of it has changed, it is known which: then there
// is a header and a problem.
FoundJournalHeader find_journal_header(std::string_view bytes, uint32_t number);

// Bytes that are no whole record.
struct JournalHole {
  uint64_t offset = 0;
  uint64_t length = 0;
  // They were durable: the snapshot, a later record or the end mark says so. Else a power loss may have torn them.
  bool was_durable = false;
};

struct JournalScan {
  std::vector<JournalHole> holes;
  bool marked = false;  // an end mark stands behind the last record: the writer ended in good order
};

// A whole record at `offset`. `follows_all`: all that the file told before it is whole; for a record of the snapshot,
// which is one statement, the snapshot is.
using JournalVisit = std::function<void(uint64_t offset, const ParsedJournalRecord& record, bool follows_all)>;

// All of a file, also what stands behind a hole. Zeros at its end are space that nothing was written to.
JournalScan scan_journal(std::string_view bytes, const JournalHeader& header, const JournalVisit& visit);

}  // namespace hikyaku::queue
