// The server's session: dialogs.
#include "smtp/server_session.h"

#include <catch2/catch.hpp>

#include "t/lib/smtp/server_dialog.h"

using namespace hikyaku;
using namespace hikyaku::smtp;

namespace {

constexpr std::string_view kWholeDialog =
    "EHLO client.example\r\n"
    "MAIL FROM:<a@example.jp> SIZE=10 BODY=8BITMIME\r\n"
    "RCPT TO:<b@example.com>\r\n"
    "RCPT TO:<c@example.com>\r\n"
    "DATA\r\n"
    "Subject: x\r\n\r\n..dot\r\n.\r\n"
    "MAIL FROM:<>\r\nRCPT TO:<Postmaster>\r\nDATA\r\n.\r\n"
    "QUIT\r\n";

constexpr std::string_view kWholeReplies =
    "250-mx.example.jp\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n"
    "250-DSN\r\n250-SMTPUTF8\r\n250 CHUNKING\r\n"
    "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n250 2.1.5 Ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n"
    "250 2.0.0 Ok: queued as ID\r\n"
    "250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n354 End data with <CR><LF>.<CR><LF>\r\n250 2.0.0 Ok: queued as ID\r\n"
    "221 2.0.0 Bye\r\n";

const std::string kToMail = "EHLO c\r\nMAIL FROM:<a@example.jp>\r\n";
const std::string kToRcpt = kToMail + "RCPT TO:<b@example.com>\r\n";
const std::string kToData = kToRcpt + "DATA\r\n";

}  // namespace

TEST_CASE("a whole dialog gives the same replies and messages whatever its split") {
  for (const size_t piece : {std::string_view::npos, size_t{1}, size_t{2}, size_t{3}, size_t{17}, size_t{100}}) {
    CAPTURE(piece);
    ServerDialog dialog;
    CHECK(dialog.greeting() == "220 mx.example.jp ESMTP\r\n");
    CHECK(dialog.say(kWholeDialog, piece) == kWholeReplies);
    CHECK(dialog.closed);
    REQUIRE(dialog.messages.size() == 2);
    CHECK(dialog.messages[0] ==
          Deliver{{"a@example.jp", {Recipient{"b@example.com"}, Recipient{"c@example.com"}}, 10, true},
                  "Subject: x\r\n\r\n.dot\r\n",
                  true,
                  false});
    CHECK(dialog.messages[1] == Deliver{{"", {Recipient{"Postmaster"}}}, "", false, false});
    CHECK(dialog.session.command_counts() == "ehlo=1 mail=2 rcpt=3 data=2 quit=1 commands=9");
    CHECK(dialog.session.transactions() == 2);
    CHECK(dialog.rejections.empty());
  }
}

TEST_CASE("replies to pipelined commands go out in one piece (RFC 2920)") {
  ServerDialog dialog;
  dialog.say("EHLO c\r\n");
  dialog.sends = 0;
  dialog.say("MAIL FROM:<a@example.jp>\r\nRCPT TO:<b@example.com>\r\nRCPT TO:<c@example.com>\r\nDATA\r\n");
  CHECK(dialog.sends == 1);
}

TEST_CASE("commands are read without case, with spaces and bare line feeds") {
  ServerDialog dialog;
  CHECK(last_line(dialog.say("ehlo  client \r\n")) == "250 CHUNKING");
  CHECK(dialog.session.helo() == "client");
  CHECK(dialog.say("  mail  from: <a@example.jp>  size=3 \r\n") == "250 2.1.0 Ok\r\n");
  CHECK(dialog.say("Rcpt\tTo:<b@example.com>\n") == "250 2.1.5 Ok\r\n");
  CHECK(dialog.say("noop whatever\r\n") == "250 2.0.0 Ok\r\n");
  CHECK(dialog.say("rset\r\n") == "250 2.0.0 Ok\r\n");
  CHECK_FALSE(dialog.session.in_transaction());
}

