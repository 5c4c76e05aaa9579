// The server's session and clients that go too far: its limits, and what it does about strangers.
#include <catch2/catch.hpp>

#include "smtp/server_session.h"
#include "t/lib/smtp/server_dialog.h"

using namespace hikyaku;
using namespace hikyaku::smtp;

namespace {

const std::string kFromMail = "MAIL FROM:<a@example.jp>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n";
const std::string kToMail = "EHLO c\r\nMAIL FROM:<a@example.jp>\r\n";
const std::string kToRcpt = kToMail + "RCPT TO:<b@example.com>\r\n";
const std::string kToData = kToRcpt + "DATA\r\n";

}  // namespace

TEST_CASE("a line above the limit is read to its end without being kept") {
  for (const size_t piece : {std::string_view::npos, size_t{1000}, size_t{1}}) {
    ServerDialog dialog;
    CHECK(dialog.say("EHLO c\r\nNOOP " + std::string(20000, 'x') + "\r\nNOOP\r\n", piece)
              .ends_with("CHUNKING\r\n500 5.5.2 Error: line too long\r\n250 2.0.0 Ok\r\n"));
  }
}

TEST_CASE("a browser or a TLS client is sent away before it can slip a command in") {
  for (const std::string first :
       {"GET / HTTP/1.1", "post / HTTP/1.1", "CONNECT mx:25 HTTP/1.0", "\x16\x03\x01", "{\"a\": 1}", "."}) {
    CAPTURE(first);
    ServerDialog dialog;
    CHECK(dialog.say(first + "\r\nEHLO c\r\nMAIL FROM:<a@example.jp>\r\n") ==
          "221 2.7.0 Error: this is a mail server, goodbye\r\n");
    CHECK(dialog.closed);
    CHECK_FALSE(dialog.session.in_transaction());
    CHECK(dialog.notes == std::vector<Noted>{{"non-SMTP command", first, true}});
    ServerDialog later;
    later.say(kToMail);
    CHECK(later.say(first + "\r\n") == "221 2.7.0 Error: this is a mail server, goodbye\r\n");
    CHECK(later.closed);
  }
}

TEST_CASE("whoever does not wait for the answer to the first hello is no mail client") {
  ServerOptions options = ServerDialog::relaying();
  options.forbid_blind_talk = true;
  for (const std::string start : {"EHLO c\r\n", "HELO c\r\n", "NOOP\r\n", "MAIL FROM:<a@example.jp>\r\n", "EHLO\r\n"}) {
    CAPTURE(start);
    ServerDialog dialog(options);
    CHECK(dialog.say(start + "MAIL FROM:<a@example.jp>\r\n") == "554 5.5.0 Error: SMTP protocol synchronization\r\n");
    CHECK(dialog.closed);
    CHECK(dialog.notes == std::vector<Noted>{{"improper command pipelining after " + start.substr(0, 4), ""}});
  }
  ServerDialog dialog(options);
  CHECK(dialog.say("EHLO c\r\n").ends_with("CHUNKING\r\n"));
  CHECK(last_line(dialog.say("MAIL FROM:<a@example.jp>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n")) ==
        "354 End data with <CR><LF>.<CR><LF>");
  CHECK(dialog.say("x\r\n.\r\nNOOP\r\nEHLO d\r\nNOOP\r\n").ends_with("250 2.0.0 Ok\r\n"));
  CHECK(dialog.notes.empty());
}

TEST_CASE("content behind a refused DATA is not run as commands") {
  ServerOptions options = ServerDialog::relaying();
  options.forbid_blind_talk = true;
  ServerDialog dialog(options);
  dialog.say("EHLO c\r\n");
  CHECK(
      dialog.say("MAIL FROM:<a@example.jp>\r\nRCPT TO:<b@>\r\nDATA\r\nRSET\r\nMAIL FROM:<evil@example.jp>\r\n") ==
      "250 2.1.0 Ok\r\n501 5.1.3 Bad recipient address syntax: empty domain\r\n554 5.5.1 Error: no valid recipients\r\n"
      "554 5.5.0 Error: SMTP protocol synchronization\r\n");
  CHECK(dialog.closed);
  ServerDialog eager(options);
  eager.say("EHLO c\r\n");
  CHECK(last_line(eager.say(kFromMail + "x\r\n.\r\n")) == "250 2.0.0 Ok: queued as ID");
}

