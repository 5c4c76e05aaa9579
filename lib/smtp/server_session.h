// The server's side of one SMTP connection (RFC 5321, 2920, 1870, 6152, 3030, 3461, 6531): bytes in, actions out, no
// I/O, resumable at any byte.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "smtp/address.h"
#include "smtp/data_decoder.h"
#include "smtp/dsn.h"
#include "smtp/reply.h"

namespace hikyaku::smtp {

// What is done about a line that ends in a bare LF. Whatever it is, only CRLF.CRLF ends a message.
enum class BareNewline : uint8_t {
  kAccept,  // taken for CRLF
  kNote,    // the same, and the log is told, once in a session
  kReject,  // a command: 521 and the end; content: 550 at its end
};

struct ServerOptions {
  std::string hostname;               // in the greeting and in the answer to EHLO
  uint64_t size_limit = 0;            // octets of content (rows 5 and 25, C9); 0: no limit
  size_t gather_limit = 0;            // octets of content handed out in one piece, with Deliver; 0: no limit
  size_t recipient_limit = 1000;      // of one message; more are answered 452 4.5.3
  size_t line_length_limit = 2048;    // octets of a command line; a longer one is read to its end and answered 500
  unsigned soft_error_limit = 10;     // after as many errors each further command is answered late
  unsigned hard_error_limit = 20;     // as many errors: 421 and the end
  unsigned junk_command_limit = 100;  // of commands that move no mail, without mail; each further one is an error
  BareNewline bare_newline = BareNewline::kAccept;
  bool strict_envelopes = false;  // strict_rfc821_envelopes (row 110)
  // The client must wait for the answer to HELO or EHLO, and for that to DATA when it is a refusal; else 554 5.5.0 and
  // the end. What counts is what receive() brings at once.
  bool forbid_blind_talk = false;
  bool relay_allowed = false;  // what RCPT is answered when the caller is not asked
  bool ask_sender = false;     // AskSender at MAIL
  bool ask_recipient = false;  // AskRecipient at RCPT; relay_allowed is not looked at then
  Reply relay_denied = {554, "5.7.1", "Relay access denied"};  // after "<recipient>: "
};

// What a client has said for one message: MAIL makes it, and its end, RSET, HELO and EHLO destroy it.
struct Transaction {
  std::string sender;                 // mailbox, empty is the null sender
  std::vector<Recipient> recipients;  // accepted ones, in their order
  std::optional<uint64_t> size{};     // SIZE= of MAIL
  bool eight_bit_mime = false;        // BODY=8BITMIME
  bool smtputf8 = false;              // SMTPUTF8: addresses and header may have UTF-8
  std::string envelope_id{};          // ENVID as given, empty when not
  std::string return_content{};       // RET: "FULL", "HDRS", empty when not given

