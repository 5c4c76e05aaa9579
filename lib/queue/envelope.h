// What a message's client said around it, and where it came from: stored beside the content, read by every daemon.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "queue/queue_id.h"
#include "util/error.h"

namespace hikyaku::queue {

// RFC 3461 section 4.1. No bit set: the client gave no NOTIFY.
inline constexpr uint8_t kNotifyNever = 1;
inline constexpr uint8_t kNotifySuccess = 2;
inline constexpr uint8_t kNotifyFailure = 4;
inline constexpr uint8_t kNotifyDelay = 8;

struct Recipient {
  std::string address;             // mailbox without angle brackets
  std::string original_recipient;  // ORCPT as given ("rfc822;…"), empty when not
  uint8_t notify = 0;

  bool operator==(const Recipient&) const = default;
};

// Of which message, and of which of its recipients, by index from 0, a report tells the failure.
struct ReportOf {
  QueueId id;
  std::vector<uint32_t> recipients;

  bool operator==(const ReportOf&) const = default;
};

struct Envelope {
  std::string sender;  // mailbox without angle brackets; empty is the null sender
  std::vector<Recipient> recipients;
  int64_t arrival = 0;         // microseconds since 1970, when the content was complete
  std::string client_name;     // name by reverse DNS or "unknown"
  std::string client_address;  // "192.0.2.1", "2001:db8::1"; empty for mail made here
  std::string helo;            // what the client called itself
  std::string protocol;        // "ESMTP", "SMTP", …: the `with` of a Received header
  std::string listener;        // the service that took it: "relay", "submission", …; "bounce" for our own reports
  std::string server_address;  // ours, that the client connected to; for the Received header
  uint16_t arrival_port = 0;   // the listener's port (row 62), 0 for mail made here
  std::string auth_user;       // as Cyrus returns it; empty without AUTH
  std::string auth_method;
  std::string original_sender;  // before sender_rewrite (rows 54-61); empty when it was not rewritten
  std::string envelope_id;      // RFC 3461 ENVID
  std::string return_content;   // RFC 3461 RET: "FULL", "HDRS" or empty
  bool eight_bit = false;       // BODY=8BITMIME
  bool smtputf8 = false;        // RFC 6531
  // Of a report of ours: with its record the failures are told, durably, whoever dies before the word of it arrives.
  std::optional<ReportOf> report_of;

  bool operator==(const Envelope&) const = default;
};

// Tagged fields: u8 tag, u32 length (little-endian), bytes; empty and zero fields are left out. A reader skips tags
// that it does not know, so a field can be added without a new format version; tags are never given a second meaning.
void append_envelope(const Envelope& envelope, std::string& out);
util::Result<Envelope> parse_envelope(std::string_view bytes);

}  // namespace hikyaku::queue