TEST_CASE("what the sender wants to be told is kept as it came (RFC 3461)") {
  ServerDialog dialog;
  dialog.say("EHLO c\r\nMAIL FROM:<a@example.jp> ret=hdrs envid=QQ+2B1\r\n");
  dialog.say("RCPT TO:<b@example.com> NOTIFY=success,FAILURE ORCPT=rfc822;B+2B@example.com\r\n");
  dialog.say("RCPT TO:<c@example.com> NOTIFY=NEVER\r\nRCPT TO:<d@example.com>\r\n");
  const Transaction& transaction = dialog.session.transaction();
  CHECK(transaction.envelope_id == "QQ+2B1");
  CHECK(transaction.return_content == "HDRS");
  CHECK(transaction.recipients ==
        std::vector<Recipient>{{"b@example.com", "rfc822;B+2B@example.com", kNotifySuccess | kNotifyFailure},
                               {"c@example.com", "", kNotifyNever},
                               {"d@example.com"}});
  // Of this message, and of no other.
  dialog.say("RSET\r\nMAIL FROM:<a@example.jp>\r\n");
  CHECK(transaction == Transaction{"a@example.jp", {}});
}

TEST_CASE("with SMTPUTF8 a message may have recipients beyond ASCII (RFC 6531)") {
  ServerDialog dialog;
  dialog.say("EHLO c\r\nMAIL FROM:<a@example.jp> SMTPUTF8\r\n");
  CHECK(dialog.say("RCPT TO:<\xC3\xBC@example.jp> ORCPT=utf-8;\xC3\xBC@example.jp\r\n") == "250 2.1.5 Ok\r\n");
  CHECK(dialog.session.transaction().smtputf8);
  CHECK(dialog.session.transaction().recipients ==
        std::vector<Recipient>{{"\xC3\xBC@example.jp", "utf-8;\\x{FC}@example.jp"}});
  dialog.say("RSET\r\nMAIL FROM:<a@example.jp>\r\n");
  CHECK_FALSE(dialog.session.transaction().smtputf8);
}

TEST_CASE("HELO is answered without keywords") {
  ServerDialog dialog;
  CHECK(dialog.say("HELO client\r\n") == "250 mx.example.jp\r\n");
  CHECK_FALSE(dialog.session.esmtp());
}