  bool operator==(const Transaction&) const = default;
};

// Actions, to be carried out in their order.

// Complete lines for the wire; the answers to everything that one call brought.
struct SendReply {
  std::string bytes;
  bool operator==(const SendReply&) const = default;
};
// Answer with decided().
struct AskSender {
  std::string sender;
  bool operator==(const AskSender&) const = default;
};
struct AskRecipient {
  std::string sender, recipient;
  bool operator==(const AskRecipient&) const = default;
};
// A message grew beyond gather_limit: all of its content that came so far, in the form of Deliver. ContentPiece follows
// as more comes, then Deliver or ContentDropped, unless the session closes.
struct BigContent {
  Transaction transaction;
  std::string bytes;
  bool operator==(const BigContent&) const = default;
};
struct ContentPiece {
  std::string bytes;
  bool operator==(const ContentPiece&) const = default;
};
// The message whose pieces came will be refused.
struct ContentDropped {
  bool operator==(const ContentDropped&) const = default;
};
// A whole message; answer with stored() when it is safe or refused. `content` has CRLF line ends and is not
// dot-stuffed.
struct Deliver {
  Transaction transaction;
  std::string content;         // empty when it went in pieces
  bool has_dot_line = false;   // a line of the content begins with '.'
  bool eight_bit = false;      // an octet of the content is above 127
  bool has_long_line = false;  // a line of it has more than kLongestLine octets
  bool in_pieces = false;      // all of the content went before, in BigContent and ContentPiece
  bool operator==(const Deliver&) const = default;
};
// For the log: MAIL, RCPT, DATA, BDAT or a message's end was refused by the session or by decided(). A refusal by
// stored() is the caller's own and is not told.
struct Rejected {
  std::string_view stage;  // "MAIL", "RCPT", "DATA", "BDAT", "END-OF-MESSAGE"
  Reply reply;
  std::string sender, recipient;  // as far as known
  bool operator==(const Rejected&) const = default;
};
// The client made many errors: wait a little, then call resume(); its answer comes after that.
struct Delay {
  bool operator==(const Delay&) const = default;
};
// After the bytes sent so far.
struct Close {
  bool operator==(const Close&) const = default;
};
// For the log: how a client behaves, where no mail is refused. "WHAT from host[ip]: DETAIL".
struct Noted {
  std::string what;
  std::string detail;  // the client's words as they came (escape them), or empty
  bool warning = false;
  bool operator==(const Noted&) const = default;
};
using Action = std::variant<SendReply, AskSender, AskRecipient, BigContent, ContentPiece, ContentDropped, Deliver,
                            Rejected, Delay, Close, Noted>;

// The caller's answer to AskSender and AskRecipient. A refusal's text is sent as it is.
struct Verdict {
  std::optional<Reply> refusal;
  static Verdict accept() { return {}; }
  static Verdict refuse(Reply reply) { return {std::move(reply)}; }
};

enum class Verb : uint8_t { kHelo, kEhlo, kMail, kRcpt, kData, kBdat, kRset, kNoop, kVrfy, kHelp, kQuit, kUnknown };
inline constexpr size_t kVerbs = static_cast<size_t>(Verb::kUnknown) + 1;

class ServerSession {
 public:
  explicit ServerSession(ServerOptions options);

  void greet(std::vector<Action>& out);
  // While an answer is outstanding (waiting()) the bytes are kept and used after it. Stop reading meanwhile: what is
  // kept has no limit of its own.
  void receive(std::string_view bytes, std::vector<Action>& out);
  void decided(Verdict verdict, std::vector<Action>& out);
  // The reply goes to the client as it is: 250 2.0.0 Ok: queued as ID, or 4xx or 5xx.
  void stored(Reply reply, std::vector<Action>& out);
  void resume(std::vector<Action>& out);  // after Delay
  void timed_out(std::vector<Action>& out);
  // Instead of greet(): the client is not wanted now.
  void turn_away(std::string_view why, std::vector<Action>& out);
  // Asks the client to come again later. A message that is being stored gets its reply first.
  void shut_down(std::vector<Action>& out);

  bool waiting() const { return waiting_ != Waiting::kNothing; }
  bool closed() const { return closed_; }
  const std::string& helo() const { return helo_; }  // empty before HELO and EHLO
  bool esmtp() const { return esmtp_; }              // EHLO, not HELO
  bool in_transaction() const { return in_transaction_; }
  const Transaction& transaction() const { return transaction_; }  // meaningful while in_transaction()
  // Transactions that MAIL has opened; when it grows, one has begun (the receive interval starts there, C6).
  uint64_t transactions() const { return transactions_; }
  // Command lines that have come to their end.
  uint64_t commands() const { return commands_; }
  bool receiving_content() const { return in_content_; }  // or a chunk
  // From the first octet of content to its end, also between chunks.
  bool holds_content() const { return in_content_ || has_chunks(); }
  uint64_t content_bytes() const { return decoder_.size(); }
  // Octets of content that the session holds.
  size_t gathered() const { return content_.size(); }
  // For "lost connection after X from": "CONNECT", "EHLO", "DATA (12 bytes)", "BDAT (12 bytes)", "END-OF-MESSAGE",
  // "UNKNOWN".
  std::string place() const;
  // For "disconnect from host[ip] ": "ehlo=1 mail=1 rcpt=1/2 data=1 quit=1 commands=5/6" (accepted/given).
  std::string command_counts() const;

