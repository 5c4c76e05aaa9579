// The journal, as far as it can be read.
#include "queue/journal_inspection.h"

#include "queue/journal_scan.h"
#include "queue/segment_scan.h"

namespace hikyaku::queue {
namespace {

void read_records(std::string_view bytes, const JournalHeader& header, JournalReport& report,
                  const std::function<void(const JournalRecord&)>& apply) {
  const auto scan = scan_journal(bytes, header, [&](uint64_t offset, const auto& parsed, bool follows_all) {
    const auto record = parse_journal_record(parsed.body);
    if (!record) return report.damage.push_back({report.file, offset, parsed.size});
    ++report.records;
    report.bytes += parsed.size;
    if (follows_all || !std::holds_alternative<Checkpoint>(*record)) apply(*record);
  });
  for (const JournalHole& hole : scan.holes)
    (hole.was_durable ? report.damage : report.torn).push_back({report.file, hole.offset, hole.length});
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
  const FoundJournalHeader found = find_journal_header(*bytes, number);
  report.problem = found.problem;
  if (found.header) read_records(*bytes, *found.header, report, apply);
  return report;
}

}  // namespace hikyaku::queue
