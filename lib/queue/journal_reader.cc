// Replay.
#include "queue/journal_reader.h"

#include <optional>

#include "queue/journal_scan.h"
#include "queue/segment_scan.h"

namespace hikyaku::queue {
namespace {

void tell_holes(const std::string& path, const JournalScan& scan, JournalReplay& replay) {
  for (const JournalHole& hole : scan.holes)
    (hole.was_durable ? replay.damage : replay.torn).push_back({path, hole.offset, hole.length});
}

}  // namespace

util::Result<JournalReplay> replay_journal(Disk& disk, const std::string& folder,
                                           const std::function<void(const JournalRecord&)>& apply) {
  const auto numbers = list_segments(disk, folder);
  if (!numbers) return std::unexpected(numbers.error());
  JournalReplay replay;
  if (numbers->empty()) return replay;
  replay.number = numbers->back();
  const std::string path = folder + "/" + numbered_name("", replay.number);
  const auto bytes = read_whole(disk, path);
  if (!bytes) return std::unexpected(bytes.error());

  const FoundJournalHeader found = find_journal_header(*bytes, replay.number);
  if (found.other_version) return util::permanent(path + ": " + found.problem);
  // Without a header no record can be told from chance: all of the file is lost.
  if (!found.problem.empty()) replay.damage.push_back({path, 0, found.header ? kJournalHeaderSize : bytes->size()});
  if (!found.header) return replay;

  std::optional<util::Error> unknown;
  const auto scan = scan_journal(*bytes, *found.header, [&](uint64_t offset, const auto& parsed, bool follows_all) {
    if (unknown) return;
    const auto record = parse_journal_record(parsed.body);
    if (!record) unknown = util::Error{path + ", offset " + std::to_string(offset) + ": " + record.error().text, true};
    if (record && (follows_all || !std::holds_alternative<Checkpoint>(*record))) apply(*record);
  });
  if (unknown) return std::unexpected(*unknown);
  replay.closed = scan.marked;
  tell_holes(path, scan, replay);
  return replay;
}

}  // namespace hikyaku::queue
