// The client's session as a table: every stage, every event.
#include <catch2/catch.hpp>

#include "t/lib/smtp/client_dialog.h"

using namespace hikyaku;
using namespace hikyaku::smtp;

namespace {

struct StageRow {
  Stage stage;
  std::string_view go_there;  // what the server said so far, behind "start" once it is ready
  std::string_view command;   // "(in reply to …)"
  std::string_view doing;     // "while …"
};

// One recipient, no pipelining: each stage waits for one reply.
constexpr StageRow kStages[] = {
    {Stage::kMail, "", "MAIL FROM command", "sending MAIL FROM"},
    {Stage::kRcpt, "250 Ok\r\n", "RCPT TO command", "sending RCPT TO"},
    {Stage::kDataInit, "250 Ok\r\n250 Ok\r\n", "DATA command", "sending DATA command"},
    {Stage::kDataDone, "250 Ok\r\n250 Ok\r\n354 Go\r\n", "end of DATA command", "sending end of data"},
};

ClientDialog at(const StageRow& row) {
  ClientDialog client;
  client.greet("X");
  client.start(1);
  client.say(row.go_there);
  client.content_sent();
  REQUIRE(client.session.stage() == row.stage);
  return client;
}

std::string said(const StageRow& row, std::string_view outcome, std::string_view reply) {
  return "1 " + std::string(outcome) + " host mx[192.0.2.1] said: " + std::string(reply) + " (in reply to " +
         std::string(row.command) + ")\n";
}

}  // namespace

TEST_CASE("a refusal, a lost connection, a time-out and nonsense have their result at every stage of a message") {
  for (const StageRow& row : kStages) {
    CAPTURE(row.command);
    const bool last = row.stage == Stage::kDataDone;
    // RSET where the server holds a transaction: MAIL was accepted and no end of data closed it.
    const std::string then = row.stage == Stage::kMail || last ? "ready\n" : "> RSET\n";
    const std::string doubt = last ? " -- message may be sent more than once" : "";
    const std::string doing = std::string(row.doing);

    CHECK(at(row).say("450 4.2.0 Later\r\n") == said(row, "deferred", "450 4.2.0 Later") + then);
    CHECK(at(row).say("550 5.7.1 Never\r\n") == said(row, "bounced", "550 5.7.1 Never") + then);
    CHECK(at(row).say("421 4.3.2 Down\r\n") == said(row, "deferred", "421 4.3.2 Down") + "hangup\n");
    CHECK(at(row).lost() == "1 deferred lost connection with mx[192.0.2.1] while " + doing + doubt + "\nhangup\n");
    CHECK(at(row).timed_out() ==
          "1 deferred conversation with mx[192.0.2.1] timed out while " + doing + doubt + "\nhangup\n");
    CHECK(at(row).say("nonsense\r\n") == "1 deferred host mx[192.0.2.1] sent an answer out of place while " + doing +
                                             ": nonsense" + doubt + "\nhangup\n");

    const std::string positive = at(row).say("250 2.0.0 Ok\r\n");
    if (last) {
      CHECK(positive == "1 sent 250 2.0.0 Ok\nready\n");
    } else if (row.stage == Stage::kDataInit) {
      CHECK(
          positive.starts_with("1 deferred host mx[192.0.2.1] sent an answer out of place while sending DATA command"));
    } else {
      CHECK(positive.starts_with("> "));
    }
    if (row.stage != Stage::kDataInit) CHECK(at(row).say("354 Go\r\n").find("1 sent") == std::string::npos);
  }
}