TEST_CASE("bad arguments are refused with the code that names them") {
  const struct {
    std::string before, command, reply;
  } rows[] = {
      {"", "EHLO", "501 Syntax: EHLO hostname"},
      {"", "HELO", "501 Syntax: HELO hostname"},
      {"", "EHLO ex\xE4mple", "501 Syntax: EHLO hostname"},
      {"EHLO c\r\n", "MAIL", "501 5.5.4 Syntax: MAIL FROM:<address>"},
      {"EHLO c\r\n", "MAIL TO:<a@example.jp>", "501 5.5.4 Syntax: MAIL FROM:<address>"},
      {"EHLO c\r\n", "MAIL FROM:<a@>", "501 5.1.7 Bad sender address syntax: empty domain"},
      {"EHLO c\r\n", "MAIL FROM:", "501 5.1.7 Bad sender address syntax: missing address"},
      {"EHLO c\r\n", "MAIL FROM:<a@example.jp> SIZE=x", "501 5.5.4 Bad message size syntax"},
      {"EHLO c\r\n", "MAIL FROM:<a@example.jp> SIZE", "501 5.5.4 Bad message size syntax"},
      {"EHLO c\r\n", "MAIL FROM:<a@example.jp> SIZE=-1", "501 5.5.4 Bad message size syntax"},
      {"EHLO c\r\n", "MAIL FROM:<a@example.jp> SIZE=99999999999999999999",
       "552 5.3.4 Message size exceeds fixed limit"},
      {"EHLO c\r\n", "MAIL FROM:<a@example.jp> SIZE=000000000000000000001", "501 5.5.4 Bad message size syntax"},
      {"EHLO c\r\n", "MAIL FROM:<a@example.jp> SIZE=+1", "501 5.5.4 Bad message size syntax"},
      {"EHLO c\r\n", "MAIL FROM:<a@example.jp> SIZE=1 SIZE=1", "501 5.5.4 Duplicate SIZE"},
      {"EHLO c\r\n", "MAIL FROM:<a@example.jp> BODY=7BIT body=8BITMIME", "501 5.5.4 Duplicate BODY"},
      {"EHLO c\r\n", "MAIL FROM:<a@example.jp> BODY", "501 5.5.4 Unknown BODY type"},
      {"EHLO c\r\n", "MAIL FROM:<a@example.jp> X=\xE9", "555 5.5.4 Unsupported option: X=?"},
      {"EHLO c\r\n", "MAIL FROM:<a@example.jp> <c@example.jp>", "555 5.5.4 Unsupported option: <c@example.jp>"},
      {"EHLO c\r\n", "MAIL FROM:<a@example.jp>SIZE=1",
       "501 5.1.7 Bad sender address syntax: text directly behind the address"},
      {"EHLO c\r\n", "MAIL FROM:<a@example.jp> SIZE=1001", "552 5.3.4 Message size exceeds fixed limit"},
      {"EHLO c\r\n", "MAIL FROM:<a@example.jp> SIZE=1000", "250 2.1.0 Ok"},
      {"EHLO c\r\n", "MAIL FROM:<a@example.jp> BODY=BINARYMIME", "501 5.5.4 Unknown BODY type"},
      {"EHLO c\r\n", "MAIL FROM:<a@example.jp> BODY=7bit", "250 2.1.0 Ok"},
      {"EHLO c\r\n", "MAIL FROM:<a@example.jp> AUTH=<>", "555 5.5.4 Unsupported option: AUTH=<>"},
      {"EHLO c\r\n", "MAIL FROM:<a@example.jp> SMTPUTF8=1", "555 5.5.4 Unsupported option: SMTPUTF8=1"},
      {"EHLO c\r\n", "MAIL FROM:<a@example.jp> SMTPUTF8 smtputf8", "501 5.5.4 Duplicate SMTPUTF8"},
      {"EHLO c\r\n", "MAIL FROM:<\xC3\xBC@example.jp> SMTPUTF8", "250 2.1.0 Ok"},
      {"EHLO c\r\n", "MAIL FROM:<\xC3\xBC@example.jp>", "553 5.6.7 Error: an address beyond ASCII needs SMTPUTF8"},
      {"EHLO c\r\n", "MAIL FROM:<\xC3@example.jp> SMTPUTF8",
       "501 5.1.7 Bad sender address syntax: octets that are not UTF-8 in address"},
      {kToMail, "RCPT TO:<\xC3\xBC@example.jp>", "553 5.6.7 Error: an address beyond ASCII needs SMTPUTF8"},
      {kToMail, "RCPT TO:<b@example.com> ORCPT=utf-8;\xC3\xBC", "501 5.5.4 Bad ORCPT syntax"},
      {kToMail, "RCPT", "501 5.5.4 Syntax: RCPT TO:<address>"},
      {kToMail, "RCPT TO:<>", "501 5.1.3 Bad recipient address syntax: empty address"},
      {"EHLO c\r\n", "MAIL FROM:<a@example.jp> RET=ALL", "501 5.5.4 RET is FULL or HDRS"},
      {"EHLO c\r\n", "MAIL FROM:<a@example.jp> RET=FULL RET=HDRS", "501 5.5.4 Duplicate RET"},
      {"EHLO c\r\n", "MAIL FROM:<a@example.jp> ENVID=a=b", "501 5.5.4 Bad ENVID syntax"},
      {"EHLO c\r\n", "MAIL FROM:<a@example.jp> ENVID", "501 5.5.4 Bad ENVID syntax"},
      {"EHLO c\r\n", "MAIL FROM:<a@example.jp> ENVID=a ENVID=b", "501 5.5.4 Duplicate ENVID"},
      {"EHLO c\r\n", "MAIL FROM:<a@example.jp> NOTIFY=NEVER", "555 5.5.4 Unsupported option: NOTIFY=NEVER"},
      {kToMail, "RCPT TO:<b@example.com> NOTIFY=NEVER", "250 2.1.5 Ok"},
      {kToMail, "RCPT TO:<b@example.com> NOTIFY=NEVER,DELAY",
       "501 5.5.4 NOTIFY is NEVER, or of SUCCESS, FAILURE and DELAY"},
      {kToMail, "RCPT TO:<b@example.com> NOTIFY=DELAY NOTIFY=DELAY", "501 5.5.4 Duplicate NOTIFY"},
      {kToMail, "RCPT TO:<b@example.com> ORCPT=b@example.com", "501 5.5.4 Bad ORCPT syntax"},
      {kToMail, "RCPT TO:<b@example.com> ORCPT=rfc822;b ORCPT=rfc822;b", "501 5.5.4 Duplicate ORCPT"},
      {kToMail, "RCPT TO:<b@example.com> RET=FULL", "555 5.5.4 Unsupported option: RET=FULL"},
      {kToRcpt, "DATA now", "501 5.5.4 Syntax: DATA"},
      {"EHLO c\r\n", "RSET now", "501 5.5.4 Syntax: RSET"},
      {"EHLO c\r\n", "VRFY", "501 5.5.4 Syntax: VRFY address"},
      {"EHLO c\r\n", "", "500 5.5.2 Error: empty command"},
      {"EHLO c\r\n", "FOO bar", "500 5.5.2 Error: command not recognized"},
      {"EHLO c\r\n", "MAILFROM:<a@example.jp>", "500 5.5.2 Error: command not recognized"},
      {"EHLO c\r\n", "HELP", "214 2.0.0 Commands: EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT"},
      {"EHLO c\r\n", "EXPN list", "502 5.5.1 Error: command not implemented"},
      {"EHLO c\r\n", "STARTTLS", "502 5.5.1 Error: command not implemented"},
      {"EHLO c\r\n", "AUTH PLAIN x", "502 5.5.1 Error: command not implemented"},
      {"EHLO c\r\n", std::string("NO\0OP", 5), "500 5.5.2 Error: control character in command"},
      {"EHLO c\r\n", "NOOP\rMAIL FROM:<a@example.jp>", "500 5.5.2 Error: control character in command"},
  };
  for (const auto& row : rows) {
    CAPTURE(row.command);
    ServerDialog dialog;
    dialog.say(row.before);
    CHECK(dialog.say(row.command + "\r\n") == row.reply + "\r\n");
    CHECK_FALSE(dialog.closed);
  }
}

