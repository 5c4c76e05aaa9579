// Non-delivery reports, judged by a strict reader of their structure that shares no code with the writer.
#include "bounce/report.h"

#include <catch2/catch.hpp>

#include <map>
#include <string>
#include <vector>

using namespace hikyaku::bounce;

namespace {

constexpr int64_t kSecond = 1'000'000;

ReportFacts facts() {
  ReportFacts given;
  given.our_name = "relay.example";
  given.queue_id = "2B3C4D5F6G7";
  given.sender = "anna@example.com";
  given.arrival = 1457420514 * kSecond;
  given.now = 1457506914 * kSecond;
  given.utc_offset = 9 * 3600;
  ReportedRecipient bob;
  bob.address = "bob@example.net";
  bob.status = "5.1.1";
  bob.remote_mta = "mx.example.net";
  bob.reason = "550 5.1.1 <bob@example.net>: no such user here";
  bob.last_attempt = 1457420515 * kSecond;
  given.recipients.push_back(bob);
  return given;
}

constexpr auto kOriginal =
    "From: anna@example.com\r\nTo: bob@example.net\r\nSubject: hello\r\nMessage-ID: <1@example.com>\r\n\r\nHow are "
    "you?\r\n";

bool has(const std::string& text, const std::string& piece) { return text.find(piece) != std::string::npos; }

// Lines of a text in which every line ends in CRLF, is short enough, and has no other CR, LF or NUL.
std::vector<std::string> strict_lines(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find("\r\n", at);
    REQUIRE(end != std::string::npos);
    lines.push_back(text.substr(at, end - at));
    REQUIRE(lines.back().size() <= 998);
    REQUIRE(lines.back().find_first_of(std::string("\r\n\0", 3)) == std::string::npos);
    at = end + 2;
  }
  return lines;
}

using Fields = std::map<std::string, std::string>;

// A block of "Name: value" lines, folds joined; no name twice, no empty value.
Fields strict_fields(const std::string& block) {
  Fields fields;
  std::string last;
  for (const std::string& line : strict_lines(block)) {
    CAPTURE(line);
    if (line[0] == ' ' || line[0] == '\t') {
      REQUIRE_FALSE(last.empty());
      fields[last] += line;
      continue;
    }
    const size_t colon = line.find(": ");
    REQUIRE(colon != std::string::npos);
    last = line.substr(0, colon);
    REQUIRE(last.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-") == std::string::npos);
    REQUIRE(fields.count(last) == 0);
    REQUIRE(line.size() > colon + 2);
    fields[last] = line.substr(colon + 2);
  }
  return fields;
}

struct Entity {
  Fields header;
  std::string body;
};

Entity strict_entity(const std::string& text) {
  const size_t empty = text.find("\r\n\r\n");
  REQUIRE(empty != std::string::npos);
  return {strict_fields(text.substr(0, empty + 2)), text.substr(empty + 4)};
}

bool is_ascii(const std::string& text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) > 127) return false;
  }
  return true;
}

struct Parsed {
  Fields header;
  std::string people, returned, returned_type;
  std::vector<Fields> status;  // per message, then per recipient
};

// Groups of fields between empty lines (RFC 3464 section 2.1).
std::vector<Fields> strict_groups(const std::string& text) {
  std::vector<Fields> groups;
  for (size_t at = 0; at < text.size();) {
    const size_t empty = text.find("\r\n\r\n", at);
    const size_t end = empty == std::string::npos ? text.size() : empty + 2;
    groups.push_back(strict_fields(text.substr(at, end - at)));
    at = empty == std::string::npos ? text.size() : end + 2;
  }
  return groups;
}

void check_fields_of(const std::vector<Fields>& groups) {
  REQUIRE(groups.size() >= 2);
  CHECK(groups[0].count("Reporting-MTA") == 1);
  for (size_t i = 1; i < groups.size(); ++i) {
    const char kind = groups[i].at("Status")[0];
    CHECK(groups[i].at("Action") == (kind == '2' ? "relayed" : "failed"));
    CHECK(groups[i].count("Final-Recipient") == 1);
    CHECK((kind == '5' || kind == '4' || kind == '2'));
  }
}

