// One command line of a client, in any state of a session: lib/smtp/server_session.h.
//
// Input: a byte (bits 0-1: how far the session is, bit 2: strict, bit 3: reject bare newlines, bit 4: the caller is
// asked), then the line.
#include "t/fuzz/server_ear.h"

using namespace hikyaku;
using fuzz::promise;

namespace {

constexpr std::string_view kBefore[] = {"", "EHLO c.example\r\n", "MAIL FROM:<a@example.jp>\r\n",
                                        "RCPT TO:<b@example.com>\r\n"};

smtp::ServerOptions options_of(uint8_t bits) {
  smtp::ServerOptions options;
  options.hostname = "mx.example.jp";
  options.size_limit = 5000;
  options.line_length_limit = 600;
  options.relay_allowed = true;
  options.strict_envelopes = (bits & 4) != 0;
  if ((bits & 8) != 0) options.bare_newline = smtp::BareNewline::kReject;
  options.ask_sender = options.ask_recipient = (bits & 16) != 0;
  return options;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  const uint8_t bits = input.byte();
  std::string line(input.rest().substr(0, input.rest().find('\n')));
  line += '\n';

  const smtp::ServerOptions options = options_of(bits);
  fuzz::ServerEar whole(options, ""), octets(options, "");
  for (fuzz::ServerEar* ear : {&whole, &octets})
    for (unsigned i = 0; i <= bits % 4; ++i) ear->hear_all(kBefore[i], std::string_view::npos);
  whole.replies.clear();
  octets.replies.clear();
  const bool content = whole.session().receiving_content();
  const uint64_t transactions = whole.session().transactions();
  promise(!content && !whole.closed, "it hears commands");

  whole.hear_all(line, std::string_view::npos);
  octets.hear_all(line, 1);
  promise(whole.replies == octets.replies && whole.rejections == octets.rejections && whole.notes == octets.notes,
          "the same octet by octet");

  const auto replies = fuzz::replies_in(whole.replies);
  if (replies.empty()) {  // BDAT, and its octets are to come
    promise(whole.session().receiving_content() && whole.session().place().starts_with("BDAT"), "an answer");
    return 0;
  }
  promise(replies.size() == 1, "each command has one answer");
  const smtp::Reply& reply = replies[0];
  promise(whole.rejections.size() <= 1, "one refusal for the log at most");
  if (!whole.rejections.empty())
    promise(whole.rejections[0].reply.code == reply.code, "the log says what the client hears");
  promise(whole.closed == (reply.code == 221 || reply.code == 421 || reply.code == 521), "goodbye is the end");
  promise(whole.session().receiving_content() == (reply.code == 354), "content follows 354 and nothing else");
  promise(whole.session().transactions() <= transactions + 1, "one transaction at most");
  if (line.size() > options.line_length_limit + 1) promise(reply.code == 500, "a line that is too long is refused");
  const smtp::Transaction& transaction = whole.session().transaction();
  promise(!fuzz::has_control(transaction.sender), "a sender without control characters");
  for (const smtp::Recipient& recipient : transaction.recipients)
    promise(!recipient.mailbox.empty() && !fuzz::has_control(recipient.mailbox), "and recipients");
  promise(!fuzz::has_control(whole.session().helo()), "and a name");
  return 0;
}
