// Keys and values of the index to bytes and back.
#include "queue/index_format.h"

#include <algorithm>

#include "queue/crc32c.h"
#include "queue/little_endian.h"

namespace hikyaku::queue {
namespace {

constexpr uint8_t kHeldBit = 1;
constexpr uint8_t kDifferingBit = 2;

template <class Number>
void append_big_endian(std::string& out, Number value) {
  append_number(out, std::byteswap(value));
}

template <class Number>
bool take_big_endian(std::string_view& in, Number& value) {
  if (!take_number(in, value)) return false;
  value = std::byteswap(value);
  return true;
}

void append_text(std::string& out, std::string_view text, size_t most) {
  text = cut_text(text, most);
  append_number(out, static_cast<uint16_t>(text.size()));
  out += text;
}

bool take_text(std::string_view& in, std::string& text, size_t most) {
  uint16_t length = 0;
  if (!take_number(in, length) || length > in.size() || length > most) return false;
  text = in.substr(0, length);
  in.remove_prefix(length);
  return true;
}

bool take_seconds(std::string_view& in, int64_t& seconds) {
  uint32_t kept = 0;
  if (!take_number(in, kept)) return false;
  seconds = kept;
  return true;
}

bool take_flag(std::string_view& in, bool& flag) {
  uint8_t byte = 0;
  if (!take_number(in, byte) || byte > 1) return false;
  flag = byte == 1;
  return true;
}

void append_rest(std::string& out, const RecipientRest& rest) {
  append_number(out, static_cast<uint8_t>(rest.step));
  append_number(out, static_cast<uint8_t>(rest.expired));
  append_number(out, rest.attempts);
  append_number(out, kept_seconds(rest.next_attempt));
  append_number(out, kept_seconds(rest.last_attempt));
  append_text(out, rest.domain, kMostIndexedText);
  append_text(out, rest.enhanced_code, kMostIndexedText);
  append_text(out, rest.reply, kMostIndexedReply);
  append_text(out, rest.remote_mta, kMostIndexedText);
}

bool take_rest(std::string_view& in, RecipientRest& rest) {
  uint8_t step = 0;
  if (!take_number(in, step) || step < 1 || step > static_cast<uint8_t>(RestStep::kDone)) return false;
  rest.step = static_cast<RestStep>(step);
  return take_flag(in, rest.expired) && take_number(in, rest.attempts) && take_seconds(in, rest.next_attempt) &&
         take_seconds(in, rest.last_attempt) && take_text(in, rest.domain, kMostIndexedText) &&
         take_text(in, rest.enhanced_code, kMostIndexedText) && take_text(in, rest.reply, kMostIndexedReply) &&
         take_text(in, rest.remote_mta, kMostIndexedText);
}

void append_place(std::string& out, const Place& place) {
  append_number(out, place.segment);
  append_number(out, place.nonce);
  append_number(out, place.offset);
  append_number(out, place.envelope_length);
  append_number(out, place.content_length);
  append_number(out, place.flags);
  if (place.has_body()) append_number(out, place.body_length);
}

bool take_place(std::string_view& in, Place& place) {
  return take_number(in, place.segment) && take_number(in, place.nonce) && take_number(in, place.offset) &&
         take_number(in, place.envelope_length) && take_number(in, place.content_length) &&
         take_number(in, place.flags) && (!place.has_body() || take_number(in, place.body_length));
}

}  // namespace

uint32_t kept_seconds(int64_t seconds) { return static_cast<uint32_t>(std::clamp<int64_t>(seconds, 0, UINT32_MAX)); }

std::string_view cut_text(std::string_view text, size_t most) {
  if (text.size() <= most) return text;
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0) == 0x80) --most;
  return text.substr(0, most);
}

std::string_view key_domain(std::string_view domain) {
  return cut_text(domain.substr(0, domain.find('\0')), kMostIndexedText);
}

std::optional<QueueId> message_of(const IndexChange& change) {
  if (const auto* put = std::get_if<PutMessage>(&change)) return put->message.id;
  if (const auto* take = std::get_if<TakeMessage>(&change)) return take->id;
  if (const auto* remove = std::get_if<RemoveMessage>(&change)) return remove->id;
  if (const auto* move = std::get_if<MoveMessage>(&change)) return move->id;
  return std::nullopt;
}