void check_message_header(const Entity& message, const Report& report) {
  for (const char* name : {"Date", "From", "To", "Subject", "Message-ID", "Auto-Submitted", "MIME-Version"}) {
    CHECK(message.header.count(name) == 1);
  }
  CHECK(message.header.at("Auto-Submitted") == "auto-replied");
  CHECK(report.eight_bit == !is_ascii(report.content));
  CHECK(message.header.at("Content-Transfer-Encoding") == (is_ascii(message.body) ? "7bit" : "8bit"));
}

Parsed strict_report(const Report& report) {
  strict_lines(report.content);
  const Entity message = strict_entity(report.content);
  check_message_header(message, report);
  const std::string type = message.header.at("Content-Type");
  REQUIRE(type.starts_with("multipart/report; report-type=delivery-status; boundary=\""));
  const size_t quote = type.find('"') + 1;
  const std::string boundary = type.substr(quote, type.size() - 1 - quote);
  REQUIRE(boundary.size() <= 70);

  std::vector<Entity> parts;
  const std::string open = "--" + boundary + "\r\n", close = "--" + boundary + "--\r\n";
  REQUIRE(message.body.starts_with(open));
  REQUIRE(message.body.ends_with("\r\n" + close));
  const std::string inside = message.body.substr(0, message.body.size() - close.size());
  for (size_t at = 0; at < inside.size();) {
    const size_t begin = at + open.size();
    const size_t next = std::min(inside.find("\r\n" + open, begin), inside.size() - 2);
    parts.push_back(strict_entity(inside.substr(begin, next - begin)));
    CHECK_FALSE(has(parts.back().body, boundary));
    const std::string encoding = parts.back().header.at("Content-Transfer-Encoding");
    CHECK(encoding == (is_ascii(parts.back().body) ? "7bit" : "8bit"));
    at = next + 2;
  }
  REQUIRE(parts.size() == 3);
  CHECK(parts[0].header.at("Content-Type").starts_with("text/plain; charset="));
  CHECK(parts[1].header.at("Content-Type") == "message/delivery-status");
  CHECK(is_ascii(parts[1].body));
  Parsed parsed{message.header, parts[0].body, parts[2].body, parts[2].header.at("Content-Type"),
                strict_groups(parts[1].body)};
  check_fields_of(parsed.status);
  return parsed;
}

}  // namespace

TEST_CASE("a report has a part for people, one for programs, and the message (row 53)") {
  const Parsed report = strict_report(make_report(facts(), kOriginal));
  CHECK(report.header.at("From") == "Mail Delivery System <MAILER-DAEMON@relay.example>");
  CHECK(report.header.at("To") == "<anna@example.com>");
  CHECK(report.header.at("Date") == "Wed, 9 Mar 2016 16:01:54 +0900");
  CHECK(report.header.at("Message-ID") == "<2B3C4D5F6G7.1457506914000000@relay.example>");
  CHECK(report.header.at("In-Reply-To") == "<1@example.com>");
  CHECK(has(report.people, "<bob@example.net>"));
  CHECK(has(report.people, "mail server mx.example.net:"));
  CHECK(has(report.people, "550 5.1.1 <bob@example.net>: no such user here"));
  CHECK(report.returned_type == "message/rfc822");
  CHECK(report.returned == kOriginal);
  CHECK(report.status ==
        std::vector<Fields>{{{"Reporting-MTA", "dns; relay.example"},
                             {"X-Hikyaku-Queue-ID", "2B3C4D5F6G7"},
                             {"X-Hikyaku-Sender", "rfc822; anna@example.com"},
                             {"Arrival-Date", "Tue, 8 Mar 2016 16:01:54 +0900"}},
                            {{"Final-Recipient", "rfc822; bob@example.net"},
                             {"Action", "failed"},
                             {"Status", "5.1.1"},
                             {"Remote-MTA", "dns; mx.example.net"},
                             {"Diagnostic-Code", "smtp; 550 5.1.1 <bob@example.net>: no such user here"},
                             {"Last-Attempt-Date", "Tue, 8 Mar 2016 16:01:55 +0900"}}});
}

