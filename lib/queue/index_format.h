// What rests in the queue, and the keys and values by which the index holds it: version 2.
//
//   table      key                                        value
//   msg        id u64                                     place, times, state of all recipients alike
//   rcpt       id u64, recipient u32                      state of a recipient that differs
//   ready      domain, 0, lane u8, group u8, due u32, id  –
//   domain     domain, 0                                  first due, blocked until, messages
//   wake       max(first due, blocked until) u32, domain  –
//   taken      id u64                                     –
//   segment    segment u32                                messages, bytes
//   meta       "version", "position"                      u32; checkpoint and journal
//
// A value of `msg` and `rcpt` ends with the CRC-32C of its key and all before it: LMDB has no checksums, and a changed
// bit there would call a recipient done that is not.
//
// Numbers in keys are big-endian, so that keys sort as numbers do; those in values are little-endian. Times in keys are
// seconds since 1970.
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

namespace hikyaku::queue {

inline constexpr std::string_view kIndexFile = "data.mdb";  // LMDB's, in the index's folder
inline constexpr uint32_t kIndexVersion = 2;

// Longer texts are cut in the index; the log has them whole, and a journal has the reply.
inline constexpr size_t kMostIndexedText = 255;   // bytes: a domain, a mailbox
inline constexpr size_t kMostIndexedReply = 512;  // bytes: a reply line (RFC 5321 section 4.5.3.1.5)

enum class RestStep : uint8_t {
  kWaiting = 1,    // until next_attempt
  kReportDue = 2,  // failed for good; the sender is to be told
  kDone = 3,
};

// How far a recipient is.
struct RecipientRest {
  RestStep step = RestStep::kWaiting;
  bool expired = false;         // failed because its time was over
  uint32_t attempts = 0;        // made so far
  int64_t next_attempt = 0;     // seconds since 1970, 0 to 2^32 - 1 as all seconds here
  int64_t last_attempt = 0;     // seconds since 1970, 0 when unknown
  std::string domain{};         // the recipient's, in lower case
  std::string enhanced_code{};  // of the last answer
  std::string reply{};          // the last answer, as logged
  std::string remote_mta{};     // who gave it

  bool operator==(const RecipientRest&) const = default;
};

// A recipient that is not as the message's others are.
struct DifferingRecipient {
  uint32_t index = 0;  // in the envelope
  RecipientRest rest;

  bool operator==(const DifferingRecipient&) const = default;
};

// A message of which nothing is on its way: what is needed to schedule it, and to show it in a list, without the log.
struct RestingMessage {
  QueueId id;
  Place place;
  int64_t arrival = 0;  // microseconds since 1970
  // Whose mail it is, hashed: mail for a domain is taken in turn from its groups. 256 of them bound the work of a turn;
  // senders that share one by chance share its turn.
  uint8_t group = 0;
  bool held = false;          // does not move, whatever is due
  std::string hold_reason{};  // when it was not an operator
  std::string sender;         // empty is the null sender
  uint32_t recipients = 0;
  RecipientRest common;                       // of each recipient that `differing` does not name
  std::vector<DifferingRecipient> differing;  // by index, ascending

  bool operator==(const RestingMessage&) const = default;
};

// A step of the index; those of one list become true together.
struct PutMessage {  // It rests. Takes the place of what the index knew.
  RestingMessage message;
};
struct TakeMessage {  // It is in memory, and is not given by next_due() until it is put again.
  QueueId id;
};
struct RemoveMessage {  // It is gone.
  QueueId id;
};
struct MoveMessage {  // Its record stands elsewhere. Nothing happens when it is not known.
  QueueId id;
  Place place;
};
struct BlockDomain {  // Nothing is due for the domain before `until`, in seconds; a past time ends it.
  std::string domain;
  int64_t until = 0;
};
// How much of log and journal the index has seen: to tell after a restart that the files belong together.
struct IndexPosition {
  LogPosition checkpoint;
  uint32_t journal = 0;  // number of its file
  uint64_t journal_offset = 0;

