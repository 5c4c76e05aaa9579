// The server's session as tables: every state, every command in every form, and every event.
#include <catch2/catch.hpp>

#include "t/lib/smtp/server_dialog.h"

using namespace hikyaku;
using namespace hikyaku::smtp;

namespace {

struct State {
  std::string_view name;
  std::string before;
};

const std::string kMail = "EHLO c\r\nMAIL FROM:<a@example.jp>\r\n";
const std::string kRcpt = kMail + "RCPT TO:<b@example.com>\r\n";

const State kStates[] = {
    {"fresh", ""},   {"helo", "HELO c\r\n"}, {"ehlo", "EHLO c\r\n"},
    {"mail", kMail}, {"rcpt", kRcpt},        {"chunks", kRcpt + "BDAT 3\r\nabc"},
};

// The start of the answer, and behind '>' the state after it where it is another one.
using Cell = std::string_view;

struct Row {
  std::string command;
  Cell fresh, helo, ehlo, mail, rcpt;
  Cell chunks = {};  // as rcpt

  Cell in(std::string_view state) const {
    if (state == "fresh") return fresh;
    if (state == "helo") return helo;
    if (state == "ehlo") return ehlo;
    if (state == "mail") return mail;
    return state == "chunks" && !chunks.empty() ? chunks : rcpt;
  }
};

constexpr Cell kEhlo = "250-mx >ehlo", kHelo = "250 mx >helo", kGone = "221 2.0.0 Bye >closed";
constexpr Cell kForeign = "221 2.7.0 >closed", kOrder = "503 5.5.1", kSyntax = "500 5.5.2", kArguments = "501 5.5.4";
constexpr Cell kNotHere = "502 5.5.1", kUnknownOption = "555 5.5.4", kOk = "250 2.0.0";

const Row kTable[] = {
    // command, fresh, helo, ehlo, mail, rcpt
    {"EHLO d", kEhlo, kEhlo, kEhlo, kEhlo, kEhlo},
    {"ehlo [192.0.2.1]", kEhlo, kEhlo, kEhlo, kEhlo, kEhlo},
    {"EHLO d and more", kEhlo, kEhlo, kEhlo, kEhlo, kEhlo},
    {"HELO d", kHelo, kHelo, kHelo, kHelo, kHelo},
    {"EHLO", "501 Syntax", "501 Syntax", "501 Syntax", "501 Syntax", "501 Syntax"},
    {"HELO", "501 Syntax", "501 Syntax", "501 Syntax", "501 Syntax", "501 Syntax"},
    {"EHLO \xE4", "501 Syntax", "501 Syntax", "501 Syntax", "501 Syntax", "501 Syntax"},
    {"HELO " + std::string(256, 'd'), "501 Syntax", "501 Syntax", "501 Syntax", "501 Syntax", "501 Syntax"},

    {"MAIL FROM:<c@example.jp>", kOrder, "250 2.1.0 >mail", "250 2.1.0 >mail", kOrder, kOrder},
    {"mail from:<c@example.jp> size=9 body=8bitmime", kOrder, "250 2.1.0 >mail", "250 2.1.0 >mail", kOrder, kOrder},
    {"MAIL FROM:<>", kOrder, "250 2.1.0 >mail", "250 2.1.0 >mail", kOrder, kOrder},
    {"MAIL", kOrder, kArguments, kArguments, kOrder, kOrder},
    {"MAIL <c@example.jp>", kOrder, kArguments, kArguments, kOrder, kOrder},
    {"MAIL FROM:", kOrder, "501 5.1.7", "501 5.1.7", kOrder, kOrder},
    {"MAIL FROM:<c@>", kOrder, "501 5.1.7", "501 5.1.7", kOrder, kOrder},
    {"MAIL FROM:<" + std::string(65, 'l') + "@example.jp>", kOrder, "501 5.1.7", "501 5.1.7", kOrder, kOrder},
    {"MAIL FROM:<c@example.jp> FOO=1", kOrder, kUnknownOption, kUnknownOption, kOrder, kOrder},
    {"MAIL FROM:<c@example.jp> SIZE=", kOrder, kArguments, kArguments, kOrder, kOrder},
    {"MAIL FROM:<c@example.jp> SIZE=1001", kOrder, "552 5.3.4", "552 5.3.4", kOrder, kOrder},
    {"MAIL FROM:<c@example.jp> BODY=X", kOrder, kArguments, kArguments, kOrder, kOrder},

    {"RCPT TO:<d@example.com>", kOrder, kOrder, kOrder, "250 2.1.5 >rcpt", "250 2.1.5", kOrder},
    {"RCPT TO:<postMASTER>", kOrder, kOrder, kOrder, "250 2.1.5 >rcpt", "250 2.1.5", kOrder},
    {"RCPT TO:<@r.example:d@example.com>", kOrder, kOrder, kOrder, "250 2.1.5 >rcpt", "250 2.1.5", kOrder},
    {"RCPT", kOrder, kOrder, kOrder, kArguments, kArguments, kOrder},
    {"RCPT FROM:<d@example.com>", kOrder, kOrder, kOrder, kArguments, kArguments, kOrder},
    {"RCPT TO:<>", kOrder, kOrder, kOrder, "501 5.1.3", "501 5.1.3", kOrder},
    {"RCPT TO:<d@>", kOrder, kOrder, kOrder, "501 5.1.3", "501 5.1.3", kOrder},
    {"RCPT TO:<d@example.com> FOO", kOrder, kOrder, kOrder, kUnknownOption, kUnknownOption, kOrder},

    {"DATA", kOrder, kOrder, kOrder, "554 5.5.1", "354 End >content", kOrder},
    {"DATA x", kOrder, kOrder, kOrder, "554 5.5.1", kArguments, kOrder},
    {"BDAT 0", kOrder, kOrder, kOrder, "554 5.5.1", kOk},
    {"bdat 1", ">content", ">content", ">content", ">content", ">content"},
    {"BDAT 99999999999999999999 last", ">content", ">content", ">content", ">content", ">content"},
    {"BDAT", kArguments, kArguments, kArguments, kArguments, kArguments},
    {"BDAT x", kArguments, kArguments, kArguments, kArguments, kArguments},
    {"BDAT -1", kArguments, kArguments, kArguments, kArguments, kArguments},
    {"BDAT LAST", kArguments, kArguments, kArguments, kArguments, kArguments},
    {"BDAT 1 FIRST", kArguments, kArguments, kArguments, kArguments, kArguments},
    {"BDAT 1 LAST x", kArguments, kArguments, kArguments, kArguments, kArguments},
    {"RSET", kOk, kOk, kOk, "250 2.0.0 >ehlo", "250 2.0.0 >ehlo"},
    {"RSET x", kArguments, kArguments, kArguments, kArguments, kArguments},
    {"NOOP", kOk, kOk, kOk, kOk, kOk},
    {"NOOP a b", kOk, kOk, kOk, kOk, kOk},
    {"VRFY x", "252 2.0.0", "252 2.0.0", "252 2.0.0", "252 2.0.0", "252 2.0.0"},
    {"VRFY", kArguments, kArguments, kArguments, kArguments, kArguments},
    {"HELP", "214 2.0.0", "214 2.0.0", "214 2.0.0", "214 2.0.0", "214 2.0.0"},
    {"HELP MAIL", "214 2.0.0", "214 2.0.0", "214 2.0.0", "214 2.0.0", "214 2.0.0"},
    {"QUIT", kGone, kGone, kGone, kGone, kGone},
    {"QUIT x", kGone, kGone, kGone, kGone, kGone},

    {"EXPN x", kNotHere, kNotHere, kNotHere, kNotHere, kNotHere},
    {"ETRN x", kNotHere, kNotHere, kNotHere, kNotHere, kNotHere},
    {"STARTTLS", kNotHere, kNotHere, kNotHere, kNotHere, kNotHere},
    {"AUTH PLAIN x", kNotHere, kNotHere, kNotHere, kNotHere, kNotHere},
    {"XCLIENT ADDR=192.0.2.1", kNotHere, kNotHere, kNotHere, kNotHere, kNotHere},
    {"FOO", kSyntax, kSyntax, kSyntax, kSyntax, kSyntax},
    {"EHLO:d", kSyntax, kSyntax, kSyntax, kSyntax, kSyntax},
    {"", kSyntax, kSyntax, kSyntax, kSyntax, kSyntax},
    {" \t ", kSyntax, kSyntax, kSyntax, kSyntax, kSyntax},
    {std::string("NO\0OP", 5), kSyntax, kSyntax, kSyntax, kSyntax, kSyntax},
    {"EHLO d\x1B[2J", kSyntax, kSyntax, kSyntax, kSyntax, kSyntax},
    {"NOOP\rNOOP", kSyntax, kSyntax, kSyntax, kSyntax, kSyntax},
    {"NOOP " + std::string(3000, 'x'), kSyntax, kSyntax, kSyntax, kSyntax, kSyntax},
    {"GET / HTTP/1.1", kForeign, kForeign, kForeign, kForeign, kForeign},
    {".", kForeign, kForeign, kForeign, kForeign, kForeign},
    {"\xE9t\xE9", kForeign, kForeign, kForeign, kForeign, kForeign},
};

std::string state_of(const ServerDialog& dialog) {
  const ServerSession& session = dialog.session;
  if (dialog.closed) return "closed";
  if (session.receiving_content()) return "content";
  if (session.in_transaction()) return session.transaction().recipients.empty() ? "mail" : "rcpt";
  if (session.helo().empty()) return "fresh";
  return session.esmtp() ? "ehlo" : "helo";
}

}  // namespace

