// The report that tells a sender that a message was not delivered.
#include "bounce/report.h"

#include <algorithm>

#include "bounce/field_text.h"
#include "bounce/returned_content.h"
#include "mime/date.h"
#include "mime/header_block.h"
#include "util/text.h"

namespace hikyaku::bounce {
namespace {

constexpr size_t kLongestName = 255;
constexpr size_t kLongestAddress = 320;
constexpr size_t kLongestMessageId = 250;

// A field without a value is left out.
void field(std::string& out, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  out.append(name).append(": ").append(value).append("\r\n");
}

void line(std::string& out, std::string_view text) { out.append(text).append("\r\n"); }

std::string date(const ReportFacts& facts, int64_t time) { return mime::format_date(time, facts.utc_offset); }

std::string our_address(const ReportFacts& facts, std::string_view user) {
  return std::string(user) + "@" + ascii_line(facts.our_name, kLongestName);
}

// RFC 3463 section 2: one digit, then two numbers of at most three digits.
bool is_status(std::string_view status) {
  const auto parts = util::split(status, ".");
  const auto is_part = [](std::string_view part) { return part.size() <= 3 && util::parse_number(part).has_value(); };
  return parts.size() == 3 && (parts[0] == "2" || parts[0] == "4" || parts[0] == "5") &&
         std::ranges::all_of(parts, is_part) &&
         parts[0].size() + parts[1].size() + parts[2].size() + 2 == status.size();
}

size_t count_relayed(const ReportFacts& facts) {
  return static_cast<size_t>(std::ranges::count_if(facts.recipients, &ReportedRecipient::is_relayed));
}
bool is_any_failed(const ReportFacts& facts) { return count_relayed(facts) < facts.recipients.size(); }

// ---- The part for people.

void describe(std::string& out, const ReportedRecipient& recipient) {
  line(out, "<" + one_line(recipient.address, kLongestAddress) + ">");
  const std::string original = decode_xtext(recipient.original_recipient);
  const size_t address = original.find(';') + 1;
  if (address > 0 && !util::iequals(original.substr(address), recipient.address)) {
    line(out, "    You sent it to <" + one_line(original.substr(address), kLongestAddress) + ">.");
  }
  if (recipient.expired) append_wrapped(out, "    ", "It could not be delivered within the time allowed.");
  const std::string reason = one_line(recipient.reason);
  if (reason.empty()) {
    line(out, "    The reason is not known.");
  } else {
    const std::string server = one_line(recipient.remote_mta, kLongestName);
    const std::string_view what = recipient.is_relayed() ? "The answer"
                                  : recipient.expired    ? "The last problem"
                                                         : "The reason";
    append_wrapped(out, "    ",
                   server.empty() ? std::string(what) + " was:"
                                  : std::string(what) + " in the words of the mail server " + server + ":");
    append_wrapped(out, "      ", reason);
  }
  line(out, "");
}

std::string notification(const ReportFacts& facts, const ReturnedContent& returned) {
  std::string out;
  line(out, "This is the mail system at " + ascii_line(facts.our_name, kLongestName) + ".");
  line(out, "");
  if (is_any_failed(facts)) {
    append_wrapped(
        out, "",
        facts.recipients.size() - count_relayed(facts) == 1
            ? "We are sorry: your message could not be delivered to the recipient below. It will not be tried "
              "again."
            : "We are sorry: your message could not be delivered to the recipients below. It will not be tried "
              "again for them.");
    line(out, "");
  }
  for (const ReportedRecipient& recipient : facts.recipients)
    if (!recipient.is_relayed()) describe(out, recipient);
  if (count_relayed(facts) > 0) {
    append_wrapped(out, "",
                   "You asked to be told of success. Your message was handed on for the following, to a mail server "
                   "that does not tell you of its delivery:");
    line(out, "");
  }
  for (const ReportedRecipient& recipient : facts.recipients)
    if (recipient.is_relayed()) describe(out, recipient);
  append_wrapped(out, "",
                 returned.whole ? "Your message follows."
                 : returned.cut ? "The beginning of your message's header follows."
                                : "The header of your message follows.");
  append_wrapped(
      out, "",
      "If you need help, please write to " + our_address(facts, "postmaster") + " and send this report along.");
  line(out, "");
  line(out, "Arrived: " + date(facts, facts.arrival));
  line(out, "Queue ID: " + ascii_line(facts.queue_id, kLongestName));
  return out;
}

// ---- The part for programs (RFC 3464 section 2).

void per_message_fields(std::string& out, const ReportFacts& facts) {
  field(out, "Original-Envelope-Id", ascii_line(decode_xtext(facts.envelope_id)));
  field(out, "Reporting-MTA", "dns; " + ascii_line(facts.our_name, kLongestName));
  field(out, "X-Hikyaku-Queue-ID", ascii_line(facts.queue_id, kLongestName));
  if (!facts.sender.empty()) field(out, "X-Hikyaku-Sender", typed_address(facts.sender));
  field(out, "Arrival-Date", date(facts, facts.arrival));
}

void original_recipient(std::string& out, std::string_view given) {
  const size_t semicolon = given.find(';');
  if (semicolon == std::string_view::npos) return;
  const std::string type = ascii_line(given.substr(0, semicolon), kLongestName);
  const std::string address = ascii_line(decode_xtext(given.substr(semicolon + 1)), kLongestAddress);
  if (!type.empty() && !address.empty()) field(out, "Original-Recipient", type + "; " + address);
}

void per_recipient_fields(std::string& out, const ReportFacts& facts, const ReportedRecipient& recipient) {
  line(out, "");
  original_recipient(out, recipient.original_recipient);
  field(out, "Final-Recipient", typed_address(recipient.address));
  field(out, "Action", recipient.is_relayed() ? "relayed" : "failed");
  const std::string_view otherwise = recipient.is_relayed() ? "2.0.0" : recipient.expired ? "4.4.7" : "5.0.0";
  field(out, "Status", is_status(recipient.status) ? recipient.status : otherwise);
  const std::string server = ascii_line(recipient.remote_mta, kLongestName);
  if (!server.empty()) field(out, "Remote-MTA", "dns; " + server);
  const std::string reason = ascii_line(recipient.reason);
  if (!reason.empty()) field(out, "Diagnostic-Code", (server.empty() ? "X-Hikyaku; " : "smtp; ") + reason);
  if (recipient.last_attempt != 0) field(out, "Last-Attempt-Date", date(facts, recipient.last_attempt));
}

std::string delivery_status(const ReportFacts& facts) {
  std::string out;
  per_message_fields(out, facts);
  for (const ReportedRecipient& recipient : facts.recipients) per_recipient_fields(out, facts, recipient);
  return out;
}

// ---- The whole.

// The envelope's sender as a header address. One that no header can hold as it is stays in the envelope only.
std::string to_field(const ReportFacts& facts) {
  if (facts.sender.empty()) return our_address(facts, "postmaster");
  const bool fits = one_line(facts.sender, kLongestAddress) == facts.sender &&
                    (facts.sender.front() == '"' || facts.sender.find_first_of(" ()<>,;\"\\") == std::string::npos);
  return fits ? "<" + facts.sender + ">" : "undisclosed-recipients:;";
}

// Fit to be quoted in our header as it stands; a stranger's odd one is left out.
bool is_plain_message_id(std::string_view id) {
  return id.size() > 2 && id.size() <= kLongestMessageId && id.front() == '<' && id.back() == '>' &&
         id.substr(1, id.size() - 2).find_first_of(" ()<>,;:\\\"") == std::string_view::npos && ascii_line(id) == id;
}

void message_header(std::string& out, const ReportFacts& facts, std::string_view original) {
  field(out, "Date", date(facts, facts.now));
  field(out, "From", "Mail Delivery System <" + our_address(facts, "MAILER-DAEMON") + ">");
  field(out, "To", to_field(facts));
  field(out, "Subject", is_any_failed(facts) ? "Your message could not be delivered" : "Your message was handed on");
  const std::string unique = ascii_line(facts.queue_id, kLongestName) + "." + std::to_string(facts.now);
  field(out, "Message-ID", "<" + our_address(facts, unique) + ">");
  const auto message_id = mime::HeaderBlock(original).find_first("Message-ID");
  const std::string_view id = message_id ? mime::message_id(message_id->value) : std::string_view();
  if (is_plain_message_id(id)) {
    field(out, "In-Reply-To", id);
    field(out, "References", id);
  }
  field(out, "Auto-Submitted", "auto-replied");
  field(out, "MIME-Version", "1.0");
}

std::string_view encoding(bool eight_bit) { return eight_bit ? "8bit" : "7bit"; }

// At most 70 characters of RFC 2046's, and in no part: the original may be a report of ours that came back.
std::string boundary_for(const ReportFacts& facts, const std::vector<std::string_view>& parts) {
  std::string base;
  for (const char c : facts.queue_id.substr(0, 20)) base += util::is_alnum(c) ? c : '-';
  base += '.' + std::to_string(facts.now);
  const auto occurs = [&parts](const std::string& boundary) {
    return std::ranges::any_of(parts, [&](std::string_view part) { return part.find(boundary) != part.npos; });
  };
  std::string boundary = base + ".=_";  // "=_" stands in no base64 and no quoted-printable text
  for (uint64_t n = 1; occurs(boundary); ++n) boundary = base + '.' + std::to_string(n) + ".=_";
  return boundary;
}

void append_part(std::string& out, std::string_view boundary, std::string_view what, std::string_view type,
                 std::string_view text) {
  out.append("--").append(boundary).append("\r\n");
  field(out, "Content-Description", what);
  field(out, "Content-Type", type);
  field(out, "Content-Transfer-Encoding", encoding(has_eight_bit(text)));
  out.append("\r\n").append(text).append("\r\n");
}

std::string_view returned_type(const ReportFacts& facts, const ReturnedContent& returned) {
  if (facts.smtputf8) return returned.whole ? "message/global" : "message/global-headers";  // RFC 6533
  return returned.whole ? "message/rfc822" : "text/rfc822-headers";
}

void append_multipart(std::string& out, const ReportFacts& facts, const ReturnedContent& returned) {
  const std::string people = notification(facts, returned);
  const std::string programs = delivery_status(facts);
  const std::string boundary = boundary_for(facts, {people, programs, returned.text});
  const bool utf8 = has_eight_bit(people);
  line(out, "Content-Type: multipart/report; report-type=delivery-status;");
  line(out, " boundary=\"" + boundary + "\"");
  field(out, "Content-Transfer-Encoding", encoding(utf8 || has_eight_bit(returned.text)));
  out += "\r\n";
  append_part(out, boundary, "Notification", utf8 ? "text/plain; charset=utf-8" : "text/plain; charset=us-ascii",
              people);
  append_part(out, boundary, "Delivery report", "message/delivery-status", programs);
  const std::string_view header = is_any_failed(facts) ? "Header of the undelivered message" : "Header of the message";
  append_part(out, boundary, returned.whole ? "Undelivered message" : header, returned_type(facts, returned),
              returned.text);
  out.append("--").append(boundary).append("--\r\n");
}

void append_simple(std::string& out, const ReportFacts& facts, const ReturnedContent& returned) {
  std::string text = notification(facts, returned);
  text.append("\r\n---- ").append(returned.whole ? "Your message" : "Its header").append(" ----\r\n\r\n");
  text.append(returned.text);
  // The original's bytes may be in several charsets at once, so none is claimed for them but UTF-8 where it was
  // announced.
  const std::string_view charset = !has_eight_bit(text) ? "us-ascii" : facts.smtputf8 ? "utf-8" : "unknown-8bit";
  field(out, "Content-Type", "text/plain; charset=" + std::string(charset));
  field(out, "Content-Transfer-Encoding", encoding(has_eight_bit(text)));
  out.append("\r\n").append(text);
}

}  // namespace

Report make_report(const ReportFacts& facts, std::string_view original) {
  const bool headers_only = facts.headers_only || !is_any_failed(facts);
  const ReturnedContent returned = returned_content(original, facts.size_limit, headers_only);
  Report report;
  message_header(report.content, facts, original);
  report.smtputf8 = has_eight_bit(report.content);
  if (facts.format == ReportFormat::kMultipart) {
    append_multipart(report.content, facts, returned);
  } else {
    append_simple(report.content, facts, returned);
  }
  report.eight_bit = has_eight_bit(report.content);
  return report;
}

}  // namespace hikyaku::bounce