 private:
  enum class Waiting : uint8_t { kNothing, kSender, kRecipient, kStored, kDelay };
  // What BDAT has brought of a message (RFC 3030).
  enum class Chunks : uint8_t {
    kNone,
    kGood,
    kRefused,  // all that follow are, up to the last or to RSET
  };
  struct Chunk {
    uint64_t size = 0;
    uint64_t left = 0;  // octets to come
    bool last = false;
  };
  struct Count {
    unsigned given = 0;
    unsigned accepted = 0;
  };

  // Input.
  void consume(std::string_view bytes, std::vector<Action>& out);
  void finish(std::vector<Action>& out);
  size_t consume_content(std::string_view bytes, std::vector<Action>& out);
  size_t consume_chunk(std::string_view bytes, std::vector<Action>& out);
  void hand_out_content(std::vector<Action>& out);
  size_t consume_line(std::string_view bytes, std::vector<Action>& out);
  void begin_command(std::vector<Action>& out);
  void run_line(std::string_view line, bool more, std::vector<Action>& out);
  void talks_blindly(std::vector<Action>& out);
  void run_command(Verb verb, std::string_view arguments, bool more, std::vector<Action>& out);
  bool is_doomed() const;
  bool has_chunks() const { return chunks_ != Chunks::kNone; }
  void begin_content();
  void end_of_chunk(std::vector<Action>& out);
  void end_of_content(std::vector<Action>& out);
  void refuse_chunk(Reply reply, std::vector<Action>& out);
  Reply doom() const;
  void go_on(std::vector<Action>& out);

  // Commands.
  void helo(Verb verb, std::string_view arguments, std::vector<Action>& out);
  void mail(std::string_view arguments, std::vector<Action>& out);
  void rcpt(std::string_view arguments, std::vector<Action>& out);
  void data(std::string_view arguments, std::vector<Action>& out);
  void bdat(std::string_view arguments, bool more, std::vector<Action>& out);
  void rset(std::string_view arguments, std::vector<Action>& out);
  void vrfy(std::string_view arguments, std::vector<Action>& out);
  void help();
  void unknown(std::string_view word, std::vector<Action>& out);
  std::optional<Reply> read_mail_parameters(std::string_view arguments, Transaction& transaction) const;
  std::optional<Reply> read_recipient_parameters(std::string_view arguments, Recipient& recipient) const;
  void begin_transaction();
  void end_transaction(std::vector<Action>& out);
  void refuse_overshoot(std::string recipient, std::vector<Action>& out);
  void add_recipient(Recipient recipient);
  void count_junk();

  // Output.
  void accept(int code, std::string_view enhanced, std::string_view text);
  void refuse(Reply reply, std::vector<Action>& out);
  void refuse_at(std::string_view stage, Reply reply, std::string recipient, std::vector<Action>& out);
  void hang_up(const Reply& reply, Noted noted, std::vector<Action>& out);
  void look_at_errors(std::vector<Action>& out);
  void note_bare_newline(std::vector<Action>& out);
  void say_goodbye(std::string_view enhanced, std::string_view text, std::vector<Action>& out);
  void flush(std::vector<Action>& out);
  void close(std::vector<Action>& out);

  const ServerOptions options_;
  std::string kept_;     // input behind an outstanding answer
  std::string line_;     // the start of a command line that has not ended yet
  std::string replies_;  // not yet handed out
  std::string content_;
  DataDecoder decoder_;

  std::string helo_;
  Transaction transaction_;
  Recipient asked_;  // that is being decided
  uint64_t transactions_ = 0;
  uint64_t commands_ = 0;
  std::array<Count, kVerbs> counts_ = {};
  unsigned errors_ = 0;
  unsigned junk_ = 0;
  size_t overshoot_ = 0;  // recipients beyond the limit, in this transaction
  Verb last_verb_ = Verb::kUnknown;
  Waiting waiting_ = Waiting::kNothing;
  Chunks chunks_ = Chunks::kNone;
  Chunk chunk_;
  bool esmtp_ = false;
  bool in_transaction_ = false;
  bool in_content_ = false;
  bool in_pieces_ = false;      // the content is beyond gather_limit
  bool after_message_ = false;  // no command since the end of a message
  bool line_too_long_ = false;
  bool slowed_ = false;  // the answer to this command comes late
  bool bare_newline_noted_ = false;
  bool shutting_down_ = false;
  bool closed_ = false;
};

}  // namespace hikyaku::smtp