TEST_CASE("every command in every form has its answer and its next state, in every state") {
  for (const State& state : kStates)
    for (const Row& row : kTable) {
      const Cell cell = row.in(state.name);
      const size_t arrow = std::min(cell.find(" >"), cell.find('>'));
      CAPTURE(state.name, row.command, cell);
      ServerDialog dialog;
      dialog.say(state.before);
      const std::string before = state_of(dialog);
      REQUIRE(before == (state.name == "chunks" ? "rcpt" : state.name));
      const std::string reply = dialog.say(row.command + "\r\n");
      CHECK(reply.starts_with(cell.substr(0, arrow)));
      CHECK(state_of(dialog) == (arrow == cell.npos ? before : cell.substr(cell.find('>') + 1)));
      // One answer to each, of one line unless it is the one to EHLO; to a chunk behind its last octet.
      const bool none = cell.starts_with('>');
      CHECK(std::count(reply.begin(), reply.end(), '\n') == (cell == kEhlo ? 8 : none ? 0 : 1));
      CHECK(dialog.messages.empty());
    }
}

TEST_CASE("between DATA and the dot nothing is a command") {
  for (const Row& row : kTable) {
    if (row.command == ".") continue;
    CAPTURE(row.command);
    ServerOptions options = ServerDialog::relaying();
    options.size_limit = 0;
    ServerDialog dialog(options);
    dialog.say(kRcpt + "DATA\r\n");
    CHECK(dialog.say(row.command + "\r\n") == "");
    CHECK(state_of(dialog) == "content");
    CHECK(dialog.say(".\r\n") == "250 2.0.0 Ok: queued as ID\r\n");
    CHECK(state_of(dialog) == "ehlo");
    REQUIRE(dialog.messages.size() == 1);
    CHECK(dialog.messages[0].transaction == Transaction{"a@example.jp", {Recipient{"b@example.com"}}});
  }
}

