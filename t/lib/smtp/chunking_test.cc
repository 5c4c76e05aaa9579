// CHUNKING (RFC 3030): the server's session with BDAT.
#include <catch2/catch.hpp>

#include "t/lib/smtp/server_dialog.h"

using namespace hikyaku;
using namespace hikyaku::smtp;

namespace {

const std::string kToRcpt = "EHLO c\r\nMAIL FROM:<a@example.jp>\r\nRCPT TO:<b@example.com>\r\n";
const std::string kQueued = "250 2.0.0 Ok: queued as ID\r\n";

ServerDialog with_recipient(ServerOptions options = ServerDialog::relaying()) {
  ServerDialog dialog(options);
  REQUIRE(dialog.say(kToRcpt).ends_with("250 2.1.5 Ok\r\n"));
  return dialog;
}

std::string chunk(std::string_view bytes, bool last = false) {
  return "BDAT " + std::to_string(bytes.size()) + (last ? " LAST" : "") + "\r\n" + std::string(bytes);
}

}  // namespace

TEST_CASE("chunks become one message, and each has its answer") {
  ServerDialog dialog = with_recipient();
  CHECK(dialog.say(chunk("Subject: x\r\n\r\nab")) == "250 2.0.0 Ok: 16 octets received\r\n");
  CHECK(dialog.say(chunk("")) == "250 2.0.0 Ok: 0 octets received\r\n");
  CHECK(dialog.session.gathered() == 16);
  CHECK(dialog.session.holds_content());
  CHECK_FALSE(dialog.session.receiving_content());
  CHECK(dialog.say(chunk("c\r\n", true)) == kQueued);
  REQUIRE(dialog.messages.size() == 1);
  CHECK(dialog.messages[0] ==
        Deliver{{"a@example.jp", {Recipient{"b@example.com"}}}, "Subject: x\r\n\r\nabc\r\n", false, false, false});
  CHECK(dialog.session.gathered() == 0);
  CHECK(dialog.session.command_counts() == "ehlo=1 mail=1 rcpt=1 bdat=3 commands=6");
  CHECK(dialog.session.place() == "END-OF-MESSAGE");
}

TEST_CASE("the whole of a session with chunks may come at once") {
  ServerDialog dialog;
  const std::string replies =
      dialog.say(kToRcpt + chunk("a\r\n") + chunk("b\r\n", true) + "MAIL FROM:<>\r\nRCPT TO:<b@example.com>\r\n" +
                 chunk("QUIT\r\n.\r\nc", true) + "QUIT\r\n");
  CHECK(replies.ends_with("250 2.0.0 Ok: 3 octets received\r\n" + kQueued + "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n" +
                          kQueued + "221 2.0.0 Bye\r\n"));
  REQUIRE(dialog.messages.size() == 2);
  CHECK(dialog.messages[0].content == "a\r\nb\r\n");
  CHECK(dialog.messages[1].content == "QUIT\r\n.\r\nc");
  CHECK(dialog.messages[1].has_dot_line);
}

TEST_CASE("an empty message, and DATA and BDAT in one session") {
  ServerDialog dialog = with_recipient();
  CHECK(dialog.say("BDAT 0 LAST\r\n") == kQueued);
  dialog.say("MAIL FROM:<a@example.jp>\r\nRCPT TO:<b@example.com>\r\n");
  CHECK(dialog.say("DATA\r\nx\r\n.\r\n").ends_with(kQueued));
  dialog.say("MAIL FROM:<a@example.jp>\r\nRCPT TO:<b@example.com>\r\n");
  CHECK(dialog.say(chunk("y\r\n", true)) == kQueued);
  REQUIRE(dialog.messages.size() == 3);
  CHECK(dialog.messages[0].content.empty());
  CHECK(dialog.messages[1].content == "x\r\n");
  CHECK(dialog.messages[2].content == "y\r\n");
}