TEST_CASE("before a message everything that fails is the host's failure, and temporary") {
  const struct {
    Stage stage;
    std::string said, verb, asked, doing;
  } rows[] = {
      {Stage::kGreeting, "", "refused to talk to me: ", "", "receiving the initial server greeting"},
      {Stage::kEhlo, "220 mx\r\n", "said: ", " (in reply to EHLO command)", "performing the EHLO handshake"},
      {Stage::kHelo, "220 mx\r\n502 No EHLO\r\n", "said: ", " (in reply to HELO command)",
       "performing the HELO handshake"},
      {Stage::kIdle, "220 mx\r\n250 mx\r\n", "refused to talk to me: ", "", "waiting for mail"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.said);
    const auto there = [&] {
      ClientDialog client;
      client.say(row.said);
      REQUIRE(client.session.stage() == row.stage);
      return client;
    };
    CHECK(there().say("450 Later\r\n") ==
          "host deferred host mx[192.0.2.1] " + row.verb + "450 Later" + row.asked + "\n> QUIT\nhangup\n");
    CHECK(there().say("421 Down\r\n") ==
          "host deferred host mx[192.0.2.1] " + row.verb + "421 Down" + row.asked + "\nhangup\n");
    CHECK(there().lost() == "host deferred lost connection with mx[192.0.2.1] while " + row.doing + "\nhangup\n");
    CHECK(there().timed_out() ==
          "host deferred conversation with mx[192.0.2.1] timed out while " + row.doing + "\nhangup\n");
    CHECK(there().say("SSH-2.0-x\r\n") ==
          "host deferred host mx[192.0.2.1] sent an answer out of place while " + row.doing + ": SSH-2.0-x\nhangup\n");
    if (row.stage != Stage::kEhlo)
      CHECK(there().say("554 Never\r\n") ==
            "host deferred host mx[192.0.2.1] " + row.verb + "554 Never" + row.asked + "\n> QUIT\nhangup\n");
  }
}

TEST_CASE("an end right behind the answer to EHLO is the host's failure, also when both are read at once") {
  const struct {
    std::string behind, told;
  } rows[] = {
      {"421 4.3.2 too busy\r\n", "refused to talk to me: 421 4.3.2 too busy\n"},
      {"250 unasked\r\n", "sent an answer out of place while waiting for mail: 250 unasked\n"},
      {"nonsense\r\n", "sent an answer out of place while waiting for mail: nonsense\n"},
  };
  for (const auto& row : rows) {
    for (const size_t piece : {std::string::npos, size_t{1}}) {
      CAPTURE(row.behind, piece);
      ClientDialog client;
      client.say("220 mx\r\n");
      CHECK(client.say("250-mx\r\n250 PIPELINING\r\n" + row.behind, piece) ==
            "ready\nhost deferred host mx[192.0.2.1] " + row.told + "hangup\n");
      CHECK_FALSE(client.session.ready());
    }
  }
}

TEST_CASE("a reply counts when it is complete, so that one without an end gains no time") {
  for (const StageRow& row : kStages) {
    CAPTURE(row.command);
    ClientDialog client = at(row);
    const uint64_t before = client.session.replies();
    for (int i = 0; i < 3; ++i) CHECK(client.say("250-still here\r\n") == "");
    CHECK(client.session.replies() == before);
    CHECK(client.session.stage() == row.stage);
    client.say("250 Ok\r\n");
    CHECK(client.session.replies() == before + 1);
  }
}

TEST_CASE("a connection that never stood is the host's failure") {
  std::vector<ClientAction> out;
  ClientSession session({"relay.example.jp", true});
  CHECK(session.stage() == Stage::kConnect);
  session.timed_out(out);
  CHECK(ClientDialog::told(out) ==
        "host deferred conversation with mx[192.0.2.1] timed out while connecting\nhangup\n");
}

TEST_CASE("what happens to RSET and QUIT ends the connection and touches no job") {
  const auto in_rset = [] {
    ClientDialog client;
    client.greet("X");
    client.start(1);
    client.say("250 Ok\r\n550 No\r\n");
    REQUIRE(client.session.stage() == Stage::kRset);
    return client;
  };
  const auto in_quit = [] {
    ClientDialog client;
    client.greet("X");
    client.quit();
    REQUIRE(client.session.stage() == Stage::kQuit);
    return client;
  };
  CHECK(in_rset().say("250 Ok\r\n") == "ready\n");
  for (const char* reply : {"450 x\r\n", "550 x\r\n", "421 x\r\n", "354 x\r\n", "nonsense\r\n"}) {
    CHECK(in_rset().say(reply) == "hangup\n");
    CHECK(in_quit().say(reply) == "hangup\n");
  }
  CHECK(in_quit().say("221 Bye\r\n") == "hangup\n");
  CHECK(in_rset().lost() == "hangup\n");
  CHECK(in_rset().timed_out() == "hangup\n");
  CHECK(in_quit().lost() == "hangup\n");
  CHECK(in_quit().timed_out() == "hangup\n");
}

TEST_CASE("content that was not sent to its end leaves no doubt") {
  ClientDialog client;
  client.greet("X");
  client.start(1);
  client.say("250 Ok\r\n250 Ok\r\n354 Go\r\n");
  CHECK(client.session.stage() == Stage::kDataXfer);
  CHECK(client.lost() == "1 deferred lost connection with mx[192.0.2.1] while sending message body\nhangup\n");
}
