// mailq's layout, JSON lines and the parts of a message.
#include "ctl/queue_listing.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <string>

using namespace hikyaku;
using ctl::ContentParts;
using ctl::Listing;
using ctl::unread_line;
using ctl::unread_lines;

namespace {

std::string fixed_time(int64_t) { return "Tue Nov 24 22:21:47"; }

ipc::QueueEntry entry() {
  ipc::QueueEntry one;
  one.id = {1732486907000000};
  one.queue_name = "deferred";
  one.arrival = 1732486907;
  one.size = 1536;
  one.sender = "ann@origin.test";
  one.attempts = 2;
  one.next_attempt = 1732487000;
  one.expires = 1732573307;
  one.recipients = {{"bob@dest.test", "450 4.2.0 busy"}};
  return one;
}

}  // namespace

TEST_CASE("the listing looks as people know it") {
  Listing listing(fixed_time);
  const std::string id = queue::to_text(entry().id);
  CHECK(listing.entry(entry()) == "-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------\n" + id +
                                      "     1536 Tue Nov 24 22:21:47  ann@origin.test\n" + std::string(76 - 14, ' ') +
                                      "(450 4.2.0 busy)\n" + std::string(42, ' ') + "bob@dest.test\n\n");
  CHECK(listing.end() == "-- 1 Kbytes in 1 Request.\n");
}

TEST_CASE("active mail has a star, held mail an exclamation mark") {
  for (const auto& [name, mark] : {std::pair{"active", "*"}, std::pair{"hold", "!"}, std::pair{"deferred", " "}}) {
    auto one = entry();
    one.queue_name = name;
    CHECK_THAT(Listing(fixed_time).entry(one), Catch::Contains(queue::to_text(one.id) + mark + " "));
  }
}

TEST_CASE("an empty queue is said to be empty") { CHECK(Listing(fixed_time).end() == "Mail queue is empty\n"); }

TEST_CASE("a queue of which nothing could be read is not said to be empty") {
  CHECK(Listing(fixed_time).end(false) == "-- 0 Kbytes in 0 Requests.\n");
}

TEST_CASE("what could not be read is counted, the first are named, and no text steers the terminal") {
  CHECK(unread_lines({}).empty());
  CHECK(unread_lines({1, {"message A: \x1b[2J"}, "", false}) ==
        std::vector<std::string>{"1 message could not be read", "  message A: \\033[2J"});
  CHECK(unread_lines({0, {}, "index: gone", true}) ==
        std::vector<std::string>{"part of the queue could not be read: index: gone"});
  // More than qmgr ever sends.
  const auto lines = unread_lines({300, std::vector<std::string>(200, "message B"), "index: gone", true});
  REQUIRE(lines.size() == 1 + ipc::Unread::kMostNamed + 2);
  CHECK(lines[0] == "300 messages could not be read");
  CHECK(lines[ipc::Unread::kMostNamed + 1] == "  and 290 more");
  CHECK(unread_line({1, {"message \xff"}, "", false}) ==
        "{\"unreadable\":{\"messages\":1,\"first\":[\"message \ufffd\"],\"part\":\"\"}}");
}

TEST_CASE("the heading comes once and the total counts all") {
  Listing listing(fixed_time);
  listing.entry(entry());
  CHECK_THAT(listing.entry(entry()), !Catch::Contains("-Queue ID-"));
  CHECK(listing.end() == "-- 3 Kbytes in 2 Requests.\n");
}

TEST_CASE("a reason that recipients share is told once") {
  auto one = entry();
  one.recipients = {{"a@d", "busy"}, {"b@d", "busy"}, {"c@d", "full"}, {"d@d", ""}};
  const std::string text = Listing(fixed_time).entry(one);
  CHECK(text.find("(busy)") == text.rfind("(busy)"));
  CHECK(text.find("(busy)") < text.find("a@d"));
  CHECK(text.find("b@d") < text.find("(full)"));
  CHECK(text.find("()") == std::string::npos);
}