TEST_CASE("octets of chunks come out as those behind DATA do, but that dots are only dots") {
  const struct {
    std::string sent, content;
    bool dot_line;
  } rows[] = {
      {".", ".", true},
      {"..\r\n.\r\n", "..\r\n.\r\n", true},
      {"a.\r\nb", "a.\r\nb", false},
      {"a\r\n.b\r\n", "a\r\n.b\r\n", true},
      {"a\nb", "a\r\nb", false},
      {"a\n.\nb", "a\r\n.\r\nb", true},
      {"a\n.\r\nb", "a\r\n.\r\nb", true},
      {"a\r.\rb\r", "a . b ", false},
      {"a\r\r\n", "a \r\n", false},
      {"\r\n\r\n.", "\r\n\r\n.", true},
      {std::string("a\0b\r\n", 5), std::string("a\0b\r\n", 5), false},
  };
  for (const auto& row : rows)
    for (size_t first = 0; first <= row.sent.size(); ++first) {
      CAPTURE(row.sent, first);
      ServerDialog dialog = with_recipient();
      dialog.say(chunk(row.sent.substr(0, first)));
      CHECK(dialog.say(chunk(row.sent.substr(first), true)) == kQueued);
      REQUIRE(dialog.messages.size() == 1);
      CHECK(dialog.messages[0].content == row.content);
      CHECK(dialog.messages[0].has_dot_line == row.dot_line);
    }
}

TEST_CASE("a line of chunks that is too long is noticed, also when it begins with a dot or has no end") {
  for (const bool is_long : {false, true})
    for (const size_t first : {0, 1, 500, 998}) {
      CAPTURE(is_long, first);
      const std::string content = "." + std::string(is_long ? 998 : 997, 'x');
      ServerDialog dialog = with_recipient();
      dialog.say(chunk(content.substr(0, first)));
      CHECK(dialog.say(chunk(content.substr(first), true)) == kQueued);
      REQUIRE(dialog.messages.size() == 1);
      CHECK(dialog.messages[0].has_long_line == is_long);
    }
}

TEST_CASE("a chunk that nobody wanted is read, and answered behind its last octet") {
  ServerDialog dialog;
  dialog.say("EHLO c\r\n");
  CHECK(dialog.say("BDAT 6\r\nQUIT") == "");
  CHECK(dialog.session.place() == "BDAT (0 bytes)");
  CHECK(dialog.say("\r\nNOOP\r\n") == "503 5.5.1 Error: need RCPT command\r\n250 2.0.0 Ok\r\n");
  CHECK(dialog.session.gathered() == 0);

  // All recipients were refused.
  dialog.say("MAIL FROM:<a@example.jp>\r\n");
  CHECK(dialog.say(chunk("QUIT\r\n") + "NOOP\r\n") == "554 5.5.1 Error: no valid recipients\r\n250 2.0.0 Ok\r\n");
  CHECK(dialog.say("RCPT TO:<b@example.com>\r\n") == "503 5.5.1 Error: RCPT after BDAT\r\n");
  CHECK(dialog.say(chunk("QUIT\r\n", true)) == "554 5.5.1 Error: no valid recipients\r\n");
  // The last one ends the transaction.
  CHECK(dialog.say("MAIL FROM:<a@example.jp>\r\n") == "250 2.1.0 Ok\r\n");
  CHECK(dialog.messages.empty());
  CHECK(std::ranges::count(dialog.rejections, "BDAT", &Rejected::stage) == 3);
}

TEST_CASE("chunks beyond the size limit are refused, up to the last or to RSET") {
  const std::string half(600, 'x');
  ServerDialog dialog = with_recipient();
  CHECK(dialog.say(chunk(half)) == "250 2.0.0 Ok: 600 octets received\r\n");
  CHECK(dialog.say(chunk(half)) == "552 5.3.4 Error: message size exceeds fixed limit\r\n");
  CHECK(dialog.session.gathered() == 0);
  CHECK(dialog.say(chunk("a")) == "503 5.5.1 Error: BDAT after a chunk that was refused\r\n");
  CHECK(dialog.say(chunk("", true)) == "503 5.5.1 Error: BDAT after a chunk that was refused\r\n");
  CHECK(dialog.session.in_transaction() == false);

  dialog.say("MAIL FROM:<a@example.jp>\r\nRCPT TO:<b@example.com>\r\n");
  CHECK(dialog.say(chunk(half) + chunk(half, true)).ends_with("552 5.3.4 Error: message size exceeds fixed limit\r\n"));
  dialog.say("MAIL FROM:<a@example.jp>\r\nRCPT TO:<b@example.com>\r\n");
  dialog.say(chunk(half) + chunk(half) + "RSET\r\nMAIL FROM:<a@example.jp>\r\nRCPT TO:<b@example.com>\r\n");
  CHECK(dialog.say(chunk(half, true)) == kQueued);
  CHECK(dialog.messages.size() == 1);
}

