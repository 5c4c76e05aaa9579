// The journal, as far as it can be read.
#include "queue/journal_inspection.h"

#include <algorithm>
#include <optional>

#include "queue/segment_scan.h"

namespace hikyaku::queue {
namespace {

struct Found {
  uint64_t offset = 0;
  ParsedJournalRecord record;
};

// The next whole record at or after `offset`.
std::optional<Found> find_from(std::string_view bytes, uint64_t offset, uint64_t nonce) {
  for (; offset < bytes.size(); ++offset)
    if (const auto record = find_journal_record(bytes.substr(offset), nonce)) return Found{offset, *record};
  return std::nullopt;
}

// Whether a record behind `offset` says that the bytes there were durable.
bool is_vouched_for(std::string_view bytes, uint64_t offset, uint64_t nonce) {
  for (auto next = find_from(bytes, offset + 1, nonce); next;
       next = find_from(bytes, next->offset + next->record.size, nonce))
    if (next->record.durable_before > offset) return true;
  return false;
}

void read_records(std::string_view bytes, const JournalHeader& header, JournalReport& report,
                  const std::function<void(const JournalRecord&)>& apply) {
  for (uint64_t offset = kJournalHeaderSize; offset < bytes.size();) {
    const auto next = find_from(bytes, offset, header.nonce);
    const uint64_t skipped = (next ? next->offset : std::max<uint64_t>(offset, header.snapshot_end)) - offset;
    if (skipped > 0 && (offset < header.snapshot_end || is_vouched_for(bytes, offset, header.nonce)))
      report.damage.push_back({report.file, offset, skipped});
    else if (skipped > 0)
      return;  // a torn end: what is whole behind it was never answered for
    if (!next) return;
    offset = next->offset + next->record.size;
    const auto record = parse_journal_record(next->record.body);
    if (!record) {
      report.damage.push_back({report.file, next->offset, next->record.size});
      continue;
    }
    ++report.records;
    report.bytes += next->record.size;
    apply(*record);
  }
}

}  // namespace

util::Result<JournalReport> inspect_journal(Disk& disk, const std::string& folder,
                                            const std::function<void(const JournalRecord&)>& apply) {
  const auto numbers = list_segments(disk, folder);
  if (!numbers) return std::unexpected(numbers.error());
  JournalReport report;
  if (numbers->empty()) return report;
  const uint32_t number = numbers->back();
  report.file = folder + "/" + numbered_name("", number);
  const auto bytes = read_whole(disk, report.file);
  if (!bytes) return std::unexpected(bytes.error());
  const auto header = parse_journal_header(*bytes);
  if (!header)
    report.problem = header.error().text;
  else if (header->number != number)
    report.problem = "its header says journal " + std::to_string(header->number);
  else
    read_records(*bytes, *header, report, apply);
  return report;
}

}  // namespace hikyaku::queue
