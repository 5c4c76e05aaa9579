// Journal records to bytes and back.
#include "queue/journal_format.h"

#include "queue/checksummed_block.h"
#include "queue/crc32c.h"
#include "queue/little_endian.h"

namespace hikyaku::queue {
namespace {

constexpr std::string_view kMagic = "HIKYJRN\n";

// Offsets in the header.
constexpr size_t kHeaderNumber = kBlockFields;
constexpr size_t kHeaderSnapshotEnd = 24;
constexpr size_t kHeaderNonce = 32;

enum class Type : uint8_t {
  kCompleted = 1,
  kRecipientDone = 2,
  kDeferred = 3,
  kHeld = 4,
  kBounceSent = 5,
  kMoved = 6,
  kCheckpoint = 7,
  kEndMark = 8,
};

class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  template <class Number>
  requires std::is_arithmetic_v<Number>
  void put(Number value) { append_number(out_, value); }
  void put(Type type) { put(static_cast<uint8_t>(type)); }
  void put(QueueId id) { put(id.value); }
  void put(std::string_view text) {
    put(static_cast<uint32_t>(text.size()));
    out_ += text;
  }
  void put(const std::vector<uint32_t>& numbers) {
    put(static_cast<uint32_t>(numbers.size()));
    for (const uint32_t number : numbers) put(number);
  }
  void put(const Place& p) {
    put_all(p.segment, p.nonce, p.offset, p.envelope_length, p.content_length, p.flags);
    if (p.has_body()) put(p.body_length);
  }
  template <class... Fields>
  void put_all(const Fields&... fields) {
    (put(fields), ...);
  }

 private:
  std::string& out_;
};

class Reader {
 public:
  explicit Reader(std::string_view bytes) : bytes_(bytes) {}

  template <class Number>
  requires std::is_arithmetic_v<Number>
  bool take(Number& value) { return take_number(bytes_, value); }
  bool take(QueueId& id) { return take(id.value); }
  bool take(bool& value) {
    uint8_t byte = 0;
    if (!take(byte) || byte > 1) return false;
    value = byte == 1;
    return true;
  }
  bool take(std::string& text) {
    uint32_t length = 0;
    if (!take(length) || length > bytes_.size()) return false;
    text = bytes_.substr(0, length);
    bytes_.remove_prefix(length);
    return true;
  }
  bool take(std::vector<uint32_t>& numbers) {
    uint32_t count = 0;
    if (!take(count) || count > bytes_.size() / sizeof(uint32_t)) return false;
    numbers.resize(count);
    for (uint32_t& number : numbers) take(number);
    return true;
  }
  bool take(Place& p) {
    return take(p.segment) && take(p.nonce) && take(p.offset) && take(p.envelope_length) && take(p.content_length) &&
           take(p.flags) && (!p.has_body() || take(p.body_length));
  }
  bool take(Outcome& outcome) {
    uint8_t value = 0;
    if (!take(value) || value < 1 || value > static_cast<uint8_t>(Outcome::kDeleted)) return false;
    outcome = static_cast<Outcome>(value);
    return true;
  }
  // All fields, and nothing after them.
  template <class... Fields>
  bool take_all(Fields&... fields) {
    return (take(fields) && ...) && bytes_.empty();
  }

 private:
  std::string_view bytes_;
};

struct Encode {
  Writer out;

  void operator()(const Completed& r) { out.put_all(Type::kCompleted, r.id); }
  void operator()(const RecipientDone& r) {
    const auto outcome = static_cast<uint8_t>(r.outcome);
    out.put_all(Type::kRecipientDone, r.id, r.recipient, outcome, r.enhanced_code, r.reply, r.remote_mta);
  }
  void operator()(const Deferred& r) {
    out.put_all(Type::kDeferred, r.id, r.recipients, r.attempts, r.next_attempt, r.enhanced_code, r.reply);
  }
  void operator()(const Held& r) { out.put_all(Type::kHeld, r.id, static_cast<uint8_t>(r.held), r.reason); }
  void operator()(const BounceSent& r) { out.put_all(Type::kBounceSent, r.id, r.recipients); }
  void operator()(const Moved& r) { out.put_all(Type::kMoved, r.id, r.place); }
  void operator()(const Checkpoint& r) { out.put_all(Type::kCheckpoint, r.position.segment, r.position.offset); }
};

uint32_t checksum(uint64_t nonce, std::string_view covered) {
  char bytes[sizeof nonce];
  store(bytes, nonce);
  return extend_crc32c(crc32c({bytes, sizeof bytes}), covered);
}

void finish_record(std::string& out, size_t start, uint64_t nonce, uint64_t durable_before) {
  store(&out[start + 4], static_cast<uint32_t>(out.size() - start - kJournalRecordHeaderSize));
  store(&out[start + 8], durable_before);
  store(&out[start], checksum(nonce, std::string_view(out).substr(start + 4)));
}

template <class Record, class... Fields>
std::optional<JournalRecord> take_record(Reader in, Record& record, Fields&... fields) {
  if (!in.take_all(fields...)) return std::nullopt;
  return std::move(record);
}

std::optional<JournalRecord> take_fields(uint8_t type, Reader in) {
  Completed completed;
  RecipientDone done;
  Deferred deferred;
  Held held;
  BounceSent sent;
  Moved moved;
  Checkpoint checkpoint;
  switch (static_cast<Type>(type)) {
    case Type::kCompleted:
      return take_record(in, completed, completed.id);
    case Type::kRecipientDone:
      return take_record(in, done, done.id, done.recipient, done.outcome, done.enhanced_code, done.reply,
                         done.remote_mta);
    case Type::kDeferred:
      return take_record(in, deferred, deferred.id, deferred.recipients, deferred.attempts, deferred.next_attempt,
                         deferred.enhanced_code, deferred.reply);
    case Type::kHeld:
      return take_record(in, held, held.id, held.held, held.reason);
    case Type::kBounceSent:
      return take_record(in, sent, sent.id, sent.recipients);
    case Type::kMoved:
      return take_record(in, moved, moved.id, moved.place);
    case Type::kCheckpoint:
      return take_record(in, checkpoint, checkpoint.position.segment, checkpoint.position.offset);
    case Type::kEndMark:
      break;  // not a record that tells anything
  }
  return std::nullopt;
}

}  // namespace