TEST_CASE("what the client asked for in DSN parameters comes back decoded") {
  ReportFacts given = facts();
  given.envelope_id = "QQ+2B31";
  given.recipients[0].original_recipient = "rfc822;bob+2Bx@example.org";
  Parsed report = strict_report(make_report(given, kOriginal));
  CHECK(report.status[0].at("Original-Envelope-Id") == "QQ+31");
  CHECK(report.status[1].at("Original-Recipient") == "rfc822; bob+x@example.org");
  CHECK(has(report.people, "You sent it to <bob+x@example.org>."));
  given.headers_only = true;
  report = strict_report(make_report(given, kOriginal));
  CHECK(report.returned_type == "text/rfc822-headers");
  CHECK_FALSE(has(report.returned, "How are you?"));
}

TEST_CASE("a message that was handed on is reported with its header, and without a word of failure (RFC 3461 5.2.2)") {
  ReportFacts given = facts();
  given.recipients[0].status = "2.0.0";
  given.recipients[0].reason = "250 2.0.0 Ok: queued as X";
  const Parsed report = strict_report(make_report(given, kOriginal));
  CHECK(report.header.at("Subject") == "Your message was handed on");
  CHECK(has(report.people, "You asked to be told of success."));
  CHECK(has(report.people, "The answer in the words of the mail server mx.example.net:"));
  CHECK_FALSE(has(report.people, "We are sorry"));
  CHECK(report.status[1].at("Action") == "relayed");
  CHECK(report.status[1].at("Status") == "2.0.0");
  CHECK(report.status[1].at("Diagnostic-Code") == "smtp; 250 2.0.0 Ok: queued as X");
  CHECK(report.returned_type == "text/rfc822-headers");
  CHECK_FALSE(has(report.returned, "How are you?"));
}

TEST_CASE("what failed stands before what was handed on, and all of the message comes back") {
  ReportFacts given = facts();
  given.recipients.insert(given.recipients.begin(), given.recipients[0]);
  given.recipients[0].address = "well@example.net";
  given.recipients[0].status = "2.odd";
  const Parsed report = strict_report(make_report(given, kOriginal));
  CHECK(report.header.at("Subject") == "Your message could not be delivered");
  CHECK(has(report.people, "We are sorry"));
  CHECK(report.people.find("<bob@example.net>") < report.people.find("<well@example.net>"));
  CHECK(report.status[1].at("Status") == "2.0.0");
  CHECK(report.status[2].at("Status") == "5.1.1");
  CHECK(report.returned == kOriginal);
}

TEST_CASE("a recipient whose time ran out is told so (row 36)") {
  ReportFacts given = facts();
  given.recipients[0] = {"bob@example.net", "", "", "", "connect to 192.0.2.1: Connection refused", 0, true};
  const Parsed report = strict_report(make_report(given, kOriginal));
  CHECK(has(report.people, "It could not be delivered within the time allowed."));
  CHECK(has(report.people, "The last problem was:"));
  CHECK(report.status[1].at("Status") == "4.4.7");
  CHECK(report.status[1].at("Diagnostic-Code") == "X-Hikyaku; connect to 192.0.2.1: Connection refused");
  CHECK(report.status[1].count("Remote-MTA") == 0);
  CHECK(report.status[1].count("Last-Attempt-Date") == 0);
}

TEST_CASE("every failed recipient has its own group") {
  ReportFacts given = facts();
  for (int i = 0; i < 3; ++i)
    given.recipients.push_back({"r" + std::to_string(i) + "@example.net", "", "5.2.2", "", "", 0, false});
  const Parsed report = strict_report(make_report(given, kOriginal));
  REQUIRE(report.status.size() == 5);
  CHECK(report.status[4].at("Final-Recipient") == "rfc822; r2@example.net");
  CHECK(has(report.people, "The reason is not known."));
}