TEST_CASE("the space behind MAIL FROM: is refused under the strict switch (row 110, C40)") {
  ServerOptions options = ServerDialog::relaying();
  options.strict_envelopes = true;
  ServerDialog strict(options);
  CHECK(last_line(strict.say("EHLO c\r\nMAIL FROM: <info@example.jp>\r\n")).starts_with("501 5.1.7"));
  ServerDialog lenient;
  CHECK(last_line(lenient.say("EHLO c\r\nMAIL FROM: <info@example.jp>\r\n")) == "250 2.1.0 Ok");
}

TEST_CASE("relaying is refused where it is not allowed, and the log is told") {
  ServerOptions options = ServerDialog::relaying();
  options.relay_allowed = false;
  ServerDialog dialog(options);
  CHECK(last_line(dialog.say(kToRcpt)) == "554 5.7.1 <b@example.com>: Relay access denied");
  REQUIRE(dialog.rejections.size() == 1);
  CHECK(dialog.rejections[0] ==
        Rejected{"RCPT", {554, "5.7.1", "<b@example.com>: Relay access denied"}, "a@example.jp", "b@example.com"});
  CHECK(dialog.say("DATA\r\n") == "554 5.5.1 Error: no valid recipients\r\n");
  CHECK(dialog.session.command_counts() == "ehlo=1 mail=1 rcpt=0/1 data=0/1 commands=2/4");
}

TEST_CASE("the caller decides on sender and recipient where it wants to be asked") {
  ServerOptions options = ServerDialog::relaying();
  options.relay_allowed = false;
  options.ask_sender = options.ask_recipient = true;
  ServerDialog dialog(options);
  dialog.answers = false;
  CHECK(last_line(dialog.say(kToRcpt + "NOOP\r\n")) == "250 CHUNKING");
  CHECK(dialog.questions == std::vector<Action>{AskSender{"a@example.jp"}});
  CHECK(dialog.session.waiting());
  std::vector<Action> out;
  dialog.session.decided(Verdict::accept(), out);
  CHECK(out == std::vector<Action>{SendReply{"250 2.1.0 Ok\r\n"}, AskRecipient{"a@example.jp", "b@example.com"}});
  out.clear();
  dialog.session.decided(Verdict::refuse({450, "4.2.0", "Later"}), out);
  CHECK(out == std::vector<Action>{Rejected{"RCPT", {450, "4.2.0", "Later"}, "a@example.jp", "b@example.com"},
                                   SendReply{"450 4.2.0 Later\r\n250 2.0.0 Ok\r\n"}});
  CHECK(dialog.session.transaction().recipients.empty());
}

TEST_CASE("a refused sender opens no transaction") {
  ServerOptions options = ServerDialog::relaying();
  options.ask_sender = true;
  ServerDialog dialog(options);
  dialog.answer(Verdict::refuse({553, "5.7.1", "Not yours"}), {});
  CHECK(dialog.say(kToRcpt).ends_with("553 5.7.1 Not yours\r\n503 5.5.1 Error: need MAIL command\r\n"));
  CHECK(dialog.session.transactions() == 0);
  REQUIRE(dialog.rejections.size() >= 2);
  CHECK(dialog.rejections[0].sender == "a@example.jp");
  CHECK(dialog.rejections[1].sender == "");
}

