// How events read in the log.
#include "log/event.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "util/text.h"

namespace hikyaku::log {

namespace {

using util::escape_for_log;
using Out = std::back_insert_iterator<std::string>;

bool is_plain(std::string_view text) {
  for (const char c : text)
    if (c < 0x20 || c == 0x7F || c == '\\') return false;  // bytes above 127 are negative here
  return true;
}

// A field that is plain ASCII, as nearly all are, is copied without making an escaped string first.
void add(std::string& out, std::string_view text) {
  if (is_plain(text))
    out += text;
  else
    out += escape_for_log(text);
}

void add_peer(std::string& out, const Peer& peer) {
  add(out, peer.name);
  out += '[';
  add(out, peer.address);
  out += ']';
}

// Postfix's precision: two significant digits below 10 ms resolution, no trailing zeros.
void add_seconds(std::string& out, Seconds time) {
  const double seconds = std::max(time.count(), 0.0);
  if (seconds >= 10 || seconds < 0.005) {
    fmt::format_to(Out(out), "{:.0f}", seconds);
    return;
  }
  fmt::format_to(Out(out), "{:.{}f}", seconds, seconds >= 1 ? 1 : 2);
  while (out.back() == '0') out.pop_back();
  if (out.back() == '.') out.pop_back();
}

struct Printer {
  std::string& out;

  void start(queue::QueueId id) const {
    out += queue::to_text(id);
    out += ": ";
  }

  void operator()(const Connected& e) const {
    out += "connect from ";
    add_peer(out, e.peer);
  }
  void operator()(const Disconnected& e) const {
    out += "disconnect from ";
    add_peer(out, e.peer);
    if (!e.counts.empty()) out += " " + e.counts;
  }
  void operator()(const ConnectionLost& e) const {
    out += e.timed_out ? "timeout after " : "lost connection after ";
    out += e.after;
    out += " from ";
    add_peer(out, e.peer);
  }
  void operator()(const Rejected& e) const {
    out += "NOQUEUE: reject: " + e.stage + " from ";
    add_peer(out, e.peer);
    out += ": ";
    add(out, e.reply);
    out += ';';
    if (e.has_sender) out += " from=<" + escape_for_log(e.sender) + ">";
    if (e.has_recipient) out += " to=<" + escape_for_log(e.recipient) + ">";
    out += " proto=" + e.protocol;
    if (!e.helo.empty()) out += " helo=<" + escape_for_log(e.helo) + ">";
  }
  void operator()(const Noted& e) const {
    constexpr size_t kMostShown = 100;
    if (e.warning) out += "warning: ";
    add(out, e.what);
    out += " from ";
    add_peer(out, e.peer);
    if (e.detail.empty()) return;
    out += ": ";
    add(out, std::string_view(e.detail).substr(0, kMostShown));
  }
  void operator()(const ClientKnown& e) const {
    start(e.id);
    out += "client=";
    add_peer(out, e.peer);
    if (!e.sasl_method.empty()) out += ", sasl_method=" + escape_for_log(e.sasl_method);
    if (!e.sasl_username.empty()) out += ", sasl_username=" + escape_for_log(e.sasl_username);
  }
  void operator()(const MessageIdSeen& e) const {
    start(e.id);
    out += "message-id=";
    add(out, e.message_id.empty() ? std::string_view("<>") : std::string_view(e.message_id));
  }
  void operator()(const QueueActive& e) const {
    start(e.id);
    out += "from=<";
    add(out, e.sender);
    fmt::format_to(Out(out), ">, size={}, nrcpt={} (queue active)", e.size, e.recipients);
  }
  void operator()(const Attempt& e) const {
    start(e.id);
    out += "to=<";
    add(out, e.recipient);
    out += ">, relay=";
    add(out, e.relay);
    if (e.connection_uses > 1) fmt::format_to(Out(out), ", conn_use={}", e.connection_uses);
    out += ", delay=";
    add_seconds(out, e.before_queue + e.in_queue + e.connecting + e.transmitting);
    out += ", delays=";
    add_seconds(out, e.before_queue);
    out += '/';
    add_seconds(out, e.in_queue);
    out += '/';
    add_seconds(out, e.connecting);
    out += '/';
    add_seconds(out, e.transmitting);
    out += ", dsn=";
    add(out, e.status_code);
    out += ", status=";
    out += e.outcome;
    out += " (";
    add(out, e.reply);
    out += ')';
  }
  void operator()(const Removed& e) const {
    start(e.id);
    out += "removed";
  }
  void operator()(const ReportMade& e) const {
    start(e.id);
    out += e.is_failure ? "sender non-delivery notification: " : "sender delivery status notification: ";
    out += queue::to_text(e.report);
  }
};

}  // namespace

void print(const Event& event, std::string& out) { std::visit(Printer{out}, event); }

}  // namespace hikyaku::log
