// A server's whole session: what a client sends, with a caller that accepts and refuses by a script.
//
// Input: two bytes of options (see options_of), a byte (how large the pieces are), a byte (how the session is ended),
// the length of the script in a byte, the script, then what the client sends.
#include "t/fuzz/server_ear.h"
#include "util/text.h"

using namespace hikyaku;
using fuzz::promise;
using fuzz::ServerEar;

namespace {

constexpr size_t kAll = std::string_view::npos;

smtp::ServerOptions options_of(uint64_t bits) {
  smtp::ServerOptions options;
  options.hostname = "mx.example.jp";
  options.relay_allowed = (bits & 1) == 0;
  options.ask_sender = (bits & 2) != 0;
  options.ask_recipient = (bits & 4) != 0;
  options.strict_envelopes = (bits & 8) != 0;
  options.forbid_blind_talk = (bits & 16) != 0;
  options.bare_newline = static_cast<smtp::BareNewline>((bits >> 5) % 3);
  options.size_limit = (bits & 0x80) != 0 ? 0 : 60;
  options.gather_limit = (bits & 0x100) != 0 ? 20 : 0;
  options.recipient_limit = (bits & 0x200) != 0 ? 2 : 1000;
  options.line_length_limit = (bits & 0x400) != 0 ? 40 : 2048;
  if ((bits & 0x800) != 0) options.soft_error_limit = 2, options.hard_error_limit = 5;
  if ((bits & 0x1000) != 0) options.junk_command_limit = 2;
  return options;
}

void end(ServerEar& ear, uint8_t how) {
  if (how == 1) ear.time_out();
  if (how == 2) ear.shut_down();
  if (how == 0) return;
  promise(ear.closed, "it ends when it is told to");
  ear.hear_all("NOOP\r\n", kAll);
}

// A client that sends more behind a BDAT whose count cannot be read is hung up on: there it matters what comes
// together.
bool talked_blindly(const ServerEar& ear) {
  return std::ranges::any_of(
      ear.notes, [](const smtp::Noted& noted) { return noted.what.starts_with("improper command pipelining"); });
}

void check_same(const ServerEar& a, const ServerEar& b) {
  if (talked_blindly(a) || talked_blindly(b)) return;
  promise(a.replies == b.replies, "the same replies");
  promise(a.messages == b.messages, "the same messages");
  promise(a.rejections == b.rejections && a.notes == b.notes, "the same lines in the log");
  promise(a.questions == b.questions && a.delays == b.delays, "the same questions");
  promise(a.closed == b.closed && a.session().place() == b.session().place(), "the same end");
  promise(a.session().command_counts() == b.session().command_counts(), "the same counts");
  promise(a.session().transaction() == b.session().transaction(), "the same transaction");
}

bool is_normal(std::string_view content) {
  for (size_t i = 0; i < content.size(); ++i) {
    if (content[i] == '\r' && (i + 1 == content.size() || content[i + 1] != '\n')) return false;
    if (content[i] == '\n' && (i == 0 || content[i - 1] != '\r')) return false;
  }
  return true;
}

void check_messages(const ServerEar& ear, const smtp::ServerOptions& options) {
  for (const fuzz::Message& message : ear.messages) {
    const std::string& content = message.content;
    promise(is_normal(content), "CR and LF come as CRLF only");
    promise(options.size_limit == 0 || content.size() <= options.size_limit, "no message beyond the size limit");
    const bool dot_line = content.starts_with('.') || content.find("\r\n.") != content.npos;
    promise(dot_line == message.has_dot_line, "the word about dots is true");
    const bool high = std::ranges::any_of(content, [](char c) { return static_cast<unsigned char>(c) > 127; });
    promise(high == message.eight_bit, "the word about 8-bit octets is true");
    const auto& recipients = message.transaction.recipients;
    promise(!recipients.empty() && recipients.size() <= options.recipient_limit, "as many recipients as are allowed");
    promise(!fuzz::has_control(message.transaction.sender), "a sender without control characters");
    promise(std::ranges::none_of(recipients, fuzz::has_control, &smtp::Recipient::mailbox), "and such recipients");
    const bool ascii = util::is_ascii(message.transaction.sender) &&
                       std::ranges::all_of(recipients, util::is_ascii, &smtp::Recipient::mailbox);
    promise(ascii || message.transaction.smtputf8, "none beyond ASCII without SMTPUTF8");
  }
}

// Every command and every end of content behind DATA has one reply, in order, that to BDAT behind its chunk; the end of
// a session may add one.
void check_replies(const ServerEar& ear) {
  const auto replies = fuzz::replies_in(ear.replies);
  size_t asked = 1 + ear.session().commands();
  for (const smtp::Reply& reply : replies) asked += reply.code == 354;
  if (ear.session().receiving_content()) --asked;
  const size_t given = replies.size();
  const bool over = ear.closed || ear.session().waiting();  // the last one may have to wait, or get none
  promise(given >= asked || (over && given + 1 >= asked), "no question stays without an answer");
  promise(given <= asked + (ear.closed ? 1 : 0), "and none has two");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  const smtp::ServerOptions options = options_of(input.number(2));
  const size_t piece = 2 + input.byte() % 40;
  const uint8_t ending = input.byte();
  const std::string_view script = input.text(input.byte() % 16);
  const std::string_view wire = input.rest();

  ServerEar whole(options, script);
  whole.greet();
  whole.hear_all(wire, kAll);
  check_messages(whole, options);
  if (!options.forbid_blind_talk) {  // there it matters what comes together
    ServerEar octets(options, script), pieces(options, script, true);
    octets.greet();
    octets.hear_all(wire, 1);
    check_same(whole, octets);
    pieces.greet();
    pieces.hear_all(wire, piece);
    check_same(whole, pieces);
  }
  check_replies(whole);
  end(whole, ending % 3);
  check_replies(whole);

  ServerEar waiting(options, script, true);  // perhaps for an answer, when it is told to end
  waiting.greet();
  waiting.hear(wire);
  end(waiting, ending % 3);
  check_messages(waiting, options);
  check_replies(waiting);
  return 0;
}