// ---- keys --------------------------------------------------------------------------------------------------------

std::string message_key(QueueId id) {
  std::string key;
  append_big_endian(key, id.value);
  return key;
}

std::string recipient_key(QueueId id, uint32_t recipient) {
  std::string key = message_key(id);
  append_big_endian(key, recipient);
  return key;
}

std::string segment_key(uint32_t segment) {
  std::string key;
  append_big_endian(key, segment);
  return key;
}

std::string domain_key(std::string_view domain) {
  std::string key(key_domain(domain));
  key += '\0';  // no domain's keys begin with those of another; and LMDB wants no empty key
  return key;
}

std::string ready_prefix(std::string_view domain, ReadyLane lane, uint8_t group) {
  std::string key = domain_key(domain);
  append_big_endian(key, static_cast<uint8_t>(lane));
  append_big_endian(key, group);
  return key;
}

std::string ready_key(const ReadyKey& key) {
  std::string bytes = ready_prefix(key.domain, key.lane, key.group);
  append_big_endian(bytes, key.due);
  append_big_endian(bytes, key.id.value);
  return bytes;
}

std::string wake_key(const WakeKey& key) {
  std::string bytes;
  append_big_endian(bytes, key.due);
  bytes += key_domain(key.domain);
  return bytes;
}

std::optional<QueueId> parse_message_key(std::string_view key) {
  QueueId id;
  if (!take_big_endian(key, id.value) || !key.empty()) return std::nullopt;
  return id;
}

std::optional<uint32_t> parse_recipient_key(std::string_view key, QueueId id) {
  QueueId found;
  uint32_t recipient = 0;
  if (!take_big_endian(key, found.value) || found != id) return std::nullopt;
  if (!take_big_endian(key, recipient) || !key.empty()) return std::nullopt;
  return recipient;
}

std::optional<uint32_t> parse_segment_key(std::string_view key) {
  uint32_t segment = 0;
  if (!take_big_endian(key, segment) || !key.empty()) return std::nullopt;
  return segment;
}

std::optional<std::string_view> parse_domain_key(std::string_view key) {
  if (key.empty() || key.size() > kMostIndexedText + 1 || key.find('\0') != key.size() - 1) return std::nullopt;
  key.remove_suffix(1);
  return key;
}

std::optional<ReadyKey> parse_ready_key(std::string_view key) {
  const size_t end = key.find('\0');
  if (end == std::string_view::npos || end > kMostIndexedText) return std::nullopt;
  ReadyKey parsed{.domain = std::string(key.substr(0, end)), .id = {}};
  key.remove_prefix(end + 1);
  uint8_t lane = 0;
  if (!take_big_endian(key, lane) || lane >= kReadyLanes || !take_big_endian(key, parsed.group) ||
      !take_big_endian(key, parsed.due) || !take_big_endian(key, parsed.id.value) || !key.empty())
    return std::nullopt;
  parsed.lane = static_cast<ReadyLane>(lane);
  return parsed;
}

std::optional<WakeKey> parse_wake_key(std::string_view key) {
  WakeKey parsed;
  if (!take_big_endian(key, parsed.due) || key_domain(key) != key) return std::nullopt;
  parsed.domain = key;
  return parsed;
}

std::vector<ReadyKey> ready_keys(const RestingMessage& message) {
  std::vector<ReadyKey> keys;
  if (message.held) return keys;
  const auto add = [&](const RecipientRest& rest) {
    if (rest.step != RestStep::kWaiting) return;
    const std::string_view domain = key_domain(rest.domain);
    const uint32_t due = kept_seconds(rest.next_attempt);
    const ReadyLane lane = message.sender.empty() ? ReadyLane::kReport
                           : rest.attempts == 0   ? ReadyLane::kFirst
                                                  : ReadyLane::kRetry;
    const auto same = std::ranges::find(keys, domain, &ReadyKey::domain);
    if (same == keys.end()) {
      keys.push_back({std::string(domain), lane, message.group, due, message.id});
    } else if (due < same->due) {
      same->due = due;
      same->lane = lane;
    }
  };
  if (message.differing.size() < message.recipients) add(message.common);
  for (const DifferingRecipient& recipient : message.differing) add(recipient.rest);
  return keys;
}