std::string encode_journal_header(const JournalHeader& header) {
  std::string bytes(kJournalHeaderSize, '\0');
  kMagic.copy(bytes.data(), kMagic.size());
  store(&bytes[kBlockVersion], kJournalVersion);
  store(&bytes[kHeaderNumber], header.number);
  store(&bytes[kHeaderNonce], header.nonce);
  store(&bytes[kHeaderSnapshotEnd], header.snapshot_end);
  store(&bytes[kBlockCrc], crc32c(std::string_view(bytes).substr(kBlockVersion)));
  return bytes;
}

util::Result<JournalHeader> parse_journal_header(std::string_view bytes) {
  if (bytes.size() < kJournalHeaderSize) return util::permanent("too short for a journal's header");
  bytes = bytes.substr(0, kJournalHeaderSize);
  if (!bytes.starts_with(kMagic)) return util::permanent("not a journal");
  if (!is_block_whole(bytes, kMagic)) return util::permanent("the journal's header is damaged");
  const auto version = load<uint32_t>(&bytes[kBlockVersion]);
  if (version != kJournalVersion) {
    return util::permanent("journal of version " + std::to_string(version) + ", this program reads version " +
                           std::to_string(kJournalVersion));
  }
  return JournalHeader{load<uint32_t>(&bytes[kHeaderNumber]), load<uint64_t>(&bytes[kHeaderNonce]),
                       load<uint64_t>(&bytes[kHeaderSnapshotEnd])};
}

bool is_other_journal_version(std::string_view bytes) {
  if (bytes.size() < kJournalHeaderSize) return false;
  bytes = bytes.substr(0, kJournalHeaderSize);
  return is_block_whole(bytes, kMagic) && load<uint32_t>(&bytes[kBlockVersion]) != kJournalVersion;
}

std::optional<size_t> repair_journal_header(std::string& bytes) { return repair_block(bytes, kMagic); }

void append_journal_record(const JournalRecord& record, uint64_t nonce, uint64_t durable_before, std::string& out) {
  const size_t start = out.size();
  out.append(kJournalRecordHeaderSize, '\0');
  std::visit(Encode{Writer(out)}, record);
  finish_record(out, start, nonce, durable_before);
}

void append_journal_end_mark(uint64_t nonce, uint64_t durable_before, std::string& out) {
  const size_t start = out.size();
  out.append(kJournalRecordHeaderSize, '\0');
  Writer(out).put(Type::kEndMark);
  finish_record(out, start, nonce, durable_before);
}

bool is_journal_end_mark(std::string_view body) {
  return body.size() == 1 && static_cast<Type>(body[0]) == Type::kEndMark;
}

std::optional<ParsedJournalRecord> find_journal_record(std::string_view bytes, uint64_t nonce) {
  if (bytes.size() < kJournalRecordHeaderSize) return std::nullopt;
  const auto length = load<uint32_t>(&bytes[4]);
  if (length == 0 || length > kMaxJournalRecord || length > bytes.size() - kJournalRecordHeaderSize) {
    return std::nullopt;
  }
  const uint64_t size = kJournalRecordHeaderSize + length;
  if (load<uint32_t>(bytes.data()) != checksum(nonce, bytes.substr(4, size - 4))) return std::nullopt;
  return ParsedJournalRecord{bytes.substr(kJournalRecordHeaderSize, length), load<uint64_t>(&bytes[8]), size};
}

util::Result<JournalRecord> parse_journal_record(std::string_view body) {
  uint8_t type = 0;
  if (!take_number(body, type)) return util::permanent("a record without a type");
  auto record = take_fields(type, Reader(body));
  if (!record) return util::permanent("a record of unknown type " + std::to_string(type) + " or with other fields");
  return std::move(*record);
}

}  // namespace hikyaku::queue