TEST_CASE("recipients above the limit are put off") {
  ServerOptions options = ServerDialog::relaying();
  options.recipient_limit = 2;
  ServerDialog dialog(options);
  dialog.say(kToRcpt + "RCPT TO:<c@example.com>\r\n");
  CHECK(dialog.say("RCPT TO:<d@example.com>\r\n") == "452 4.5.3 Error: too many recipients\r\n");
  CHECK(dialog.session.transaction().recipients.size() == 2);
}

TEST_CASE("a thousand recipients too many are no error, more are (smtpd_recipient_overshoot_limit of Postfix)") {
  ServerOptions options = ServerDialog::relaying();
  options.recipient_limit = 1;
  options.hard_error_limit = 3;
  options.soft_error_limit = 100;
  ServerDialog dialog(options);
  dialog.say(kToRcpt);
  for (int i = 0; i < 1000; ++i) dialog.say("RCPT TO:<d@example.com>\r\n");
  CHECK_FALSE(dialog.closed);
  dialog.say("RCPT TO:<d@example.com>\r\nRCPT TO:<d@example.com>\r\n");
  CHECK_FALSE(dialog.closed);
  CHECK(dialog.say("RCPT TO:<d@example.com>\r\n") ==
        "452 4.5.3 Error: too many recipients\r\n421 4.7.0 mx.example.jp Error: too many errors\r\n");
}

TEST_CASE("a message above the size limit is refused at its end (C9)") {
  ServerDialog dialog;
  dialog.say(kToData);
  const std::string line = std::string(98, 'x') + "\r\n";
  for (int i = 0; i < 10; ++i) CHECK(dialog.say(line) == "");
  CHECK(dialog.say(line) == "");
  CHECK(dialog.say(".\r\n") == "552 5.3.4 Error: message size exceeds fixed limit\r\n");
  CHECK(dialog.messages.empty());
  CHECK(dialog.rejections.at(0).stage == "END-OF-MESSAGE");
  CHECK_FALSE(dialog.session.in_transaction());
  CHECK(dialog.session.command_counts() == "ehlo=1 mail=1 rcpt=1 data=0/1 commands=3/4");
}

TEST_CASE("bare newlines are taken, noted once, or refused") {
  const std::string message = kToData + "x\ny\r\n.\r\n";
  for (const BareNewline mode : {BareNewline::kAccept, BareNewline::kNote}) {
    ServerOptions options = ServerDialog::relaying();
    options.bare_newline = mode;
    ServerDialog dialog(options);
    CHECK(last_line(dialog.say(message)) == "250 2.0.0 Ok: queued as ID");
    CHECK(dialog.say("NOOP\n") == "250 2.0.0 Ok\r\n");
    const std::vector<Noted> once{{"bare <LF> received after END-OF-MESSAGE", ""}};
    CHECK(dialog.notes == (mode == BareNewline::kNote ? once : std::vector<Noted>()));
  }
  ServerOptions options = ServerDialog::relaying();
  options.bare_newline = BareNewline::kReject;
  ServerDialog dialog(options);
  CHECK(last_line(dialog.say(message)) == "550 5.5.2 Error: bare <LF> received");
  CHECK(dialog.messages.empty());
  CHECK(dialog.rejections.at(0).stage == "END-OF-MESSAGE");
  CHECK(dialog.say("NOOP\r\n") == "250 2.0.0 Ok\r\n");
  CHECK(dialog.say("NOOP\nNOOP\r\n") == "521 5.5.2 Error: bare <LF> received\r\n");
  CHECK(dialog.closed);
}