TEST_CASE("a policy's 421 ends the session") {
  ServerOptions options = ServerDialog::relaying();
  options.ask_recipient = true;
  ServerDialog dialog(options);
  dialog.answer(Verdict::refuse({421, "4.7.0", "Go away"}), {});
  CHECK(dialog.say(kToRcpt + "NOOP\r\n").ends_with("421 4.7.0 Go away\r\n"));
  CHECK(dialog.closed);
}

TEST_CASE("what follows a message waits until it is stored") {
  ServerDialog dialog;
  dialog.answers = false;
  dialog.say(kToData);
  CHECK(dialog.say("x\r\n.\r\nMAIL FROM:<c@example.jp>\r\n") == "");
  CHECK(dialog.say("QUIT\r\n") == "");
  CHECK(dialog.session.place() == "END-OF-MESSAGE");
  std::vector<Action> out;
  dialog.session.stored({250, "2.0.0", "Ok: queued as 1"}, out);
  CHECK(out ==
        std::vector<Action>{SendReply{"250 2.0.0 Ok: queued as 1\r\n250 2.1.0 Ok\r\n221 2.0.0 Bye\r\n"}, Close{}});
}

TEST_CASE("commands inside content are content, and no second end is seen") {
  ServerDialog dialog;
  dialog.say(kToData);
  CHECK(dialog.say("x\n.\r\nMAIL FROM:<evil@example.jp>\n.\nRCPT TO:<x@example.com>\r\n.\r\n") ==
        "250 2.0.0 Ok: queued as ID\r\n");
  REQUIRE(dialog.messages.size() == 1);
  CHECK(dialog.messages[0].content == "x\r\n.\r\nMAIL FROM:<evil@example.jp>\r\n.\r\nRCPT TO:<x@example.com>\r\n");
}

TEST_CASE("a time-out and a shutdown say so and close, in any state") {
  for (const std::string& before : {std::string(), kToMail, kToRcpt, kToData, kToData + "half a line"}) {
    CAPTURE(before);
    ServerDialog late, down;
    late.say(before);
    down.say(before);
    std::vector<Action> out;
    late.session.timed_out(out);
    CHECK(out == std::vector<Action>{SendReply{"421 4.4.2 mx.example.jp Error: timeout exceeded\r\n"}, Close{}});
    out.clear();
    down.session.shut_down(out);
    CHECK(out == std::vector<Action>{SendReply{"421 4.3.2 mx.example.jp Service shutting down\r\n"}, Close{}});
    out.clear();
    down.session.receive("NOOP\r\n", out);
    down.session.timed_out(out);
    CHECK(out.empty());
  }
}

TEST_CASE("a message that is being stored gets its reply before the shutdown's") {
  ServerDialog dialog;
  dialog.answers = false;
  dialog.say(kToData + ".\r\nMAIL FROM:<x@example.jp>\r\n");
  std::vector<Action> out;
  dialog.session.shut_down(out);
  CHECK(out.empty());
  dialog.session.stored({250, "2.0.0", "Ok: queued as 1"}, out);
  CHECK(out ==
        std::vector<Action>{SendReply{"250 2.0.0 Ok: queued as 1\r\n421 4.3.2 mx.example.jp Service shutting down\r\n"},
                            Close{}});
}

TEST_CASE("the place of a lost connection is told") {
  ServerDialog dialog;
  CHECK(dialog.session.place() == "CONNECT");
  CHECK(dialog.session.command_counts() == "commands=0/0");
  dialog.say("EHLO c\r\n");
  CHECK(dialog.session.place() == "EHLO");
  dialog.say("FOO\r\n");
  CHECK(dialog.session.place() == "UNKNOWN");
  dialog.say("MAIL FROM:<a@example.jp>\r\nRCPT TO:<b@example.com>\r\n");
  CHECK(dialog.session.place() == "RCPT");
  dialog.say("DATA\r\n1234567890\r\n");
  CHECK(dialog.session.place() == "DATA (12 bytes)");
  dialog.say(".\r\n");
  CHECK(dialog.session.place() == "END-OF-MESSAGE");
  dialog.say("NOOP\r\n");
  CHECK(dialog.session.place() == "NOOP");
  CHECK(dialog.session.command_counts() == "ehlo=1 mail=1 rcpt=1 data=1 noop=1 unknown=0/1 commands=5/6");
}