TEST_CASE("a status that is none is replaced") {
  for (const char* status :
       {"", "3.0.0", "5", "5.1", "5.1.1.1", "5..1", "5.1.", "5.1000.1", "5.1.x", " 5.1.1", "5.1.1\r\n"}) {
    ReportFacts given = facts();
    given.recipients[0].status = status;
    CHECK(strict_report(make_report(given, kOriginal)).status[1].at("Status") == "5.0.0");
  }
}

TEST_CASE("a message above the size limit comes back as its header (bounce_size_limit)") {
  ReportFacts given = facts();
  const std::string head = "Subject: big\r\n";
  std::string original = head + "\r\n";
  while (original.size() + 80 <= 50000) original += std::string(78, 'x') + "\r\n";
  original += std::string(50000 - original.size() - 2, 'x') + "\r\n";
  REQUIRE(original.size() == 50000);
  CHECK(strict_report(make_report(given, original)).returned == original);
  given.size_limit = 49999;
  const Parsed report = strict_report(make_report(given, original));
  CHECK(report.returned_type == "text/rfc822-headers");
  CHECK(report.returned == head);
}

TEST_CASE("a header that is too long itself is cut at the limit, between lines") {
  ReportFacts given = facts();
  std::string original;
  while (original.size() < 100000) original += "X-Filler: abcdefghijklmnopqrstuvwxyz\r\n";
  const Parsed report = strict_report(make_report(given, original + "\r\nbody\r\n"));
  CHECK(report.returned.size() <= 50000);
  CHECK(report.returned.size() > 49900);
  CHECK(report.returned.ends_with("xyz\r\n"));
  CHECK(has(report.people, "The beginning of your message's header follows."));
}

TEST_CASE("a report can be delivered whatever the message was") {
  const std::vector<std::string> originals = {"",
                                              "\r\n",
                                              "no end",
                                              "A: b\r\n\r\nno end",
                                              "A: b\nC: d\n\nlone line feeds\n",
                                              "A: b\r\n\r\nlone\rreturn\r\n",
                                              std::string("A: \0b\r\n\r\nnul\r\n", 14),
                                              "A: " + std::string(100000, 'a') + "\r\nB: c\r\n\r\nx\r\n",
                                              "A: b\r\n\r\n" + std::string(991, 'a') + "\r\n",
                                              " begins with white space\r\n",
                                              "garbage\r\nmore garbage\r\n\r\n",
                                              "A: b\r\r\n\r\r\n",
                                              std::string(60000, '\n'),
                                              std::string(60000, '\r'),
                                              std::string(3000, '\0')};
  for (const std::string& original : originals) {
    for (const bool eight_bit : {false, true}) {
      const std::string content = eight_bit ? "X: \xe9\xff\r\n" + original : original;
      strict_report(make_report(facts(), content));
      ReportFacts simple = facts();
      simple.format = ReportFormat::kSimple;
      const Report report = make_report(simple, content);
      strict_lines(report.content);
      check_message_header(strict_entity(report.content), report);
    }
  }
}

TEST_CASE("a report can be delivered whatever the next hop said and the envelope held") {
  std::string all_bytes;
  for (int byte = 0; byte < 256; ++byte) all_bytes += static_cast<char>(byte);
  for (const std::string& text :
       {std::string("550-one\r\n550 two\r\n\r\n--boundary--\r\nTo: evil@example.com"), std::string(100000, 'x'),
        std::string(100000, ' '), std::string(5000, '\xc3'), all_bytes, std::string("<>()\"\\;,"),
        std::string("\r\n.\r\n"), std::string(800, 'a') + std::string(300, '\xe2') + "\x80\xa8"}) {
    ReportFacts given = facts();
    given.sender = given.envelope_id = text;
    given.recipients = {{text, text, text, text, text, 1, false}, {text, "rfc822;" + text, text, text, text, 1, true}};
    strict_report(make_report(given, kOriginal));
    given.format = ReportFormat::kSimple;
    strict_lines(make_report(given, kOriginal).content);
  }
}

