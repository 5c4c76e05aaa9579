// The server's session with content that is too big to be gathered: it goes out in pieces.
#include <catch2/catch.hpp>

#include "t/lib/smtp/server_dialog.h"

using namespace hikyaku;
using namespace hikyaku::smtp;

namespace {

const std::string kToData = "EHLO c\r\nMAIL FROM:<a@example.jp>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n";

// What a caller makes of the actions.
struct Gathered {
  std::string content;
  size_t first = 0;  // bytes of the first piece
  Transaction transaction;
  bool begun = false, dropped = false, delivered = false;
  Deliver message;
};

ServerOptions gathering(size_t limit) {
  ServerOptions options = ServerDialog::relaying();
  options.gather_limit = limit;
  return options;
}

void take(ServerSession& session, std::string_view bytes, Gathered& into) {
  std::vector<Action> out;
  session.receive(bytes, out);
  for (const Action& action : out) {
    if (const auto* begun = std::get_if<BigContent>(&action)) {
      CHECK_FALSE(into.begun);
      into.begun = true;
      into.first = begun->bytes.size();
      into.transaction = begun->transaction;
      into.content = begun->bytes;
    } else if (const auto* piece = std::get_if<ContentPiece>(&action)) {
      CHECK(into.begun);
      CHECK_FALSE(into.delivered);
      into.content += piece->bytes;
    } else if (std::holds_alternative<ContentDropped>(action)) {
      into.dropped = true;
    } else if (const auto* deliver = std::get_if<Deliver>(&action)) {
      into.delivered = true;
      into.message = *deliver;
    }
  }
}

Gathered receive(ServerSession& session, std::string_view wire, size_t piece) {
  Gathered gathered;
  for (; !wire.empty(); wire.remove_prefix(std::min(piece, wire.size()))) {
    take(session, wire.substr(0, piece), gathered);
    CHECK(session.gathered() <= 200 + piece);
  }
  return gathered;
}

}  // namespace

TEST_CASE("content beyond the gather limit comes in pieces, whatever the split, and its end says the rest") {
  std::string content = "Subject: x\r\n\r\n", wire = kToData + content;
  for (int line = 0; line < 50; ++line) {
    content += ".line\r\n";
    wire += "..line\r\n";
  }
  content += "\xE9\r\n";
  wire += "\xE9\r\n.\r\n";
  for (const size_t piece : {size_t{1}, size_t{7}, size_t{100}, size_t{10000}}) {
    CAPTURE(piece);
    ServerSession session(gathering(200));
    const Gathered gathered = receive(session, wire, piece);
    CHECK(gathered.first > 200);
    CHECK(gathered.transaction == Transaction{"a@example.jp", {Recipient{"b@example.com"}}});
    CHECK(gathered.content == content);
    CHECK_FALSE(gathered.dropped);
    REQUIRE(gathered.delivered);
    CHECK(gathered.message == Deliver{gathered.transaction, "", true, true, false, true});
    CHECK(session.waiting());
  }
}

TEST_CASE("content up to the gather limit comes whole") {
  ServerSession session(gathering(200));
  const std::string content(198, 'x');
  const Gathered gathered = receive(session, kToData + content + "\r\n.\r\n", 10);
  CHECK_FALSE(gathered.begun);
  CHECK(gathered.message.content == content + "\r\n");
  CHECK_FALSE(gathered.message.in_pieces);
}

TEST_CASE("content that grows beyond the size limit is dropped once, and the next message is a new one") {
  for (const size_t piece : {size_t{50}, size_t{5000}}) {
    CAPTURE(piece);
    ServerSession session(gathering(200));
    const Gathered much = receive(session, kToData + std::string(1500, 'x') + "\r\n.\r\n", piece);
    CHECK(much.dropped == much.begun);
    CHECK_FALSE(much.delivered);
    const std::string next = "MAIL FROM:<n@example.jp>\r\nRCPT TO:<m@example.com>\r\nDATA\r\n";
    const Gathered fits = receive(session, next + std::string(700, 'y') + "\r\n.\r\n", piece);
    CHECK(fits.content == std::string(700, 'y') + "\r\n");
    CHECK(fits.transaction.sender == "n@example.jp");
    CHECK(fits.delivered);
  }
}
