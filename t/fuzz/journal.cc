// The journal's replay: lib/queue/journal_format.h, journal_scan.h, journal_reader.h.
//
// Input: a byte (0: the rest is a whole journal as it stands), else steps, each a byte and its arguments, by which a
// journal is made whose checksums are right: see Maker.
#include "queue/crc32c.h"
#include "queue/journal_reader.h"
#include "queue/journal_scan.h"
#include "queue/little_endian.h"
#include "t/fuzz/memory_disk.h"

using namespace hikyaku;
using namespace hikyaku::queue;
using fuzz::promise;

namespace {

constexpr uint64_t kNonce = 0x6e6f6e6365;

// A record with any type and fields, and a right checksum.
void append_raw_record(std::string_view body, uint64_t durable_before, std::string& out) {
  std::string covered;
  append_number(covered, static_cast<uint32_t>(body.size()));
  append_number(covered, durable_before);
  covered += body;
  std::string nonce;
  append_number(nonce, kNonce);
  append_number(out, extend_crc32c(crc32c(nonce), covered));
  out += covered;
}

class Maker {
 public:
  explicit Maker(fuzz::Input input) : in_(input) {}

  std::string made() {
    const uint64_t promised = in_.number(2);
    while (!in_.empty() && bytes_.size() < (1 << 14)) step();
    if (promised % 4 != 0) snapshot_end_ = promised;
    bytes_.replace(0, kJournalHeaderSize, encode_journal_header({1, kNonce, snapshot_end_}));
    return std::move(bytes_);
  }

 private:
  void step() {
    const uint8_t kind = in_.byte();
    switch (kind % 8) {
      case 0:
        append_journal_record(Completed{QueueId{in_.byte()}}, kNonce, durable(), bytes_);
        break;
      case 1:
        append_journal_record(Checkpoint{{in_.byte(), in_.number(2)}}, kNonce, durable(), bytes_);
        break;
      case 2:
      case 3:
      case 4:
        append_raw_record(in_.text(in_.byte()), durable(), bytes_);
        break;
      case 5:
        bytes_ += in_.text(in_.byte());
        break;
      case 6:
        append_journal_end_mark(kNonce, durable(), bytes_);
        break;
      case 7:
        bytes_.append(in_.byte(), '\0');
        break;
    }
    if ((kind & 0x80) != 0) snapshot_end_ = bytes_.size();
  }
  uint64_t durable() { return bytes_.size() - std::min<uint64_t>(bytes_.size(), in_.number(2)); }

  fuzz::Input in_;
  std::string bytes_ = std::string(kJournalHeaderSize, '\0');
  uint64_t snapshot_end_ = kJournalHeaderSize;
};

// What is read as a record means what its bytes say.
void check_record(std::string_view body) {
  const auto record = parse_journal_record(body);
  if (!record) return promise(record.error().permanent, "what is no record stays so");
  std::string written;
  append_journal_record(*record, kNonce, 0, written);
  const auto found = find_journal_record(written, kNonce);
  promise(found && found->body == body && found->size == written.size(), "a record, written again, is the same");
}

// Records, holes and the end mark follow each other, and nothing is told twice.
void check_scan(std::string_view bytes, const JournalHeader& header) {
  struct Piece {
    uint64_t offset, size;
    bool follows_all;
  };
  std::vector<Piece> heard;
  const JournalScan scan = scan_journal(bytes, header, [&](uint64_t offset, const auto& record, bool follows_all) {
    promise(offset >= kJournalHeaderSize && record.size <= bytes.size() - offset, "a record within the file");
    promise(!is_journal_end_mark(record.body), "the end mark is none");
    check_record(record.body);
    heard.push_back({offset, record.size, follows_all});
  });
  uint64_t at = kJournalHeaderSize;
  auto hole = scan.holes.begin();
  bool all_whole = true;
  for (const Piece& piece : heard) {
    for (; hole != scan.holes.end() && hole->offset < piece.offset; ++hole) {
      promise(hole->offset == at && hole->length > 0, "holes fill what is between the records");
      at += hole->length;
      all_whole = false;
    }
    promise(piece.offset == at, "no byte is passed over in silence");
    promise(all_whole || !piece.follows_all, "behind a hole not all was heard");
    at += piece.size;
  }
  for (; hole != scan.holes.end(); ++hole) {
    promise(hole->offset >= at && hole->length > 0, "the last holes are behind the last record");
    at = hole->offset + hole->length;
  }
  promise(at <= std::max<uint64_t>(bytes.size(), header.snapshot_end),
          "and nothing is beyond the file and its promise");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  const bool made = input.byte() != 0;
  const std::string journal = made ? Maker(input).made() : std::string(input.rest());

  const FoundJournalHeader found = find_journal_header(journal, 1);
  promise(!made || found.header, "what is written as a header is one");
  if (found.header) {
    promise(encode_journal_header(*found.header).size() == kJournalHeaderSize, "its size is fixed");
    const auto again = parse_journal_header(encode_journal_header(*found.header));
    promise(again && *again == *found.header, "a header, written again, is the same");
    check_scan(journal, *found.header);
  }

  fuzz::MemoryDisk disk("0000000001", journal);
  size_t applied = 0;
  const auto replayed = replay_journal(disk, "journal", [&](const JournalRecord&) { ++applied; });
  if (!replayed)
    return promise(replayed.error().permanent, "what this program does not know it will not know later"), 0;
  promise(replayed->number == 1, "the file that there is");
  promise(found.header.has_value() || applied == 0, "without a header no record is believed");
  promise(found.problem.empty() == (replayed->damage.empty() || replayed->damage[0].offset != 0),
          "a bad header is told");
  return 0;
}