TEST_CASE("errors are delayed above the soft limit and end the session at the hard one") {
  ServerOptions options = ServerDialog::relaying();
  options.soft_error_limit = 2;
  options.hard_error_limit = 4;
  ServerDialog dialog(options);
  dialog.say("FOO\r\nFOO\r\n");
  CHECK(dialog.delays == 0);
  dialog.say("FOO\r\n");
  CHECK(dialog.delays == 1);
  CHECK(dialog.say("FOO\r\nNOOP\r\n") ==
        "500 5.5.2 Error: command not recognized\r\n421 4.7.0 mx.example.jp Error: too many errors\r\n");
  CHECK(dialog.closed);
}

TEST_CASE("the answer behind a delay comes with resume(), and what follows waits") {
  ServerOptions options = ServerDialog::relaying();
  options.soft_error_limit = 1;
  ServerDialog dialog(options);
  dialog.answers = false;
  CHECK(dialog.say("NOOP\r\nFOO\r\nFOO\r\nNOOP\r\n") == "250 2.0.0 Ok\r\n500 5.5.2 Error: command not recognized\r\n");
  std::vector<Action> out;
  dialog.session.resume(out);
  // All answers come late now, not only refusals.
  CHECK(out == std::vector<Action>{SendReply{"500 5.5.2 Error: command not recognized\r\n"}, Delay{}});
  out.clear();
  dialog.session.resume(out);
  CHECK(out == std::vector<Action>{SendReply{"250 2.0.0 Ok\r\n"}});
}

TEST_CASE("a client that made errors gets the answers to RCPT and DATA late, and a stored message ends that") {
  ServerOptions options = ServerDialog::relaying();
  options.soft_error_limit = 1;
  options.ask_recipient = true;
  ServerDialog dialog(options);
  dialog.say("EHLO c\r\nFOO\r\n");
  CHECK(dialog.delays == 0);
  dialog.say("MAIL FROM:<a@example.jp>\r\nRCPT TO:<b@example.com>\r\nDATA\r\nx\r\n.\r\n");
  CHECK(dialog.delays == 3);
  dialog.say("NOOP\r\n");
  CHECK(dialog.delays == 3);
}

TEST_CASE("a stored message forgives earlier errors") {
  ServerOptions options = ServerDialog::relaying();
  options.hard_error_limit = 2;
  ServerDialog dialog(options);
  dialog.say("FOO\r\n" + kToData + ".\r\nFOO\r\n");
  CHECK_FALSE(dialog.closed);
  dialog.say("FOO\r\n");
  CHECK(dialog.closed);
}

TEST_CASE("commands without mail are answered, but above the limit each one is an error too") {
  ServerOptions options = ServerDialog::relaying();
  options.junk_command_limit = 6;
  options.soft_error_limit = 1;
  options.hard_error_limit = 3;
  ServerDialog dialog(options);
  dialog.say("HELO c\r\nEHLO c\r\nNOOP\r\nVRFY x\r\nHELP\r\nRSET\r\n");
  CHECK(dialog.say("NOOP\r\n") == "250 2.0.0 Ok\r\n");
  CHECK(dialog.delays == 0);
  CHECK(dialog.say("RSET\r\n") == "250 2.0.0 Ok\r\n");
  CHECK(dialog.delays == 1);
  CHECK(dialog.say("NOOP\r\n") == "250 2.0.0 Ok\r\n421 4.7.0 mx.example.jp Error: too many errors\r\n");
  CHECK(dialog.closed);
  CHECK(dialog.notes == std::vector<Noted>{{"too many errors after NOOP", ""}});
}

TEST_CASE("a stored message forgives commands without mail") {
  ServerOptions options = ServerDialog::relaying();
  options.junk_command_limit = 2;
  options.hard_error_limit = 1;
  ServerDialog dialog(options);
  for (int i = 0; i < 5; ++i) dialog.say((i == 0 ? kToData : kFromMail) + ".\r\nNOOP\r\nRSET\r\n");
  CHECK_FALSE(dialog.closed);
}
