// The client's session: dialogs.
#include "smtp/client_session.h"

#include <catch2/catch.hpp>

#include "t/lib/smtp/client_dialog.h"

using namespace hikyaku;
using namespace hikyaku::smtp;

namespace {

const std::string kMail = "> MAIL FROM:<a@example.jp>\n";
const std::string kMailToData = kMail + "RCPT TO:<b@example.com>\nDATA\n";
const std::string kSent = "sent 250 2.0.0 Ok: queued as X\n";

}  // namespace

TEST_CASE("a message goes command by command where pipelining is not offered") {
  ClientDialog client;
  CHECK(client.say("220 mx ESMTP\r\n") == "> EHLO relay.example.jp\n");
  CHECK(client.say("250 mx\r\n") == "ready\n");
  CHECK(client.start(1, {"b@example.com", "c@example.com"}) == kMail);
  CHECK(client.say("250 2.1.0 Ok\r\n") == "> RCPT TO:<b@example.com>\n");
  CHECK(client.say("250 2.1.5 Ok\r\n") == "> RCPT TO:<c@example.com>\n");
  CHECK(client.say("250 2.1.5 Ok\r\n") == "> DATA\n");
  CHECK(client.say("354 Go\r\n") == "content 1\n");
  CHECK(client.session.stage() == Stage::kDataXfer);
  CHECK(client.content_sent() == "");
  CHECK(client.session.stage() == Stage::kDataDone);
  CHECK(client.say("250 2.0.0 Ok: queued as X\r\n") == "1 " + kSent + "1 " + kSent + "ready\n");
  CHECK(client.session.idle());
  CHECK(client.quit() == "> QUIT\n");
  CHECK(client.say("221 Bye\r\n") == "hangup\n");
}

TEST_CASE("with pipelining the envelope is one send, and the next one joins the end of the content (RFC 2920)") {
  ClientDialog client;
  client.greet("PIPELINING");
  CHECK(client.start(1) == kMailToData);
  CHECK(client.say("250 Ok\r\n250 Ok\r\n354 Go\r\n") == "content 1\nready\n");
  CHECK(client.start(2) == kMailToData);
  client.content_sent();
  CHECK(client.say("250 2.0.0 Ok: queued as X\r\n250 Ok\r\n250 Ok\r\n354 Go\r\n") ==
        "1 " + kSent + "content 2\nready\n");
  client.content_sent();
  CHECK(client.say("250 2.0.0 Ok: queued as X\r\n") == "2 " + kSent);
  CHECK(client.session.ready());
  CHECK(client.session.jobs_started() == 2);
}

TEST_CASE("a dialog goes the same way one byte at a time") {
  for (const size_t piece : {size_t{1}, size_t{2}, size_t{5}}) {
    ClientDialog client;
    CHECK(client.say("220-mx\r\n220 ESMTP\r\n", piece) == "> EHLO relay.example.jp\n");
    CHECK(client.say("250-mx\r\n250-PIPELINING\r\n250-SIZE 200\r\n250 8BITMIME\r\n", piece) == "ready\n");
    CHECK(client.session.offered_size() == 200);
    client.start(1);
    CHECK(client.say("250 Ok\r\n250-Ok\r\n250 Ok\r\n354 Go\r\n", piece) == "content 1\nready\n");
    client.content_sent();
    CHECK(client.say("250 2.0.0 Ok: queued as X\r\n", piece) == "1 " + kSent);
  }
}

TEST_CASE("pipelining can be switched off") {
  ClientDialog client(false);
  client.greet("PIPELINING");
  CHECK(client.start(1) == kMail);
}

TEST_CASE("MAIL has the parameters that the server offers and the content needs") {
  const struct {
    std::string keywords;
    bool eight_bit;
    std::string mail;
  } rows[] = {
      {"X", true, "> MAIL FROM:<a@example.jp>\n"},
      {"SIZE", false, "> MAIL FROM:<a@example.jp> SIZE=100\n"},
      {"size 0", false, "> MAIL FROM:<a@example.jp> SIZE=100\n"},
      {"SIZE 100", false, "> MAIL FROM:<a@example.jp> SIZE=100\n"},
      {"8BITMIME", false, "> MAIL FROM:<a@example.jp>\n"},
      {"8bitmime\nSIZE 1000", true, "> MAIL FROM:<a@example.jp> SIZE=100 BODY=8BITMIME\n"},
      {"SIZE 1000", true, "> MAIL FROM:<a@example.jp>\n"},  // what will be sent is longer
  };
  for (const auto& row : rows) {
    CAPTURE(row.keywords);
    ClientDialog client;
    client.greet(row.keywords);
    CHECK(client.start(1, {"b@example.com"}, 100, row.eight_bit) == row.mail);
  }
}

