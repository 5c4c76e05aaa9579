// Scanning of journal files.
#include "queue/journal_scan.h"

#include <algorithm>

namespace hikyaku::queue {
namespace {

// Where the next whole record at or after `offset` stands.
std::optional<uint64_t> find_from(std::string_view bytes, uint64_t offset, uint64_t nonce) {
  for (; offset < bytes.size(); ++offset)
    if (find_journal_record(bytes.substr(offset), nonce)) return offset;
  return std::nullopt;
}

// The file without the zeros behind all that was written.
std::string_view without_space(std::string_view bytes, uint64_t snapshot_end) {
  const size_t last = bytes.find_last_not_of('\0');
  const uint64_t written = last == std::string_view::npos ? 0 : last + 1;
  return bytes.substr(0, std::max(written, std::min<uint64_t>(snapshot_end, bytes.size())));
}

struct Walk {
  JournalScan scan;
  uint64_t end = 0;  // behind the last whole record
};

Walk find_holes(std::string_view bytes, const JournalHeader& header) {
  Walk walk;
  uint64_t durable = header.snapshot_end;
  const std::string_view written = without_space(bytes, header.snapshot_end);
  uint64_t offset = kJournalHeaderSize;
  while (offset < written.size() && !walk.scan.marked) {
    // A whole record may end in zeros, so it is looked for in all of the file.
    const auto next = find_from(bytes, offset, header.nonce);
    const uint64_t end = next.value_or(std::max<uint64_t>(written.size(), offset));
    if (end > offset) walk.scan.holes.push_back({offset, end - offset, false});
    if (!next) break;
    const auto record = *find_journal_record(bytes.substr(*next), header.nonce);
    durable = std::max(durable, record.durable_before);
    walk.scan.marked = is_journal_end_mark(record.body);
    walk.end = walk.scan.marked ? *next : *next + record.size;
    offset = *next + record.size;
  }
  // A file that ends before its snapshot does has lost it, whatever its last bytes are.
  const uint64_t told_end = std::max<uint64_t>(offset, written.size());
  if (told_end < header.snapshot_end) walk.scan.holes.push_back({told_end, header.snapshot_end - told_end, true});
  for (JournalHole& hole : walk.scan.holes) hole.was_durable = hole.offset < durable;
  return walk;
}

}  // namespace

FoundJournalHeader find_journal_header(std::string_view bytes, uint32_t number) {
  FoundJournalHeader found;
  std::string block(bytes.substr(0, kJournalHeaderSize));
  if (const auto as_written = parse_journal_header(block); !as_written) found.problem = as_written.error().text;
  repair_journal_header(block);
  const auto header = parse_journal_header(block);
  found.other_version = is_other_journal_version(block);
  if (found.other_version) found.problem = header.error().text;
  if (header && header->number == number) found.header = *header;
  if (header && !found.header) found.problem = "its header says journal " + std::to_string(header->number);
  return found;
}

JournalScan scan_journal(std::string_view bytes, const JournalHeader& header, const JournalVisit& visit) {
  Walk walk = find_holes(bytes, header);
  const std::vector<JournalHole>& holes = walk.scan.holes;
  const uint64_t first_hole = holes.empty() ? UINT64_MAX : holes.front().offset;
  auto hole = holes.begin();
  for (uint64_t offset = kJournalHeaderSize; offset < walk.end;) {
    if (hole != holes.end() && hole->offset == offset) {
      offset += hole++->length;
      continue;
    }
    const auto record = *find_journal_record(bytes.substr(offset), header.nonce);
    visit(offset, record, first_hole >= header.snapshot_end && offset < first_hole);
    offset += record.size;
  }
  return std::move(walk.scan);
}

}  // namespace hikyaku::queue
