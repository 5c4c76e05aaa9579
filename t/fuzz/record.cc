// The log: a segment's header, its records, and the scan that finds them (lib/queue/segment_scan.h, log_reader.h).
//
// Input: a byte (0: the rest is a whole segment as it stands), else steps, each a byte and its arguments, by which a
// segment is made whose checksums are right: see Maker.
#include <optional>

#include "queue/body_format.h"
#include "queue/crc32c.h"
#include "queue/log_reader.h"
#include "queue/record_reader.h"
#include "queue/segment_scan.h"
#include "t/fuzz/memory_disk.h"

using namespace hikyaku;
using namespace hikyaku::queue;
using fuzz::promise;

namespace {

constexpr uint64_t kNonce = 0x6e6f6e6365;
constexpr size_t kMostMade = 10 << 10;  // bytes; more takes time and tells no more
constexpr size_t kMostRead = 20;        // entries at once

// A segment out of steps. What a step says is written with right checksums, whatever nonsense it is.
class Maker {
 public:
  explicit Maker(fuzz::Input input) : in_(input) {}

  std::string made() {
    while (!in_.empty() && bytes_.size() < kMostMade) step();
    SegmentHeader header{1, kNonce, in_.number(2), seals_};
    bytes_.replace(0, kSegmentHeaderSize, encode_segment_header(header));
    return std::move(bytes_);
  }

  bool is_sound() const { return sound_; }  // records only, each of them good
  size_t records() const { return records_; }

 private:
  void step() {
    switch (in_.byte() % 8) {
      case 0:
      case 1:
        return add_record(0);
      case 2:
        return add_record(kHasDotLine | kEightBit);
      case 3:  // with a reference to a body
        return add_record(kHasBody);
      case 4:  // lengths that are lies
        return add_lie();
      case 5:  // bytes that are nothing
        sound_ = false;
        bytes_ += in_.text(in_.byte());
        return;
      case 6:
        return add_end_mark();
      case 7:
        if (seals_.size() < kMaxSeals) seals_.push_back({static_cast<uint32_t>(in_.byte()), in_.number(8), false});
        return;
    }
  }
  void add_record(uint32_t flags) {
    RecordHeader header;
    header.flags = flags;
    header.durable_before = in_.byte() == 0 ? 0 : bytes_.size() - in_.byte();
    const std::string envelope(in_.text(in_.byte()));
    std::string content(in_.text(in_.byte()));
    if ((flags & kHasBody) != 0) content.insert(0, encode_body_reference({in_.number(4), 7}));
    header.content_length = content.size();
    header.content_crc = crc32c(content);
    add(header, envelope, content);
  }
  void add_lie() {
    sound_ = false;
    RecordHeader header;
    header.flags = static_cast<uint32_t>(in_.number(4));
    header.content_length = in_.number(8);
    header.durable_before = in_.number(8);
    const std::string_view envelope = in_.text(in_.byte());
    header.envelope_length = static_cast<uint32_t>(in_.number(4));
    add_with_length(header, envelope, in_.text(in_.byte()));
  }
  void add_end_mark() {
    sound_ = false;
    RecordHeader header;
    header.flags = kEndMark;
    header.durable_before = bytes_.size();
    add(header, {}, {});
  }
  void add(RecordHeader header, std::string_view envelope, std::string_view content) {
    header.envelope_length = static_cast<uint32_t>(envelope.size());
    ++records_;
    add_with_length(header, envelope, content);
  }
  void add_with_length(RecordHeader header, std::string_view envelope, std::string_view content) {
    header.nonce = kNonce;
    header.id.value = ++last_id_;
    RecordHeaderBytes head;
    encode_record_header(header, envelope, head);
    bytes_.append(head.data(), head.size()).append(envelope).append(content);
  }