// ---- values ------------------------------------------------------------------------------------------------------

namespace {

uint32_t checksum(std::string_view key, std::string_view value) { return extend_crc32c(crc32c(key), value); }

// The value without its checksum; nothing when that is not right.
std::optional<std::string_view> checked(std::string_view key, std::string_view value) {
  if (value.size() < sizeof(uint32_t)) return std::nullopt;
  const std::string_view own = value.substr(0, value.size() - sizeof(uint32_t));
  if (load<uint32_t>(value.data() + own.size()) != checksum(key, own)) return std::nullopt;
  return own;
}

}  // namespace

std::string message_value(const RestingMessage& message) {
  std::string value;
  value.reserve(192);
  append_place(value, message.place);
  append_number(value, message.arrival);
  append_number(value, message.group);
  const uint8_t differing = message.differing.empty() ? 0 : kDifferingBit;
  append_number(value, static_cast<uint8_t>((message.held ? kHeldBit : 0) | differing));
  append_number(value, message.recipients);
  append_rest(value, message.common);
  append_text(value, message.sender, kMostIndexedText);
  append_text(value, message.hold_reason, kMostIndexedText);
  append_number(value, checksum(message_key(message.id), value));
  return value;
}

std::optional<ParsedMessage> parse_message_value(QueueId id, std::string_view bytes) {
  const auto own = checked(message_key(id), bytes);
  if (!own) return std::nullopt;
  std::string_view value = *own;
  ParsedMessage parsed;
  RestingMessage& message = parsed.message;
  message.id = id;
  uint8_t bits = 0;
  if (!take_place(value, message.place) || !take_number(value, message.arrival) || !take_number(value, message.group) ||
      !take_number(value, bits) || bits > (kHeldBit | kDifferingBit) || !take_number(value, message.recipients) ||
      !take_rest(value, message.common) || !take_text(value, message.sender, kMostIndexedText) ||
      !take_text(value, message.hold_reason, kMostIndexedText) || !value.empty())
    return std::nullopt;
  message.held = (bits & kHeldBit) != 0;
  parsed.has_differing = (bits & kDifferingBit) != 0;
  return parsed;
}

std::string recipient_value(QueueId id, const DifferingRecipient& recipient) {
  std::string value;
  append_rest(value, recipient.rest);
  append_number(value, checksum(recipient_key(id, recipient.index), value));
  return value;
}

std::optional<RecipientRest> parse_recipient_value(QueueId id, uint32_t recipient, std::string_view bytes) {
  const auto own = checked(recipient_key(id, recipient), bytes);
  if (!own) return std::nullopt;
  std::string_view value = *own;
  RecipientRest rest;
  if (!take_rest(value, rest) || !value.empty()) return std::nullopt;
  return rest;
}

std::string domain_value(const DomainRow& row) {
  std::string value;
  append_number(value, row.first_due);
  append_number(value, row.blocked_until);
  append_number(value, row.messages);
  return value;
}

std::optional<DomainRow> parse_domain_value(std::string_view value) {
  DomainRow row;
  if (!take_number(value, row.first_due) || !take_number(value, row.blocked_until) ||
      !take_number(value, row.messages) || !value.empty())
    return std::nullopt;
  return row;
}

std::string segment_value(const SegmentRow& row) {
  std::string value;
  append_number(value, row.messages);
  append_number(value, row.bytes);
  return value;
}

std::optional<SegmentRow> parse_segment_value(std::string_view value) {
  SegmentRow row;
  if (!take_number(value, row.messages) || !take_number(value, row.bytes) || !value.empty()) return std::nullopt;
  return row;
}

std::string position_value(const IndexPosition& position) {
  std::string value;
  append_number(value, position.checkpoint.segment);
  append_number(value, position.checkpoint.offset);
  append_number(value, position.journal);
  append_number(value, position.journal_offset);
  return value;
}

std::optional<IndexPosition> parse_position_value(std::string_view value) {
  IndexPosition position;
  if (!take_number(value, position.checkpoint.segment) || !take_number(value, position.checkpoint.offset) ||
      !take_number(value, position.journal) || !take_number(value, position.journal_offset) || !value.empty())
    return std::nullopt;
  return position;
}

}  // namespace hikyaku::queue
