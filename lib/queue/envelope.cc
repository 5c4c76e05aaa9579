// The envelope's bytes.
#include "queue/envelope.h"

#include "queue/little_endian.h"

namespace hikyaku::queue {
namespace {

enum class Tag : uint8_t {
  kSender = 1,
  kRecipient = 2,  // once for each, in order; holds RecipientTag fields
  kArrival = 3,
  kClientName = 4,
  kClientAddress = 5,
  kHelo = 6,
  kProtocol = 7,
  kListener = 8,
  kArrivalPort = 9,
  kAuthUser = 10,
  kAuthMethod = 11,
  kOriginalSender = 12,
  kEnvelopeId = 13,
  kReturnContent = 14,
  kEightBit = 15,
  kSmtputf8 = 16,
  kServerAddress = 17,
  kReportOf = 18,  // u64 id, then u32 for each recipient
};

enum class RecipientTag : uint8_t { kAddress = 1, kOriginalRecipient = 2, kNotify = 3 };

template <class AnyTag>
void append_text(AnyTag tag, std::string_view text, std::string& out) {
  if (text.empty()) return;
  out += static_cast<char>(tag);
  append_number(out, static_cast<uint32_t>(text.size()));
  out += text;
}

template <class AnyTag, class Number>
void append_value(AnyTag tag, Number value, std::string& out) {
  if (value == Number{}) return;
  out += static_cast<char>(tag);
  append_number(out, static_cast<uint32_t>(sizeof value));
  append_number(out, value);
}

void append_recipient(const Recipient& recipient, std::string& out) {
  out += static_cast<char>(Tag::kRecipient);
  const size_t length_at = out.size();
  out.append(sizeof(uint32_t), '\0');
  append_text(RecipientTag::kAddress, recipient.address, out);
  append_text(RecipientTag::kOriginalRecipient, recipient.original_recipient, out);
  append_value(RecipientTag::kNotify, recipient.notify, out);
  store(out.data() + length_at, static_cast<uint32_t>(out.size() - length_at - sizeof(uint32_t)));
}

void append_report_of(const ReportOf& report, std::string& out) {
  std::string bytes;
  append_number(bytes, report.id.value);
  for (const uint32_t index : report.recipients) append_number(bytes, index);
  append_text(Tag::kReportOf, bytes, out);
}

bool read_text(std::string_view bytes, std::string& out) {
  out = bytes;
  return true;
}

template <class Number>
bool read_value(std::string_view bytes, Number& out) {
  return take_number(bytes, out) && bytes.empty();
}

bool read_flag(std::string_view bytes, bool& out) {
  uint8_t value = 0;
  if (!read_value(bytes, value) || value > 1) return false;
  out = value == 1;
  return true;
}

bool read_report_of(std::string_view bytes, std::optional<ReportOf>& out) {
  ReportOf& report = out.emplace();
  if (!take_number(bytes, report.id.value)) return false;
  while (!bytes.empty())
    if (!take_number(bytes, report.recipients.emplace_back())) return false;
  return true;
}

// Calls take(tag, bytes) for each field; false when a field is cut short or not taken.
template <class Take>
bool for_each_field(std::string_view bytes, Take take) {
  while (!bytes.empty()) {
    uint8_t tag = 0;
    uint32_t length = 0;
    if (!take_number(bytes, tag) || !take_number(bytes, length) || length > bytes.size()) return false;
    if (!take(tag, bytes.substr(0, length))) return false;
    bytes.remove_prefix(length);
  }
  return true;
}

bool take_recipient_field(uint8_t tag, std::string_view bytes, Recipient& recipient) {
  switch (static_cast<RecipientTag>(tag)) {
    case RecipientTag::kAddress:
      return read_text(bytes, recipient.address);
    case RecipientTag::kOriginalRecipient:
      return read_text(bytes, recipient.original_recipient);
    case RecipientTag::kNotify:
      return read_value(bytes, recipient.notify);
  }
  return true;
}

bool take_recipient(std::string_view bytes, std::vector<Recipient>& recipients) {
  Recipient& recipient = recipients.emplace_back();
  return for_each_field(
      bytes, [&](uint8_t tag, std::string_view field) { return take_recipient_field(tag, field, recipient); });
}

bool take_field(uint8_t tag, std::string_view bytes, Envelope& envelope) {
  switch (static_cast<Tag>(tag)) {
    case Tag::kSender:
      return read_text(bytes, envelope.sender);
    case Tag::kRecipient:
      return take_recipient(bytes, envelope.recipients);
    case Tag::kArrival:
      return read_value(bytes, envelope.arrival);
    case Tag::kClientName:
      return read_text(bytes, envelope.client_name);
    case Tag::kClientAddress:
      return read_text(bytes, envelope.client_address);
    case Tag::kHelo:
      return read_text(bytes, envelope.helo);
    case Tag::kProtocol:
      return read_text(bytes, envelope.protocol);
    case Tag::kListener:
      return read_text(bytes, envelope.listener);
    case Tag::kArrivalPort:
      return read_value(bytes, envelope.arrival_port);
    case Tag::kAuthUser:
      return read_text(bytes, envelope.auth_user);
    case Tag::kAuthMethod:
      return read_text(bytes, envelope.auth_method);
    case Tag::kOriginalSender:
      return read_text(bytes, envelope.original_sender);
    case Tag::kEnvelopeId:
      return read_text(bytes, envelope.envelope_id);
    case Tag::kReturnContent:
      return read_text(bytes, envelope.return_content);
    case Tag::kEightBit:
      return read_flag(bytes, envelope.eight_bit);
    case Tag::kSmtputf8:
      return read_flag(bytes, envelope.smtputf8);
    case Tag::kServerAddress:
      return read_text(bytes, envelope.server_address);
    case Tag::kReportOf:
      return read_report_of(bytes, envelope.report_of);
  }
  return true;  // a later version's field
}

}  // namespace

void append_envelope(const Envelope& envelope, std::string& out) {
  append_text(Tag::kSender, envelope.sender, out);
  for (const Recipient& recipient : envelope.recipients) append_recipient(recipient, out);
  append_value(Tag::kArrival, envelope.arrival, out);
  append_text(Tag::kClientName, envelope.client_name, out);
  append_text(Tag::kClientAddress, envelope.client_address, out);
  append_text(Tag::kHelo, envelope.helo, out);
  append_text(Tag::kProtocol, envelope.protocol, out);
  append_text(Tag::kListener, envelope.listener, out);
  append_text(Tag::kServerAddress, envelope.server_address, out);
  append_value(Tag::kArrivalPort, envelope.arrival_port, out);
  append_text(Tag::kAuthUser, envelope.auth_user, out);
  append_text(Tag::kAuthMethod, envelope.auth_method, out);
  append_text(Tag::kOriginalSender, envelope.original_sender, out);
  append_text(Tag::kEnvelopeId, envelope.envelope_id, out);
  append_text(Tag::kReturnContent, envelope.return_content, out);
  append_value(Tag::kEightBit, static_cast<uint8_t>(envelope.eight_bit), out);
  append_value(Tag::kSmtputf8, static_cast<uint8_t>(envelope.smtputf8), out);
  if (envelope.report_of) append_report_of(*envelope.report_of, out);
}

util::Result<Envelope> parse_envelope(std::string_view bytes) {
  Envelope envelope;
  const bool whole =
      for_each_field(bytes, [&](uint8_t tag, std::string_view field) { return take_field(tag, field, envelope); });
  if (!whole) return util::permanent("envelope: a field is cut short or does not fit its type");
  return envelope;
}

}  // namespace hikyaku::queue
