// Log lines in Postfix's form: field names and order are what pflogsumm and fail2ban read (interface, section 4).
#include "log/event.h"

#include <catch2/catch.hpp>

using namespace hikyaku::log;
using hikyaku::queue::QueueId;

namespace {

constexpr QueueId kId{1'700'000'000'000'000};
const Peer kPeer{"client.example.com", "192.0.2.1"};
const std::string kHostile = "a\nNov 24 21:00:00 host postfix/smtpd[1]: \r\t\x1B[1m\x80\\";
const std::string kHostileShown = "a\\012Nov 24 21:00:00 host postfix/smtpd[1]: \\015\\011\\033[1m\\200\\134";

std::string text_of(const Event& event) {
  std::string out;
  print(event, out);
  return out;
}
std::string id_text() { return hikyaku::queue::to_text(kId); }

Attempt attempt() {
  return {.id = kId,
          .recipient = "user@example.net",
          .relay = "mx.example.net[192.0.2.2]:25",
          .before_queue = Seconds(0.02),
          .in_queue = Seconds(0.001),
          .connecting = Seconds(0.5),
          .transmitting = Seconds(0.84),
          .status_code = "2.0.0",
          .outcome = "sent",
          .reply = "250 2.0.0 Ok: queued as 4F2"};
}

// What stands for a time of an attempt that took `seconds` before it was queued.
std::string seconds_text(double seconds) {
  Attempt event = attempt();
  event.before_queue = Seconds(seconds);
  event.in_queue = event.connecting = event.transmitting = Seconds(0);
  const std::string line = text_of(event);
  const size_t start = line.find("delays=") + 7;
  const std::string shown = line.substr(start, line.find('/', start) - start);
  CHECK(line.find(", delay=" + shown + ", delays=" + shown + "/0/0/0, ") != std::string::npos);
  return shown;
}

}  // namespace

TEST_CASE("sessions are told as Postfix tells them") {
  CHECK(text_of(Connected{kPeer}) == "connect from client.example.com[192.0.2.1]");
  CHECK(text_of(Connected{{"unknown", "2001:db8::1"}}) == "connect from unknown[2001:db8::1]");
  CHECK(text_of(Disconnected{kPeer, "ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5"}) ==
        "disconnect from client.example.com[192.0.2.1] ehlo=1 mail=1 rcpt=1 data=1 quit=1 commands=5");
  CHECK(text_of(Disconnected{kPeer, ""}) == "disconnect from client.example.com[192.0.2.1]");
  CHECK(text_of(ConnectionLost{kPeer, "DATA (1234 bytes)", false}) ==
        "lost connection after DATA (1234 bytes) from client.example.com[192.0.2.1]");
  CHECK(text_of(Noted{"too many errors after RCPT", kPeer, ""}) ==
        "too many errors after RCPT from client.example.com[192.0.2.1]");
  CHECK(text_of(Noted{"non-SMTP command", kPeer, "GET / HTTP/1.1", true}) ==
        "warning: non-SMTP command from client.example.com[192.0.2.1]: GET / HTTP/1.1");
  CHECK(text_of(Noted{"non-SMTP command", kPeer, kHostile}).ends_with(": " + kHostileShown));
  CHECK(text_of(Noted{"non-SMTP command", kPeer, std::string(5000, 'x')}).size() < 200);
  CHECK(text_of(ConnectionLost{kPeer, "EHLO", true}) == "timeout after EHLO from client.example.com[192.0.2.1]");
}

TEST_CASE("a rejection names what was said so far, and the null sender is shown") {
  Rejected event{.stage = "RCPT",
                 .peer = kPeer,
                 .reply = "554 5.7.1 <user@example.net>: Relay access denied",
                 .sender = "",
                 .recipient = "user@example.net",
                 .has_sender = true,
                 .has_recipient = true,
                 .protocol = "ESMTP",
                 .helo = "client.example.com"};
  CHECK(text_of(event) ==
        "NOQUEUE: reject: RCPT from client.example.com[192.0.2.1]: 554 5.7.1 <user@example.net>: Relay access denied; "
        "from=<> to=<user@example.net> proto=ESMTP helo=<client.example.com>");
  event = {.stage = "CONNECT",
           .peer = kPeer,
           .reply = "421 4.7.0 no",
           .sender = "",
           .recipient = "",
           .protocol = "SMTP",
           .helo = ""};
  CHECK(text_of(event) == "NOQUEUE: reject: CONNECT from client.example.com[192.0.2.1]: 421 4.7.0 no; proto=SMTP");
}

TEST_CASE("a message's way is told under its id") {
  const std::string id = id_text();
  CHECK(id.size() >= 10);
  CHECK(text_of(ClientKnown{kId, kPeer, "", ""}) == id + ": client=client.example.com[192.0.2.1]");
  CHECK(text_of(ClientKnown{kId, kPeer, "PLAIN", "user"}) ==
        id + ": client=client.example.com[192.0.2.1], sasl_method=PLAIN, sasl_username=user");
  CHECK(text_of(MessageIdSeen{kId, "<1@example.com>"}) == id + ": message-id=<1@example.com>");
  CHECK(text_of(MessageIdSeen{kId, ""}) == id + ": message-id=<>");
  CHECK(text_of(QueueActive{kId, "from@example.com", 1234, 2}) ==
        id + ": from=<from@example.com>, size=1234, nrcpt=2 (queue active)");
  CHECK(text_of(QueueActive{kId, "", 0, 1}) == id + ": from=<>, size=0, nrcpt=1 (queue active)");
  CHECK(text_of(Removed{kId}) == id + ": removed");
  CHECK(text_of(ReportMade{kId, QueueId{kId.value + 1}}) ==
        id + ": sender non-delivery notification: " + hikyaku::queue::to_text({kId.value + 1}));
}

TEST_CASE("an attempt has Postfix's fields in Postfix's order") {
  const std::string id = id_text();
  CHECK(text_of(attempt()) == id + ": to=<user@example.net>, relay=mx.example.net[192.0.2.2]:25, delay=1.4, "
                                   "delays=0.02/0/0.5/0.84, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as 4F2)");
  Attempt again = attempt();
  again.connection_uses = 3;
  again.outcome = "deferred";
  again.status_code = "4.2.0";
  again.reply = "host mx.example.net[192.0.2.2] said: 450 4.2.0 later (in reply to RCPT TO command)";
  CHECK(text_of(again) ==
        id + ": to=<user@example.net>, relay=mx.example.net[192.0.2.2]:25, conn_use=3, delay=1.4, "
             "delays=0.02/0/0.5/0.84, dsn=4.2.0, status=deferred (host mx.example.net[192.0.2.2] said: 450 4.2.0 later "
             "(in reply to RCPT TO command))");
}

TEST_CASE("times have two significant digits, at most to 10 ms, and no trailing zeros") {
  struct Row {
    double seconds;
    const char* shown;
  };
  const Row rows[] = {{0, "0"},         {-3, "0"},     {0.001, "0"},    {0.0049, "0"}, {0.0051, "0.01"},
                      {0.01, "0.01"},   {0.1, "0.1"},  {0.123, "0.12"}, {0.999, "1"},  {1, "1"},
                      {1.04, "1"},      {1.26, "1.3"}, {9.94, "9.9"},   {9.96, "10"},  {10, "10"},
                      {10.4, "10"},     {20, "20"},    {99.6, "100"},   {100, "100"},  {86400, "86400"},
                      {1e7, "10000000"}};
  for (const Row& row : rows) {
    CAPTURE(row.seconds);
    CHECK(seconds_text(row.seconds) == row.shown);
  }
}

TEST_CASE("a stranger's text stays on its line, wherever it stands") {
  const Peer peer{kHostile, kHostile};
  Attempt hostile = attempt();
  hostile.recipient = hostile.reply = hostile.status_code = kHostile;
  hostile.relay = kHostile;
  const Event events[] = {Connected{peer},
                          Disconnected{peer, ""},
                          ConnectionLost{peer, "DATA", false},
                          Rejected{"RCPT", peer, kHostile, kHostile, kHostile, true, true, "ESMTP", kHostile},
                          ClientKnown{kId, peer, kHostile, kHostile},
                          MessageIdSeen{kId, kHostile},
                          QueueActive{kId, kHostile, 1, 1},
                          hostile};
  for (const Event& event : events) {
    CAPTURE(event.index());
    const std::string line = text_of(event);
    CHECK(line.find(kHostileShown) != std::string::npos);
    for (const char c : line) CHECK(static_cast<unsigned char>(c) - 0x20u < 0x5Fu);
  }
}

TEST_CASE("a line is appended to what is there") {
  std::string out = "before ";
  print(Connected{kPeer}, out);
  CHECK(out == "before connect from client.example.com[192.0.2.1]");
}

TEST_CASE("text in UTF-8 is logged as it is") {
  CHECK(text_of(QueueActive{kId, "j\xC3\xB6rg@example.com", 1, 1}) ==
        id_text() + ": from=<j\xC3\xB6rg@example.com>, size=1, nrcpt=1 (queue active)");
}
