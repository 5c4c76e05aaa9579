// Segment and record headers to bytes and back.
#include "queue/log_format.h"

#include "queue/checksummed_block.h"
#include "queue/crc32c.h"
#include "queue/little_endian.h"
#include "util/error.h"

namespace hikyaku::queue {
namespace {

constexpr std::string_view kSegmentMagic = "HIKYSEG\n";
constexpr uint32_t kRecordMagic = 0x4345525e;  // "^REC"

// Offsets in a segment's header.
constexpr size_t kHeaderNumber = kBlockFields;
constexpr size_t kHeaderSealCount = 20;
constexpr size_t kHeaderNonce = 24;  // in one sector with the number, so that a torn write keeps both or neither
constexpr size_t kHeaderHighestId = 32;
constexpr size_t kHeaderSeals = 40;
constexpr size_t kSealSize = 16;
static_assert(kHeaderSeals + kMaxSeals * kSealSize <= kSegmentHeaderSize);

// Offsets in a record's header.
constexpr size_t kCrc = 0;  // over all that follows it, and the envelope
constexpr size_t kMagic = 4;
constexpr size_t kNonce = 8;
constexpr size_t kId = 16;
constexpr size_t kFlags = 24;
constexpr size_t kEnvelopeLength = 28;
constexpr size_t kContentLength = 32;
constexpr size_t kDurableBefore = 40;
constexpr size_t kContentCrc = 48;
constexpr size_t kReserved = 52;  // zero
static_assert(kMagic == kRecordStartOffset && kReserved + 4 == kRecordHeaderSize);

}  // namespace

std::string encode_segment_header(const SegmentHeader& header) {
  util::ensure(header.seals.size() <= kMaxSeals, "more seals than a segment's header holds");
  std::string bytes(kSegmentHeaderSize, '\0');
  kSegmentMagic.copy(bytes.data(), kSegmentMagic.size());
  store(&bytes[kBlockVersion], kLogVersion);
  store(&bytes[kHeaderNumber], header.number);
  store(&bytes[kHeaderSealCount], static_cast<uint32_t>(header.seals.size()));
  store(&bytes[kHeaderNonce], header.nonce);
  store(&bytes[kHeaderHighestId], header.highest_id);
  char* at = &bytes[kHeaderSeals];
  for (const Seal& seal : header.seals) {
    store(at, seal.segment);
    store(at + 4, static_cast<uint32_t>(seal.marked));
    store(at + 8, seal.length);
    at += kSealSize;
  }
  store(&bytes[kBlockCrc], crc32c(std::string_view(bytes).substr(kBlockVersion)));
  return bytes;
}

util::Result<SegmentHeader> parse_segment_header(std::string_view bytes) {
  if (bytes.size() < kSegmentHeaderSize) return util::permanent("too short for a segment's header");
  bytes = bytes.substr(0, kSegmentHeaderSize);
  if (!bytes.starts_with(kSegmentMagic)) return util::permanent("not a segment of the log");
  if (!is_block_whole(bytes, kSegmentMagic)) return util::permanent("the segment's header is damaged");
  const auto version = load<uint32_t>(&bytes[kBlockVersion]);
  if (version != kLogVersion) {
    return util::permanent("segment of version " + std::to_string(version) + ", this program reads version " +
                           std::to_string(kLogVersion));
  }
  SegmentHeader header;
  header.number = load<uint32_t>(&bytes[kHeaderNumber]);
  header.nonce = load<uint64_t>(&bytes[kHeaderNonce]);
  header.highest_id = load<uint64_t>(&bytes[kHeaderHighestId]);
  const auto count = load<uint32_t>(&bytes[kHeaderSealCount]);
  if (count > kMaxSeals) return util::permanent("the segment's header has too many seals");
  for (uint32_t i = 0; i < count; ++i) {
    const char* at = &bytes[kHeaderSeals + i * kSealSize];
    header.seals.push_back({load<uint32_t>(at), load<uint64_t>(at + 8), load<uint32_t>(at + 4) != 0});
  }
  return header;
}

FoundSegmentHeader find_segment_header(std::string_view bytes, uint32_t number) {
  FoundSegmentHeader found;
  std::string block(bytes.substr(0, kSegmentHeaderSize));
  if (const auto as_written = parse_segment_header(block); !as_written) found.problem = as_written.error().text;
  const auto changed_byte = repair_block(block, kSegmentMagic);
  const auto header = parse_segment_header(block);
  if (header && header->number != number) {
    found.problem = "its header says segment " + std::to_string(header->number);
  } else if (header) {
    found.header = *header;
    found.changed_byte = changed_byte;
    if (changed_byte) found.problem = "one bit of the segment's header has changed";
  } else if (is_block_whole(block, kSegmentMagic) && load<uint32_t>(&block[kBlockVersion]) != kLogVersion) {
    found.other_version = true;
    found.problem = header.error().text;
  }
  return found;
}

std::optional<uint64_t> nonce_of_damaged_header(std::string_view bytes, uint32_t number) {
  if (bytes.size() < kHeaderHighestId || load<uint32_t>(&bytes[kHeaderNumber]) != number) return std::nullopt;
  return load<uint64_t>(&bytes[kHeaderNonce]);
}

void encode_record_header(const RecordHeader& header, std::string_view envelope, RecordHeaderBytes& out) {
  store(&out[kMagic], kRecordMagic);
  store(&out[kNonce], header.nonce);
  store(&out[kId], header.id.value);
  store(&out[kFlags], header.flags);
  store(&out[kEnvelopeLength], header.envelope_length);
  store(&out[kContentLength], header.content_length);
  store(&out[kDurableBefore], header.durable_before);
  store(&out[kContentCrc], header.content_crc);
  store(&out[kReserved], uint32_t{0});
  store(&out[kCrc], extend_crc32c(crc32c({&out[kMagic], out.size() - kMagic}), envelope));
}

std::optional<RecordHeader> parse_record_header(std::string_view bytes, uint64_t nonce) {
  if (bytes.size() < kRecordHeaderSize) return std::nullopt;
  if (load<uint32_t>(&bytes[kMagic]) != kRecordMagic || load<uint64_t>(&bytes[kNonce]) != nonce) return std::nullopt;
  RecordHeader header;
  header.nonce = nonce;
  header.id.value = load<uint64_t>(&bytes[kId]);
  header.flags = load<uint32_t>(&bytes[kFlags]);
  header.envelope_length = load<uint32_t>(&bytes[kEnvelopeLength]);
  header.content_length = load<uint64_t>(&bytes[kContentLength]);
  header.durable_before = load<uint64_t>(&bytes[kDurableBefore]);
  header.content_crc = load<uint32_t>(&bytes[kContentCrc]);
  return header;
}

bool is_head_whole(std::string_view header_bytes, std::string_view envelope) {
  if (header_bytes.size() < kRecordHeaderSize) return false;
  const std::string_view covered = header_bytes.substr(kMagic, kRecordHeaderSize - kMagic);
  return load<uint32_t>(&header_bytes[kCrc]) == extend_crc32c(crc32c(covered), envelope);
}

std::string record_start(uint64_t nonce) {
  std::string bytes;
  append_number(bytes, kRecordMagic);
  append_number(bytes, nonce);
  return bytes;
}

}  // namespace hikyaku::queue
