// Keys and values of the index: lib/queue/index_format.h.
//
// Input: a byte (which table), a byte (bit 0: the checksum is made right), an id in eight bytes, a recipient in four,
// then the key or value.
#include "queue/index_format.h"

#include "queue/crc32c.h"
#include "queue/little_endian.h"
#include "t/fuzz/input.h"

using namespace hikyaku;
using namespace hikyaku::queue;
using fuzz::promise;

namespace {

// Longest key that LMDB takes.
constexpr size_t kMostKey = 511;

void check_text(const std::string& text, size_t most) { promise(text.size() <= most, "a text within its limit"); }

void check_rest(const RecipientRest& rest) {
  for (const std::string* text : {&rest.domain, &rest.enhanced_code, &rest.remote_mta})
    check_text(*text, kMostIndexedText);
  check_text(rest.reply, kMostIndexedReply);
}

// With the checksum that the row would need.
std::string with_checksum(std::string_view key, std::string_view value, bool right) {
  std::string bytes(value);
  if (right) append_number(bytes, extend_crc32c(crc32c(key), value));
  return bytes;
}

void try_message(QueueId id, std::string_view value) {
  auto parsed = parse_message_value(id, value);
  if (!parsed) return;
  promise(parsed->message.id == id, "the id is the key's");
  check_rest(parsed->message.common);
  check_text(parsed->message.sender, kMostIndexedText);
  check_text(parsed->message.hold_reason, kMostIndexedText);
  for (const ReadyKey& key : ready_keys(parsed->message)) {
    const std::string bytes = ready_key(key);
    promise(bytes.size() <= kMostKey, "its keys are no longer than LMDB takes");
    promise(parse_ready_key(bytes) == key, "and are read as they were written");
  }
  if (parsed->has_differing) parsed->message.differing.resize(1);
  promise(message_value(parsed->message) == value, "written again, it is the same");
}

void try_recipient(QueueId id, uint32_t recipient, std::string_view value) {
  const auto rest = parse_recipient_value(id, recipient, value);
  if (!rest) return;
  check_rest(*rest);
  promise(recipient_value(id, {recipient, *rest}) == value, "written again, it is the same");
}

// A row without a checksum: what is read is written the same.
template <class Parse, class Write>
void try_row(std::string_view bytes, Parse parse, Write write) {
  if (const auto row = parse(bytes)) promise(write(*row) == bytes, "written again, it is the same");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  const uint8_t table = input.byte();
  const bool right = (input.byte() & 1) != 0;
  const QueueId id{input.number(8)};
  const auto recipient = static_cast<uint32_t>(input.number(4));
  const std::string_view bytes = input.rest();
  switch (table % 10) {
    case 0:
      try_message(id, with_checksum(message_key(id), bytes, right));
      break;
    case 1:
      try_recipient(id, recipient, with_checksum(recipient_key(id, recipient), bytes, right));
      break;
    case 2:
      try_row(bytes, parse_domain_value, domain_value);
      break;
    case 3:
      try_row(bytes, parse_segment_value, segment_value);
      break;
    case 4:
      try_row(bytes, parse_position_value, position_value);
      break;
    case 5:
      try_row(bytes, parse_ready_key, ready_key);
      break;
    case 6:
      try_row(bytes, parse_wake_key, wake_key);
      break;
    case 7:
      try_row(bytes, parse_domain_key, domain_key);
      break;
    case 8:
      try_row(bytes, parse_message_key, message_key);
      try_row(bytes, parse_segment_key, segment_key);
      break;
    case 9:
      try_row(
          bytes, [&](auto key) { return parse_recipient_key(key, id); },
          [&](uint32_t index) { return recipient_key(id, index); });
      break;
  }
  return 0;
}