TEST_CASE("RSET and EHLO forget the chunks so far") {
  for (const std::string command : {"RSET\r\n", "EHLO c\r\n"}) {
    ServerDialog dialog = with_recipient();
    dialog.say(chunk("lost\r\n") + command);
    CHECK(dialog.session.gathered() == 0);
    dialog.say("MAIL FROM:<a@example.jp>\r\nRCPT TO:<b@example.com>\r\n");
    CHECK(dialog.say(chunk("kept\r\n", true)) == kQueued);
    REQUIRE(dialog.messages.size() == 1);
    CHECK(dialog.messages[0].content == "kept\r\n");
  }
}

TEST_CASE("a bare newline in a chunk is refused where it is behind DATA") {
  ServerOptions options = ServerDialog::relaying();
  options.bare_newline = BareNewline::kReject;
  ServerDialog dialog = with_recipient(options);
  CHECK(dialog.say(chunk("a\r\nb")) == "250 2.0.0 Ok: 4 octets received\r\n");
  CHECK(dialog.say(chunk("\nc", true)) == "550 5.5.2 Error: bare <LF> received\r\n");
  CHECK(dialog.messages.empty());
}

TEST_CASE("a client that says BDAT without a count and talks on is hung up on") {
  for (const std::string command : {"BDAT x LAST", "BDAT 17\x01 LAST", "BDAT 17 LAST\r"}) {
    CAPTURE(command);
    ServerSession session(ServerDialog::relaying());
    std::vector<Action> out;
    session.receive(kToRcpt, out);
    out.clear();
    session.receive(command + "\r\nMAIL FROM:<c@example.jp>\r\n", out);
    CHECK(session.closed());
    CHECK(session.transactions() == 1);
    CHECK(std::ranges::any_of(out, [](const Action& action) {
      const auto* reply = std::get_if<SendReply>(&action);
      return reply && reply->bytes.starts_with("50") && reply->bytes.find("\r\n554 5.5.0") != std::string::npos;
    }));
  }
}

TEST_CASE("many small chunks are junk") {
  ServerOptions options = ServerDialog::relaying();
  options.junk_command_limit = 5;
  options.hard_error_limit = 3;
  ServerDialog dialog = with_recipient(options);
  for (int i = 0; i < 20 && !dialog.closed; ++i) dialog.say(chunk("x"));
  CHECK(dialog.closed);
  CHECK(dialog.replies.ends_with("421 4.7.0 mx.example.jp Error: too many errors\r\n"));
}

TEST_CASE("several pieces of a big message in chunks may come of one call") {
  ServerOptions options = ServerDialog::relaying();
  options.gather_limit = 200;
  std::string content, wire = kToRcpt;
  for (int i = 0; i < 9; ++i) {
    const std::string bytes(100, static_cast<char>('a' + i));
    content += bytes;
    wire += chunk(bytes, i == 8);
  }
  for (const size_t piece : {size_t{1}, size_t{64}, size_t{5000}}) {
    CAPTURE(piece);
    ServerSession session(options);
    std::vector<Action> out;
    for (std::string_view rest = wire; !rest.empty(); rest.remove_prefix(std::min(piece, rest.size())))
      session.receive(rest.substr(0, piece), out);
    std::string got;
    bool delivered = false;
    for (const Action& action : out) {
      if (const auto* begun = std::get_if<BigContent>(&action)) got += begun->bytes;
      if (const auto* more = std::get_if<ContentPiece>(&action)) got += more->bytes;
      if (const auto* deliver = std::get_if<Deliver>(&action))
        delivered = deliver->in_pieces && deliver->content.empty();
    }
    CHECK(delivered);
    CHECK(got == content);
  }
}

TEST_CASE("a big message of which chunks came is dropped once, by what ends it") {
  ServerOptions options = ServerDialog::relaying();
  options.gather_limit = 200;
  const std::string bytes(300, 'x');
  for (const std::string& end : {std::string("RSET\r\n"), std::string("HELO c\r\n"), chunk(std::string(900, 'y')),
                                 chunk(std::string(900, 'y')) + "RSET\r\n"}) {
    CAPTURE(end);
    ServerSession session(options);
    std::vector<Action> out;
    session.receive(kToRcpt + chunk(bytes) + end, out);
    CHECK(std::ranges::count_if(out, [](const Action& a) { return std::holds_alternative<BigContent>(a); }) == 1);
    CHECK(std::ranges::count_if(out, [](const Action& a) { return std::holds_alternative<ContentDropped>(a); }) == 1);
    CHECK(session.gathered() == 0);
  }
}
