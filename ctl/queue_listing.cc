// How messages in the queue are shown.
#include "ctl/queue_listing.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>

#include "util/text.h"

namespace hikyaku::ctl {

namespace {

constexpr size_t kReasonEnds = 76;  // reasons are set to the right, as far as they fit

std::string shown_sender(const std::string& sender) { return sender.empty() ? "MAILER-DAEMON" : sender; }

// What strangers wrote must not steer the operator's terminal.
std::string harmless(const std::string& text) { return util::escape_for_log(text); }

char mark_of(const std::string& queue_name) { return queue_name == "active" ? '*' : queue_name == "hold" ? '!' : ' '; }

}  // namespace

std::string local_time(int64_t seconds_since_1970) {
  const std::time_t seconds = seconds_since_1970;
  std::tm local{};
  ::localtime_r(&seconds, &local);
  char text[32];
  std::strftime(text, sizeof text, "%a %b %e %H:%M:%S", &local);
  return text;
}

std::string Listing::entry(const ipc::QueueEntry& entry) {
  std::string out;
  if (messages_++ == 0)
    out = fmt::format("{:<12}{:>8} {:<20} {}\n", "-Queue ID-", "--Size--", "----Arrival Time----",
                      "-Sender/Recipient-------");
  bytes_ += entry.size;
  out += fmt::format("{:<12} {:>7} {:<20} {}\n", queue::to_text(entry.id) + mark_of(entry.queue_name), entry.size,
                     show_time_(entry.arrival), harmless(shown_sender(entry.sender)));
  const auto add_reason = [&](const std::string& reason) {
    out += fmt::format("{:>{}}({})\n", "", kReasonEnds - std::min(reason.size(), kReasonEnds), reason);
  };
  if (!entry.hold_reason.empty()) add_reason("held: " + harmless(entry.hold_reason));
  std::string last_reason;
  for (const auto& recipient : entry.recipients) {
    // A reason that several share is told once, before the first of them.
    const std::string reason = harmless(recipient.delay_reason);
    if (!reason.empty() && reason != last_reason) add_reason(reason);
    last_reason = reason;
    out += fmt::format("{:42}{}\n", "", harmless(recipient.address));
  }
  return out + "\n";
}

std::string Listing::end(bool is_whole) const {
  if (messages_ == 0 && is_whole) return "Mail queue is empty\n";
  return fmt::format("-- {} Kbytes in {} Request{}.\n", bytes_ / 1024, messages_, messages_ == 1 ? "" : "s");
}

std::string json_line(const ipc::QueueEntry& entry) {
  nlohmann::ordered_json recipients = nlohmann::ordered_json::array();
  for (const auto& recipient : entry.recipients) {
    nlohmann::ordered_json one{{"address", recipient.address}};
    if (!recipient.delay_reason.empty()) one["delay_reason"] = recipient.delay_reason;
    recipients.push_back(std::move(one));
  }
  nlohmann::ordered_json line{
      {"queue_name", entry.queue_name}, {"queue_id", queue::to_text(entry.id)}, {"arrival_time", entry.arrival},
      {"message_size", entry.size},     {"sender", shown_sender(entry.sender)}, {"recipients", std::move(recipients)},
      {"attempts", entry.attempts},     {"next_attempt", entry.next_attempt},   {"expires", entry.expires}};
  if (!entry.hold_reason.empty()) line["hold_reason"] = entry.hold_reason;
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::vector<std::string> unread_lines(const ipc::Unread& unread) {
  std::vector<std::string> lines;
  if (unread.messages > 0)
    lines.push_back(fmt::format("{} message{} could not be read", unread.messages, unread.messages == 1 ? "" : "s"));
  const size_t named = std::min(unread.first.size(), ipc::Unread::kMostNamed);
  for (size_t i = 0; i < named; ++i) lines.push_back("  " + harmless(unread.first[i]));
  if (unread.messages > named) lines.push_back(fmt::format("  and {} more", unread.messages - named));
  if (!unread.part.empty()) lines.push_back("part of the queue could not be read: " + harmless(unread.part));
  return lines;
}

nlohmann::ordered_json unread_json(const ipc::Unread& unread) {
  return {{"messages", unread.messages}, {"first", unread.first}, {"part", unread.part}};
}

std::string unread_line(const ipc::Unread& unread) {
  const nlohmann::ordered_json line{{"unreadable", unread_json(unread)}};
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string envelope_text(const ipc::QueueEntry& entry, const queue::Envelope& envelope, const ShowTime& show_time) {
  std::string out = fmt::format("*** ENVELOPE RECORDS {}/{} ***\n", entry.queue_name, queue::to_text(entry.id));
  out += fmt::format("message_size: {}\n", entry.size);
  out += fmt::format("message_arrival_time: {}\n", show_time(entry.arrival));
  const auto attribute = [&](const char* name, const std::string& value) {
    if (!value.empty()) out += fmt::format("named_attribute: {}={}\n", name, harmless(value));
  };
  attribute("client_name", envelope.client_name);
  attribute("client_address", envelope.client_address);
  attribute("helo_name", envelope.helo);
  attribute("protocol_name", envelope.protocol);
  attribute("listener", envelope.listener);
  attribute("sasl_method", envelope.auth_method);
  attribute("sasl_username", envelope.auth_user);
  attribute("envelope_id", envelope.envelope_id);
  attribute("ret_flags", envelope.return_content);
  attribute("original_sender", envelope.original_sender);
  attribute("hold_reason", entry.hold_reason);
  attribute("encoding", envelope.eight_bit ? "8bit" : "");
  out += fmt::format("sender: {}\n", harmless(envelope.sender));
  for (const auto& recipient : envelope.recipients) {
    if (!recipient.original_recipient.empty())
      out += fmt::format("original_recipient: {}\n", harmless(recipient.original_recipient));
    out += fmt::format("recipient: {}\n", harmless(recipient.address));
  }
  for (const auto& recipient : entry.recipients)
    if (!recipient.delay_reason.empty())
      out += fmt::format("delay_reason: <{}>: {}\n", harmless(recipient.address), harmless(recipient.delay_reason));
  return out;
}

std::string ContentParts::receive(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (const char c : bytes) {
    if (std::exchange(cr_, false) && c != '\n') take('\r', out);
    if (c == '\r')
      cr_ = true;
    else
      take(c, out);
  }
  return out;
}

void ContentParts::take(char c, std::string& out) {
  if (wanted()) out += c;
  if (c == '\n' && line_is_empty_) in_body_ = true;  // the empty line itself belongs to the header
  line_is_empty_ = c == '\n';
}

}  // namespace hikyaku::ctl