// While an answer is outstanding: every event. `next` is what the session says to the NOOP that it was sent meanwhile.
TEST_CASE("while an answer is outstanding commands wait, and a time-out and a shutdown end the session") {
  const struct {
    std::string_view name;
    std::string before;
    void (*answer)(ServerSession&, std::vector<Action>&);
    std::string answered;
    bool outlives_shutdown;
  } states[] = {
      {"sender asked", "EHLO c\r\nMAIL FROM:<a@example.jp>\r\n",
       [](ServerSession& session, auto& out) { session.decided(Verdict::accept(), out); }, "250 2.1.0 Ok\r\n", false},
      {"sender refused", "EHLO c\r\nMAIL FROM:<a@example.jp>\r\n",
       [](ServerSession& session, auto& out) {
         session.decided(Verdict::refuse({450, "4.7.1", "Later"}), out);
       },
       "450 4.7.1 Later\r\n", false},
      {"recipient asked", kRcpt, [](ServerSession& session, auto& out) { session.decided(Verdict::accept(), out); },
       "250 2.1.5 Ok\r\n", false},
      {"being stored", kRcpt + "DATA\r\n.\r\n",
       [](ServerSession& session, auto& out) {
         session.stored({250, "2.0.0", "Ok"}, out);
       },
       "250 2.0.0 Ok\r\n", true},
      {"delayed", "FOO\r\nFOO\r\nFOO\r\n", [](ServerSession& session, auto& out) { session.resume(out); },
       "500 5.5.2 Error: command not recognized\r\n", false},
  };
  for (const auto& state : states) {
    CAPTURE(state.name);
    ServerOptions options = ServerDialog::relaying();
    options.soft_error_limit = 2;
    options.ask_sender = state.name.starts_with("sender");
    options.ask_recipient = state.name.starts_with("recipient");
    const auto reached = [&] {
      auto dialog = std::make_unique<ServerDialog>(options);
      dialog->answers = false;
      dialog->say(state.before);
      REQUIRE(dialog->session.waiting());
      REQUIRE(dialog->say("NOOP\r\nNO") == "");
      REQUIRE(dialog->say("OP\r\n") == "");
      dialog->replies.clear();
      return dialog;
    };
    std::vector<Action> out;

    auto answered = reached();
    answered->answers = true;
    state.answer(answered->session, out);
    answered->handle(out);
    CHECK(answered->replies == state.answered + "250 2.0.0 Ok\r\n250 2.0.0 Ok\r\n");
    CHECK_FALSE(answered->session.waiting());

    out.clear();
    auto late = reached();
    late->session.timed_out(out);
    late->handle(out);
    CHECK(late->replies.ends_with("421 4.4.2 mx.example.jp Error: timeout exceeded\r\n"));
    CHECK(late->closed);

    out.clear();
    auto down = reached();
    down->session.shut_down(out);
    CHECK(out.empty() == state.outlives_shutdown);
    if (state.outlives_shutdown) state.answer(down->session, out);
    down->handle(out);
    CHECK(down->replies.ends_with("421 4.3.2 mx.example.jp Service shutting down\r\n"));
    CHECK(down->closed);

    // A closed session hears and says nothing any more, whoever speaks.
    out.clear();
    state.answer(down->session, out);
    down->session.receive("NOOP\r\n", out);
    down->session.timed_out(out);
    down->session.shut_down(out);
    CHECK(out.empty());
  }
}

TEST_CASE("a client that is turned away is told why and by whom") {
  ServerDialog dialog;
  std::vector<Action> out;
  dialog.session.turn_away("Error: too many connections from 192.0.2.1", out);
  CHECK(out == std::vector<Action>{SendReply{"421 4.7.0 mx.example.jp Error: too many connections from 192.0.2.1\r\n"},
                                   Close{}});
}