TEST_CASE("why a message is held stands before its recipients, and where there is no reason nothing does") {
  auto one = entry();
  one.queue_name = "hold";
  CHECK_THAT(Listing(fixed_time).entry(one), !Catch::Contains("held"));
  CHECK_FALSE(nlohmann::json::parse(ctl::json_line(one)).contains("hold_reason"));
  one.hold_reason = "its delivery ended smtp-client three times";
  const std::string text = Listing(fixed_time).entry(one);
  CHECK(text.find("(held: its delivery ended smtp-client three times)\n") < text.find("(450 4.2.0 busy)"));
  CHECK(nlohmann::json::parse(ctl::json_line(one))["hold_reason"] == one.hold_reason);
  CHECK_THAT(ctl::envelope_text(one, {}, fixed_time), Catch::Contains("named_attribute: hold_reason=its delivery"));
}

TEST_CASE("the null sender is shown as MAILER-DAEMON") {
  auto one = entry();
  one.sender.clear();
  CHECK_THAT(Listing(fixed_time).entry(one), Catch::Contains(" MAILER-DAEMON\n"));
  CHECK(nlohmann::json::parse(ctl::json_line(one))["sender"] == "MAILER-DAEMON");
}

TEST_CASE("a stranger's text cannot steer the terminal") {
  auto one = entry();
  one.recipients = {{"a\x1b[2J@d", "no\nway\x07"}};
  const std::string text = Listing(fixed_time).entry(one);
  CHECK(text.find('\x1b') == std::string::npos);
  CHECK(text.find('\x07') == std::string::npos);
  CHECK_THAT(text, Catch::Contains("(no\\012way\\007)"));
}

TEST_CASE("a JSON line has the members that scripts read") {
  const auto json = nlohmann::json::parse(ctl::json_line(entry()));
  CHECK(json == nlohmann::json{{"queue_name", "deferred"},
                               {"queue_id", queue::to_text(entry().id)},
                               {"arrival_time", 1732486907},
                               {"message_size", 1536},
                               {"sender", "ann@origin.test"},
                               {"recipients", {{{"address", "bob@dest.test"}, {"delay_reason", "450 4.2.0 busy"}}}},
                               {"attempts", 2},
                               {"next_attempt", 1732487000},
                               {"expires", 1732573307}});
}

TEST_CASE("a JSON line is one line of UTF-8 whatever the text holds") {
  auto one = entry();
  one.sender = "a\xff\n@d";
  const std::string line = ctl::json_line(one);
  CHECK(line.find('\n') == std::string::npos);
  CHECK(nlohmann::json::parse(line)["sender"] == "a\xef\xbf\xbd\n@d");
}

TEST_CASE("the envelope shows sender, recipients and reasons") {
  queue::Envelope envelope;
  envelope.sender = "ann@origin.test";
  envelope.recipients = {{"bob@dest.test", "rfc822;b", 0}};
  envelope.client_address = "192.0.2.1";
  const std::string text = ctl::envelope_text(entry(), envelope, fixed_time);
  CHECK_THAT(text, Catch::StartsWith("*** ENVELOPE RECORDS deferred/" + queue::to_text(entry().id) + " ***\n"));
  for (const char* line : {"message_size: 1536\n", "sender: ann@origin.test\n", "recipient: bob@dest.test\n",
                           "original_recipient: rfc822;b\n", "named_attribute: client_address=192.0.2.1\n",
                           "delay_reason: <bob@dest.test>: 450 4.2.0 busy\n"})
    CHECK_THAT(text, Catch::Contains(line));
}

TEST_CASE("header and body are told apart, with LF line ends, however the bytes come") {
  const std::string content = "Subject: x\r\nTo: y\r\n\r\nbody\r\n\r\n.dot\rbare\r\n\r";
  const std::string header = "Subject: x\nTo: y\n\n", body = "body\n\n.dot\rbare\n\r";
  struct Row {
    bool header, body;
    std::string shown;
  };
  for (const Row& row : {Row{true, true, header + body}, Row{true, false, header}, Row{false, true, body}}) {
    ContentParts whole(row.header, row.body), single(row.header, row.body);
    std::string at_once = whole.receive(content), by_bytes;
    at_once += whole.end();
    for (const char c : content) by_bytes += single.receive({&c, 1});
    by_bytes += single.end();
    CHECK(at_once == row.shown);
    CHECK(by_bytes == row.shown);
  }
}

TEST_CASE("a message without a body has only a header") {
  ContentParts body(false, true);
  CHECK(body.receive("Subject: x\r\n") == "");
  ContentParts empty_header(false, true);
  CHECK(empty_header.receive("\r\nbody\r\n") == "body\n");
}