  bool operator==(const IndexPosition&) const = default;
};
using IndexChange = std::variant<PutMessage, TakeMessage, RemoveMessage, MoveMessage, BlockDomain, IndexPosition>;

// The message of a change to one; nothing for what concerns none.
std::optional<QueueId> message_of(const IndexChange& change);

// ---- keys --------------------------------------------------------------------------------------------------------

// First attempts, retries, and reports (their sender is null): in this order.
enum class ReadyLane : uint8_t { kFirst = 0, kRetry = 1, kReport = 2 };
inline constexpr int kReadyLanes = 3;
inline constexpr int kReadyGroups = 256;

struct ReadyKey {
  std::string domain;
  ReadyLane lane = ReadyLane::kFirst;
  uint8_t group = 0;
  uint32_t due = 0;
  QueueId id;

  bool operator==(const ReadyKey&) const = default;
};

struct WakeKey {
  uint32_t due = 0;
  std::string domain;

  auto operator<=>(const WakeKey&) const = default;
};

std::string message_key(QueueId id);
std::string recipient_key(QueueId id, uint32_t recipient);
std::string segment_key(uint32_t segment);
std::string domain_key(std::string_view domain);
std::string ready_key(const ReadyKey& key);
// What all keys of a domain's lane and group begin with.
std::string ready_prefix(std::string_view domain, ReadyLane lane, uint8_t group);
std::string wake_key(const WakeKey& key);
// Nothing for a key that the functions above never give.
std::optional<QueueId> parse_message_key(std::string_view key);
std::optional<uint32_t> parse_recipient_key(std::string_view key, QueueId id);  // only one of this message
std::optional<uint32_t> parse_segment_key(std::string_view key);
std::optional<std::string_view> parse_domain_key(std::string_view key);
std::optional<ReadyKey> parse_ready_key(std::string_view key);
std::optional<WakeKey> parse_wake_key(std::string_view key);

// Under which keys a message waits: one for each domain, at the time that the first of its recipients there is due.
// None when it is held, or nothing of it waits.
std::vector<ReadyKey> ready_keys(const RestingMessage& message);

// As it is kept: 0 for what is before 1970, the last second that fits for what is after 2106.
uint32_t kept_seconds(int64_t seconds);
// The beginning of `text` of at most `most` bytes; no character of UTF-8 is cut in two.
std::string_view cut_text(std::string_view text, size_t most);
// A domain as keys have it: cut, and without what follows a zero byte. It names a queue; nothing is sent to it.
std::string_view key_domain(std::string_view domain);

// ---- values ------------------------------------------------------------------------------------------------------

struct DomainRow {
  uint32_t first_due = UINT32_MAX;  // of its messages
  uint32_t blocked_until = 0;
  uint64_t messages = 0;

  uint32_t wake() const { return first_due > blocked_until ? first_due : blocked_until; }
  bool operator==(const DomainRow&) const = default;
};

struct SegmentRow {
  uint64_t messages = 0;
  uint64_t bytes = 0;  // of their envelopes and contents

  bool operator==(const SegmentRow&) const = default;
};

// All but the id, which is the key, and the differing recipients, which have keys of their own.
std::string message_value(const RestingMessage& message);
struct ParsedMessage {
  RestingMessage message;
  bool has_differing = false;
};
// Nothing for a value that message_value never gives; so below.
std::optional<ParsedMessage> parse_message_value(QueueId id, std::string_view value);
std::string recipient_value(QueueId id, const DifferingRecipient& recipient);
std::optional<RecipientRest> parse_recipient_value(QueueId id, uint32_t recipient, std::string_view value);
std::string domain_value(const DomainRow& row);
std::optional<DomainRow> parse_domain_value(std::string_view value);
std::string segment_value(const SegmentRow& row);
std::optional<SegmentRow> parse_segment_value(std::string_view value);
std::string position_value(const IndexPosition& position);
std::optional<IndexPosition> parse_position_value(std::string_view value);

}  // namespace hikyaku::queue