TEST_CASE("what the sender wants to be told goes on to a server that knows DSN, and only there (RFC 3461)") {
  Job job{
      .id = 1, .sender = "a@example.jp", .recipients = {}, .size = 9, .envelope_id = "q+2B1", .return_content = "HDRS"};
  job.recipients = {{"b@example.com", "rfc822;b+2B@example.com", kNotifySuccess | kNotifyDelay},
                    {"c@example.com", "", kNotifyNever},
                    {"d@example.com"}};
  ClientDialog knows;
  knows.greet("PIPELINING\ndsn");
  CHECK(knows.session.offers_dsn());
  CHECK(knows.start(job) ==
        "> MAIL FROM:<a@example.jp> RET=HDRS ENVID=q+2B1\n"
        "RCPT TO:<b@example.com> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;b+2B@example.com\n"
        "RCPT TO:<c@example.com> NOTIFY=NEVER\nRCPT TO:<d@example.com>\nDATA\n");
  ClientDialog does_not;
  does_not.greet("PIPELINING");
  CHECK_FALSE(does_not.session.offers_dsn());
  CHECK(
      does_not.start(job) ==
      "> MAIL FROM:<a@example.jp>\nRCPT TO:<b@example.com>\nRCPT TO:<c@example.com>\nRCPT TO:<d@example.com>\nDATA\n");
}

TEST_CASE("mail that needs SMTPUTF8 goes to a server that has it, and back from any other (RFC 6531)") {
  Job job{.id = 1, .sender = "\xC3\xBC@example.jp", .recipients = {}, .size = 9, .smtputf8 = true};
  job.recipients = {{"\xC3\xA4@example.com"}};
  ClientDialog has;
  has.greet("SMTPUTF8\n8BITMIME");
  CHECK(has.start(job) == "> MAIL FROM:<\xC3\xBC@example.jp> SMTPUTF8\n");
  ClientDialog has_not;
  has_not.greet("8BITMIME");
  CHECK(has_not.start(job) == "1 bounced SMTPUTF8 is required, but was not offered (server mx[192.0.2.1])\nready\n");
}

TEST_CASE("what the server cannot take is returned without being offered to it") {
  ClientDialog client;
  client.greet("SIZE 99");
  CHECK(client.start(1) == "1 bounced message size 100 exceeds size limit 99 (server mx[192.0.2.1])\nready\n");
  CHECK(client.start(2, {"b@example.com\r\nRSET"}, 1) ==
        "2 bounced control character in recipient address (server mx[192.0.2.1])\nready\n");
  CHECK(client.session.jobs_started() == 0);
  CHECK(client.start(3, {"b@example.com"}, 99) == "> MAIL FROM:<a@example.jp> SIZE=99\n");
}

TEST_CASE("a server without EHLO gets HELO") {
  ClientDialog client;
  client.say("220 mx\r\n");
  CHECK(client.say("502 What?\r\n") == "> HELO relay.example.jp\n");
  CHECK(client.say("250-mx\r\n250 PIPELINING\r\n") == "ready\n");
  CHECK_FALSE(client.session.offers_pipelining());
}

TEST_CASE("recipients have results of their own, in their order") {
  for (const bool pipelining : {true, false}) {
    CAPTURE(pipelining);
    ClientDialog client(pipelining);
    client.greet("PIPELINING");
    client.start(7, {"a@x.example", "b@x.example", "c@x.example", "d@x.example"});
    client.say("250 Ok\r\n250 Ok\r\n550 5.1.1 No b\r\n450 4.2.0 Busy\r\n250 Ok\r\n354 Go\r\n");
    client.content_sent();
    const std::string told = client.say("250 2.0.0 Ok: queued as X\r\n");
    CHECK(told.starts_with("7 " + kSent +
                           "7 bounced host mx[192.0.2.1] said: 550 5.1.1 No b (in reply to RCPT TO command)\n"
                           "7 deferred host mx[192.0.2.1] said: 450 4.2.0 Busy (in reply to RCPT TO command)\n"
                           "7 " +
                           kSent));
  }
}

TEST_CASE("552 behind accepted recipients is put off, for the sole one it is final") {
  ClientDialog client;
  client.greet("PIPELINING");
  client.start(1, {"a@x.example", "b@x.example"});
  client.say("250 Ok\r\n250 Ok\r\n552 5.5.3 Too many\r\n354 Go\r\n");
  client.content_sent();
  CHECK(client.say("250 Ok\r\n") ==
        "1 sent 250 Ok\n1 deferred host mx[192.0.2.1] said: 452 4.5.3 Too many (in reply to RCPT TO command)\n");
  ClientDialog other;
  other.greet("PIPELINING");
  other.start(1);
  CHECK(other.say("250 Ok\r\n552 5.2.2 Full\r\n").starts_with("1 bounced"));
}

TEST_CASE("354 after refused recipients gets an empty message, and the connection stays in use (RFC 2920)") {
  ClientDialog client;
  client.greet("PIPELINING");
  client.start(1);
  CHECK(client.say("250 Ok\r\n550 5.1.1 No\r\n") ==
        "1 bounced host mx[192.0.2.1] said: 550 5.1.1 No (in reply to RCPT TO command)\n");
  CHECK(client.say("354 Go\r\n") == "> .\nready\n");
  CHECK(client.start(2) == kMailToData);
  CHECK(client.say("554 No recipients\r\n250 Ok\r\n250 Ok\r\n354 Go\r\n") == "content 2\nready\n");
}