TEST_CASE("a reply of several lines is one line for programs") {
  ReportFacts given = facts();
  given.recipients[0].reason = "550-5.7.1 one\r\n550 5.7.1 two";
  CHECK(strict_report(make_report(given, kOriginal)).status[1].at("Diagnostic-Code") ==
        "smtp; 550-5.7.1 one 550 5.7.1 two");
}

TEST_CASE("the boundary occurs in no part, even when the message is that same report") {
  Report report = make_report(facts(), kOriginal);
  for (int i = 0; i < 4; ++i) {
    const Report again = make_report(facts(), report.content);
    CHECK(strict_report(again).returned == report.content);
    report = again;
  }
}

TEST_CASE("the boundary does not occur in what the next hop said either") {
  const Report first = make_report(facts(), kOriginal);
  const size_t at = first.content.find("boundary=\"") + 10;
  ReportFacts given = facts();
  given.recipients[0].reason = first.content.substr(at, first.content.find('"', at) - at);
  strict_report(make_report(given, kOriginal));
}

TEST_CASE("8-bit content is declared") {
  const std::string original =
      "Subject: x\r\n\r\nGr\xc3\xbc\xc3\x9f"
      "e\r\n";
  const Report report = make_report(facts(), original);
  CHECK(report.eight_bit);
  CHECK_FALSE(report.smtputf8);
  const Parsed parsed = strict_report(report);
  CHECK(parsed.header.at("Content-Transfer-Encoding") == "8bit");
  CHECK(parsed.returned == original);
  CHECK_FALSE(make_report(facts(), kOriginal).eight_bit);
}

TEST_CASE("an internationalized message is reported by the types of RFC 6533") {
  ReportFacts given = facts();
  given.smtputf8 = true;
  given.sender =
      "\xc3\xbc"
      "nal@example.com";
  given.recipients[0].address =
      "b\xc3\xb6"
      "b@example.net";
  const Report report = make_report(given,
                                    "Subject: Gr\xc3\xbc\xc3\x9f"
                                    "e\r\n\r\nx\r\n");
  CHECK(report.smtputf8);
  const Parsed parsed = strict_report(report);
  CHECK(parsed.returned_type == "message/global");
  CHECK(parsed.status[1].at("Final-Recipient") == "utf-8; b\\x{F6}b@example.net");
  CHECK(has(parsed.people,
            "<b\xc3\xb6"
            "b@example.net>"));
}

TEST_CASE("a sender that no header can hold stays in the envelope, the null sender means postmaster") {
  ReportFacts given = facts();
  given.sender = "a, b@example.com";
  CHECK(strict_report(make_report(given, kOriginal)).header.at("To") == "undisclosed-recipients:;");
  given.sender = "\"a b\"@example.com";
  CHECK(strict_report(make_report(given, kOriginal)).header.at("To") == "<\"a b\"@example.com>");
  given.sender = "";
  CHECK(strict_report(make_report(given, kOriginal)).header.at("To") == "postmaster@relay.example");
}

TEST_CASE("the simple format is one plain text (row 52)") {
  ReportFacts given = facts();
  given.format = ReportFormat::kSimple;
  const Report report = make_report(given, kOriginal);
  const Entity message = strict_entity(report.content);
  check_message_header(message, report);
  CHECK(message.header.at("Content-Type") == "text/plain; charset=us-ascii");
  CHECK(has(message.body, "550 5.1.1 <bob@example.net>: no such user here"));
  CHECK(message.body.ends_with(kOriginal));
}

TEST_CASE("a message id that would spoil our header is not quoted") {
  for (const char* id : {"<a b@c>", "<a\r\n b@c>", "a@b", "<>", "<a\xff@b>", "<a(b@c>"}) {
    const std::string original = std::string("Message-ID: ") + id + "\r\n\r\nx\r\n";
    CHECK(strict_report(make_report(facts(), original)).header.count("In-Reply-To") == 0);
  }
}
