// The server's session as a table: every state, every command.
#include <catch2/catch.hpp>

#include "t/lib/smtp/server_dialog.h"

using namespace hikyaku;
using namespace hikyaku::smtp;

namespace {

struct State {
  std::string name, before;
};

// What each command is answered in each state, and the state after it.
struct Cell {
  std::string_view state, command, reply, after;
};

const State kStates[] = {
    {"fresh", ""},
    {"greeted", "EHLO c\r\n"},
    {"mail", "EHLO c\r\nMAIL FROM:<a@example.jp>\r\n"},
    {"rcpt", "EHLO c\r\nMAIL FROM:<a@example.jp>\r\nRCPT TO:<b@example.com>\r\n"},
    {"content", "EHLO c\r\nMAIL FROM:<a@example.jp>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n"},
};

constexpr std::string_view kCommands[] = {
    "EHLO d", "HELO d", "MAIL FROM:<c@example.jp>", "RCPT TO:<d@example.com>", "DATA", ".", "RSET", "NOOP", "VRFY x",
    "FOO",    "QUIT",
};

constexpr Cell kTable[] = {
    {"fresh", "EHLO d", "250", "greeted"},
    {"fresh", "HELO d", "250", "greeted"},
    {"fresh", "MAIL FROM:<c@example.jp>", "503 5.5.1", "fresh"},
    {"fresh", "RCPT TO:<d@example.com>", "503 5.5.1", "fresh"},
    {"fresh", "DATA", "503 5.5.1", "fresh"},
    {"fresh", ".", "221 2.7.0", "closed"},
    {"fresh", "RSET", "250 2.0.0", "fresh"},
    {"fresh", "NOOP", "250 2.0.0", "fresh"},
    {"fresh", "VRFY x", "252 2.0.0", "fresh"},
    {"fresh", "FOO", "500 5.5.2", "fresh"},
    {"fresh", "QUIT", "221 2.0.0", "closed"},

    {"greeted", "EHLO d", "250", "greeted"},
    {"greeted", "HELO d", "250", "greeted"},
    {"greeted", "MAIL FROM:<c@example.jp>", "250 2.1.0", "mail"},
    {"greeted", "RCPT TO:<d@example.com>", "503 5.5.1", "greeted"},
    {"greeted", "DATA", "503 5.5.1", "greeted"},
    {"greeted", ".", "500 5.5.2", "greeted"},
    {"greeted", "RSET", "250 2.0.0", "greeted"},
    {"greeted", "NOOP", "250 2.0.0", "greeted"},
    {"greeted", "VRFY x", "252 2.0.0", "greeted"},
    {"greeted", "FOO", "500 5.5.2", "greeted"},
    {"greeted", "QUIT", "221 2.0.0", "closed"},

    {"mail", "EHLO d", "250", "greeted"},
    {"mail", "HELO d", "250", "greeted"},
    {"mail", "MAIL FROM:<c@example.jp>", "503 5.5.1", "mail"},
    {"mail", "RCPT TO:<d@example.com>", "250 2.1.5", "rcpt"},
    {"mail", "DATA", "554 5.5.1", "mail"},
    {"mail", ".", "500 5.5.2", "mail"},
    {"mail", "RSET", "250 2.0.0", "greeted"},
    {"mail", "NOOP", "250 2.0.0", "mail"},
    {"mail", "VRFY x", "252 2.0.0", "mail"},
    {"mail", "FOO", "500 5.5.2", "mail"},
    {"mail", "QUIT", "221 2.0.0", "closed"},

    {"rcpt", "EHLO d", "250", "greeted"},
    {"rcpt", "HELO d", "250", "greeted"},
    {"rcpt", "MAIL FROM:<c@example.jp>", "503 5.5.1", "rcpt"},
    {"rcpt", "RCPT TO:<d@example.com>", "250 2.1.5", "rcpt"},
    {"rcpt", "DATA", "354 End", "content"},
    {"rcpt", ".", "500 5.5.2", "rcpt"},
    {"rcpt", "RSET", "250 2.0.0", "greeted"},
    {"rcpt", "NOOP", "250 2.0.0", "rcpt"},
    {"rcpt", "VRFY x", "252 2.0.0", "rcpt"},
    {"rcpt", "FOO", "500 5.5.2", "rcpt"},
    {"rcpt", "QUIT", "221 2.0.0", "closed"},

    {"content", "EHLO d", "", "content"},
    {"content", "HELO d", "", "content"},
    {"content", "MAIL FROM:<c@example.jp>", "", "content"},
    {"content", "RCPT TO:<d@example.com>", "", "content"},
    {"content", "DATA", "", "content"},
    {"content", ".", "250 2.0.0", "greeted"},
    {"content", "RSET", "", "content"},
    {"content", "NOOP", "", "content"},
    {"content", "VRFY x", "", "content"},
    {"content", "FOO", "", "content"},
    {"content", "QUIT", "", "content"},
};

std::string state_of(const ServerDialog& dialog) {
  if (dialog.closed) return "closed";
  if (dialog.session.receiving_content()) return "content";
  if (dialog.session.in_transaction()) return dialog.session.transaction().recipients.empty() ? "mail" : "rcpt";
  return dialog.session.helo().empty() ? "fresh" : "greeted";
}

}  // namespace

TEST_CASE("every command in every state has its answer and its next state") {
  size_t cells = 0;
  for (const State& state : kStates)
    for (const std::string_view command : kCommands) {
      CAPTURE(state.name, command);
      const Cell* cell = std::find_if(std::begin(kTable), std::end(kTable), [&](const Cell& each) {
        return each.state == state.name && each.command == command;
      });
      REQUIRE(cell != std::end(kTable));
      ++cells;
      ServerDialog dialog;
      dialog.say(state.before);
      REQUIRE(state_of(dialog) == state.name);
      const std::string reply = dialog.say(std::string(command) + "\r\n");
      CHECK(reply.substr(0, cell->reply.size()) == cell->reply);
      CHECK(reply.empty() == cell->reply.empty());
      CHECK(state_of(dialog) == cell->after);
    }
  CHECK(cells == std::size(kTable));
}
