// What happens to mail, as values: one per connection, arrival, attempt, rejection, report. Log lines are
// printed from them (Postfix's form and field names, so that pflogsumm and fail2ban read them unchanged).
// Everything that a stranger wrote is escaped here, in one place.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "queue/queue_id.h"

namespace hikyaku::log {

using Seconds = std::chrono::duration<double>;

struct Peer {
  std::string name;     // by reverse DNS, or "unknown"
  std::string address;  // numeric
};

struct Connected {
  Peer peer;
};
struct Disconnected {
  Peer peer;
  std::string counts;  // "ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5"
};
// The connection ended without QUIT, or after too long a silence.
struct ConnectionLost {
  Peer peer;
  std::string after;  // "DATA (1234 bytes)"
  bool timed_out = false;
};
struct Rejected {
  std::string stage;  // "RCPT"
  Peer peer;
  std::string reply;  // "554 5.7.1 <x>: Relay access denied"
  std::string sender, recipient;
  bool has_sender = false, has_recipient = false;
  std::string protocol, helo;
};
// How a client behaves.
struct Noted {
  std::string what;  // "too many errors after RCPT"
  Peer peer;
  std::string detail;  // the client's words, or empty; only the first are shown
  bool warning = false;
};
struct ClientKnown {
  queue::QueueId id;
  Peer peer;
  std::string sasl_method, sasl_username;
};
struct MessageIdSeen {
  queue::QueueId id;
  std::string message_id;  // with its angle brackets, empty when the message has none
};
struct QueueActive {
  queue::QueueId id;
  std::string_view sender;
  uint64_t size;
  size_t recipients;
};
struct Attempt {
  queue::QueueId id;
  std::string_view recipient;
  std::string relay;  // "host[ip]:port", "none"
  unsigned connection_uses = 1;
  Seconds before_queue{}, in_queue{}, connecting{}, transmitting{};
  std::string_view status_code;  // "2.0.0"
  std::string_view outcome;      // sent, deferred, bounced, expired
  std::string_view reply;        // what stands in parentheses
};
struct Removed {
  queue::QueueId id;
};
struct ReportMade {
  queue::QueueId id, report;
  bool is_failure = true;  // of some recipient
};

using Event = std::variant<Connected, Disconnected, ConnectionLost, Rejected, ClientKnown, MessageIdSeen, QueueActive,
                           Attempt, Removed, ReportMade, Noted>;

// Appends the text of the log line, without time stamp and program.
void print(const Event& event, std::string& out);

}  // namespace hikyaku::log