TEST_CASE("a transaction that came to nothing is reset before the next one") {
  ClientDialog client;
  client.greet("PIPELINING");
  client.start(1);
  CHECK(client.say("250 Ok\r\n550 5.1.1 No\r\n554 5.5.1 None\r\n").ends_with("> RSET\n"));
  CHECK(client.session.stage() == Stage::kRset);
  CHECK(client.say("250 Ok\r\n") == "ready\n");
  client.start(2);
  CHECK(client.say("550 5.7.1 Not you\r\n503 Need MAIL\r\n503 Need RCPT\r\n") ==
        "2 bounced host mx[192.0.2.1] said: 550 5.7.1 Not you (in reply to MAIL FROM command)\nready\n");
}

TEST_CASE("a reused connection that is gone before MAIL is answered gives the job back") {
  for (const bool by_reply : {false, true}) {
    ClientDialog client;
    client.greet("PIPELINING");
    client.start(1);
    client.say("250 Ok\r\n250 Ok\r\n354 Go\r\n");
    client.content_sent();
    client.say("250 Ok\r\n");
    client.start(2);
    CHECK((by_reply ? client.say("421 4.4.2 Idle\r\n") : client.lost()) == "returned 2\nhangup\n");
  }
}

TEST_CASE("a connection lost while two messages are under way leaves the first in doubt and gives the second back") {
  ClientDialog client;
  client.greet("PIPELINING");
  client.start(1);
  client.say("250 Ok\r\n250 Ok\r\n354 Go\r\n");
  client.content_sent();
  client.start(2);
  CHECK(
      client.lost() ==
      "1 deferred lost connection with mx[192.0.2.1] while sending end of data -- message may be sent more than once\n"
      "returned 2\nhangup\n");
}

TEST_CASE("421 to the end of the content gives the next job back") {
  ClientDialog client;
  client.greet("PIPELINING");
  client.start(1);
  client.say("250 Ok\r\n250 Ok\r\n354 Go\r\n");
  client.content_sent();
  client.start(2);
  CHECK(client.say("421 4.3.2 Down\r\n") ==
        "1 deferred host mx[192.0.2.1] said: 421 4.3.2 Down (in reply to end of DATA command)\nreturned 2\nhangup\n");
}

TEST_CASE("an answer before the content is sent ends the connection, and success is not believed") {
  for (const bool success : {false, true}) {
    ClientDialog client;
    client.greet("PIPELINING");
    client.start(1);
    client.say("250 Ok\r\n250 Ok\r\n354 Go\r\n");
    const std::string told = client.say(success ? "250 2.0.0 Ok\r\n" : "552 5.3.4 Too big\r\n");
    CHECK(told.starts_with(success ? "1 deferred " : "1 bounced "));
    CHECK(told.ends_with("hangup\n"));
  }
}

TEST_CASE("a server out of step never makes mail count as sent") {
  // One answer too many: 250 stands where 354 should.
  ClientDialog client;
  client.greet("PIPELINING");
  client.start(1);
  CHECK(client.say("250 Ok\r\n250 Ok\r\n250 Ok\r\n").starts_with("1 deferred "));
  CHECK(client.say("354 Go\r\n") == "hangup\n");
}

TEST_CASE("an idle connection that the server speaks on is closed") {
  ClientDialog client;
  client.greet("X");
  client.start(1);
  client.say("450 Later\r\n");
  REQUIRE(client.session.idle());
  CHECK(client.say("421 4.4.2 Idle\r\n") == "hangup\n");
  CHECK(client.session.closed());
  CHECK(client.lost() == "");
}

TEST_CASE("quit waits for what runs") {
  ClientDialog client;
  client.greet("PIPELINING");
  client.start(1);
  CHECK(client.quit() == "");
  CHECK(client.say("250 Ok\r\n250 Ok\r\n354 Go\r\n") == "content 1\n");
  client.content_sent();
  CHECK(client.say("250 Ok\r\n") == "1 sent 250 Ok\n> QUIT\n");
  CHECK(client.session.stage() == Stage::kQuit);
  CHECK(client.say("221 Bye\r\n") == "hangup\n");

  ClientDialog ending;
  ending.greet("PIPELINING");
  ending.start(1);
  ending.say("250 Ok\r\n250 Ok\r\n354 Go\r\n");
  ending.content_sent();
  CHECK(ending.quit() == "");
  CHECK(ending.say("250 Ok\r\n") == "1 sent 250 Ok\n> QUIT\n");
}

TEST_CASE("the caller is told whether the server takes content with octets above 127") {
  for (const bool offered : {false, true}) {
    ClientDialog dialog;
    dialog.greet(offered ? "8BITMIME" : "SIZE 1000");
    dialog.start(1, {"b@example.com"}, 100, true);
    dialog.say("250 ok\r\n250 ok\r\n");
    std::vector<ClientAction> out;
    dialog.session.receive("354 go\r\n", out);
    const auto content = std::ranges::find_if(
        out, [](const ClientAction& action) { return std::holds_alternative<SendContent>(action); });
    REQUIRE(content != out.end());
    CHECK(std::get<SendContent>(*content).takes_eight_bit == offered);
  }
}
