// What became of each message, as qmgr writes it down: the records of a journal file, version 1.
//
//   file   = header (40 bytes) record* [end mark] [zeros]
//   record = crc32c u32, length u32 (of type and fields), durable_before u64, type u8, fields
//
// A file begins with all that was alive when it was started, so one file is the whole truth. All numbers are
// little-endian.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "queue/log_format.h"
#include "queue/place.h"
#include "queue/queue_id.h"
#include "util/error.h"

namespace hikyaku::queue {

// Nothing is left to do for the message: forget it.
struct Completed {
  QueueId id;
  bool operator==(const Completed&) const = default;
};

enum class Outcome : uint8_t {
  kDelivered = 1,
  // Given up for good; its report is not sent yet. With an enhanced code of class 2: delivered, and the sender asked to
  // be told of it (RFC 3461), which is not done yet.
  kFailed = 2,
  kExpired = 3,   // too old; its report is not sent yet
  kReported = 4,  // a report was made durable, or none is wanted
  kDeleted = 5,   // by an operator, without a report
};

struct RecipientDone {
  QueueId id;
  uint32_t recipient = 0;  // index in the envelope
  Outcome outcome = Outcome::kDelivered;
  std::string enhanced_code;  // "5.1.1"; for the report
  std::string reply;          // what the next hop said, or our own reason
  std::string remote_mta;     // the next hop that said it, empty for our own reason
  bool operator==(const RecipientDone&) const = default;
};

struct Deferred {
  QueueId id;
  std::vector<uint32_t> recipients;  // indices in the envelope; empty: all that are not done
  uint32_t attempts = 0;             // made so far
  int64_t next_attempt = 0;          // seconds since 1970
  std::string enhanced_code;         // "4.4.1"
  std::string reply;
  bool operator==(const Deferred&) const = default;
};

struct Held {
  QueueId id;
  bool held = false;
  std::string reason;
  bool operator==(const Held&) const = default;
};

// These recipients' failure needs no report any more: cleanup has stored one, or none is wanted.
struct BounceSent {
  QueueId id;
  std::vector<uint32_t> recipients;
  bool operator==(const BounceSent&) const = default;
};

// Where a living message stands. So a file begins with its messages, and so the checkpoint passes those that the log
// told of before it: once this is durable, the message is found by its place and not by reading the log again.
struct Moved {
  QueueId id;
  Place place;
  bool operator==(const Moved&) const = default;
};

// Every message before `position` is completed or told by this journal: replay of the log begins here.
struct Checkpoint {
  LogPosition position;
  bool operator==(const Checkpoint&) const = default;
};

using JournalRecord = std::variant<Completed, RecipientDone, Deferred, Held, BounceSent, Moved, Checkpoint>;

inline constexpr uint32_t kJournalVersion = 1;
inline constexpr uint64_t kJournalHeaderSize = 40;
inline constexpr uint64_t kJournalRecordHeaderSize = 16;
inline constexpr uint32_t kMaxJournalRecord = 16 << 20;  // bytes of type and fields

struct JournalHeader {
  uint32_t number = 0;
  uint64_t nonce = 0;         // random; mixed into each record's checksum, so that no text in a record can pose as one
  uint64_t snapshot_end = 0;  // offset: the records before it are what was alive at the file's start
  bool operator==(const JournalHeader&) const = default;
};

std::string encode_journal_header(const JournalHeader& header);
// `bytes` must hold kJournalHeaderSize bytes; the error says what is wrong, and is permanent.
util::Result<JournalHeader> parse_journal_header(std::string_view bytes);

// Whether the header is whole and of a version that this program does not read.
bool is_other_journal_version(std::string_view bytes);
// repair_block() for a journal's header.
std::optional<size_t> repair_journal_header(std::string& bytes);

// `nonce` is the file's; `durable_before` is the offset up to which the file was synced when the record was made (as in
// log_format.h).
void append_journal_record(const JournalRecord& record, uint64_t nonce, uint64_t durable_before, std::string& out);

// The end mark says that the writer ended in good order: all before it was durable, and nothing follows. No
// JournalRecord, because it tells nothing of any message.
void append_journal_end_mark(uint64_t nonce, uint64_t durable_before, std::string& out);

struct ParsedJournalRecord {
  std::string_view body;  // type and fields
  uint64_t durable_before = 0;
  uint64_t size = 0;  // of the record in the file
};
// The whole record at the beginning of `bytes`; nothing when there is none.
std::optional<ParsedJournalRecord> find_journal_record(std::string_view bytes, uint64_t nonce);
bool is_journal_end_mark(std::string_view body);
// Permanent error for a type that this program does not know, or fields that do not fit it.
util::Result<JournalRecord> parse_journal_record(std::string_view body);

}  // namespace hikyaku::queue