  fuzz::Input in_;
  std::string bytes_ = std::string(kSegmentHeaderSize, '\0');
  std::vector<Seal> seals_;
  uint64_t last_id_ = 0;
  size_t records_ = 0;
  bool sound_ = true;
};

void check_header(const SegmentHeader& header) {
  promise(header.seals.size() <= kMaxSeals, "no more seals than fit");
  const std::string again = encode_segment_header(header);
  const auto parsed = parse_segment_header(again);
  promise(parsed && *parsed == header, "a header, written again, is the same");
}

// Walks over the scanned part: records and damage follow each other without gaps.
void check_scan(fuzz::MemoryDisk& disk, uint64_t size, const SegmentHeader& header, const ScannedSegment& scanned) {
  promise(scanned.end >= kSegmentHeaderSize && scanned.end <= std::max(size, kSegmentHeaderSize),
          "an end within the file");
  SegmentWindow window(disk, disk.fd(), size, 1 << 16);
  uint64_t offset = kSegmentHeaderSize;
  auto damage = scanned.damage.begin();
  while (offset < scanned.end) {
    if (damage != scanned.damage.end() && damage->offset == offset) {
      promise(damage->length > 0, "damage has a length");
      offset += damage++->length;
      continue;
    }
    const auto record = record_at(window, header.nonce, offset, Depth::kFull);
    promise(record && *record, "what is no damage is a whole record");
    promise((*record)->id.value <= scanned.highest_id, "and its id is counted");
    const auto place = place_of(window, header.number, offset, **record);
    promise(place.has_value(), "it has a place");
    if (*place && !((*record)->flags & kEndMark)) {
      promise(record_size(**place) == (*record)->size(), "of its size");
      promise(read_record(disk.fd(), (*record)->id, **place).has_value(), "from which it is read whole");
    }
    offset += (*record)->size();
  }
  promise(offset == scanned.end && damage == scanned.damage.end(), "and nothing reaches beyond the end");
}

std::vector<LogEntry> read_all(fuzz::MemoryDisk& disk, std::optional<LogPosition> end) {
  LogReader reader(disk, "log");
  std::vector<LogEntry> entries;
  std::vector<Damage> damage;
  LogPosition position;
  for (size_t before = 1; before != entries.size();) {
    before = entries.size();
    const auto next = reader.read_entries(position, end, kMostRead, entries, damage);
    if (!next) break;
    promise(*next >= position, "reading goes on");
    position = *next;
  }
  return entries;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  const bool made = input.byte() != 0;
  Maker maker(input);
  const std::string segment = made ? maker.made() : std::string(input.rest());

  fuzz::MemoryDisk disk("0000000001", segment);
  const auto header = parse_segment_header(segment);
  promise(!made || header, "what is written as a header is one");
  if (!header) {
    promise(header.error().permanent, "a bad header stays one");
    return 0;
  }
  check_header(*header);
  disk.set_longest(std::max<uint64_t>(segment.size(), 1 << 20));
  disk.set_bound(segment.size());
  const auto scanned = scan_segment(disk, disk.fd(), "1", *header);
  promise(scanned.has_value(), "a disk that can be read is scanned");
  check_scan(disk, segment.size(), *header, *scanned);
  if (made && maker.is_sound()) {
    promise(scanned->damage.empty() && scanned->end == segment.size(), "what was written whole is found whole");
    promise(scanned->highest_id == maker.records(), "all of it");
  }

  disk.set_bound(UINT64_MAX);  // its header too
  (void)read_all(disk, std::nullopt);
  const LogPosition end{1, kSegmentHeaderSize + (segment.size() - kSegmentHeaderSize) / 2};
  disk.set_bound(std::max(end.offset, kSegmentHeaderSize));
  for (const LogEntry& entry : read_all(disk, end))
    promise(entry.place.offset + record_size(entry.place) <= end.offset, "nothing beyond the durable end is read");
  disk.set_bound(UINT64_MAX);
  (void)read_all(disk, LogPosition{1, segment.size() + (uint64_t{1} << 40)});
  return 0;
}
