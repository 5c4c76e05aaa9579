// The client's side of one SMTP connection (RFC 5321, 2920, 1870, 6152, 3461, 6531): takes jobs, gives a result per
// recipient; bytes in, actions out, no I/O, resumable at any byte.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "smtp/dsn.h"
#include "smtp/reply.h"

namespace hikyaku::smtp {

struct ClientOptions {
  std::string helo_name;
  bool pipelining = true;  // use it where it is offered
};

// One message for this connection. Mailboxes without angle brackets; the content stays with the caller.
struct Job {
  uint64_t id = 0;  // the caller's; comes back in the actions
  std::string sender;
  std::vector<Recipient> recipients;  // at least one
  uint64_t size = 0;                  // octets of the content
  bool eight_bit = false;             // the content has octets above 127
  bool may_grow = false;              // it is sent with more octets than `size`
  bool smtputf8 = false;              // addresses or the header have UTF-8: only a server with SMTPUTF8 can take it
  std::string envelope_id{};          // ENVID and RET of RFC 3461 as they were given, empty when not
  std::string return_content{};
};

// Where a conversation stands; the caller chooses the deadline by it.
enum class Stage : uint8_t {
  kConnect,
  kGreeting,
  kEhlo,
  kHelo,  // to a server that does not know EHLO
  kMail,
  kRcpt,
  kDataInit,
  kDataXfer,
  kDataDone,
  kRset,
  kQuit,
  kIdle,
};
enum class Outcome : uint8_t { kSent, kDeferred, kBounced };
// Why an outcome is not kSent, or with kReply: what the server said.
enum class Cause : uint8_t {
  kReply,
  kLost,
  kTimedOut,
  kMalformed,   // the server sent what is no SMTP reply; `reply.text` has it
  kUnsendable,  // refused on this side; `reply.text` says why
};

struct DeliveryResult {
  Outcome outcome = Outcome::kDeferred;
  Cause cause = Cause::kReply;
  Stage stage = Stage::kConnect;
  Reply reply;  // the server's with kReply; else its code is 0 and its enhanced code says the kind (4.4.2 …)
  bool in_doubt = false;  // lost after the end of the content was sent: the message may arrive twice

  bool operator==(const DeliveryResult&) const = default;
};

// Actions, to be carried out in their order. Sends of one call belong into one write.

struct Send {
  std::string bytes;
  bool operator==(const Send&) const = default;
};
// Write the content, dot-stuffed, and the end of data (DotStuffer). Call content_sent() when the last octet is
// handed to the socket.
struct SendContent {
  uint64_t job = 0;
  bool takes_eight_bit = true;  // the server offers 8BITMIME; else content with octets above 127 wants to be encoded
  bool operator==(const SendContent&) const = default;
};
// Every recipient has its result, in the order of the job's recipients. The job is the caller's again.
struct JobDone {
  uint64_t job = 0;
  std::vector<DeliveryResult> results;
  bool operator==(const JobDone&) const = default;
};
// A reused connection was gone before MAIL had an answer: no attempt was made, try at once on a fresh connection.
struct JobReturned {
  uint64_t job = 0;
  bool operator==(const JobReturned&) const = default;
};
// The connection ends, without having been asked to, before it had a job: try the next host. That is a greeting or EHLO
// that failed, or a server that hangs up behind EHLO. The outcome is always kDeferred.
struct HostFailed {
  DeliveryResult result;
  bool operator==(const HostFailed&) const = default;
};
// start() may be called, if ready() still says so: the bytes that made it ready may hold the connection's end too.
struct Ready {
  bool operator==(const Ready&) const = default;
};
// After the bytes sent so far.
struct Hangup {
  bool operator==(const Hangup&) const = default;
};
using ClientAction = std::variant<Send, SendContent, JobDone, JobReturned, HostFailed, Ready, Hangup>;

class ClientSession {
 public:
  explicit ClientSession(ClientOptions options);

  void connected(std::vector<ClientAction>& out);  // TCP stands; the greeting is awaited
  void receive(std::string_view bytes, std::vector<ClientAction>& out);
  // After Ready, also while the previous job's last reply is outstanding.
  void start(Job job, std::vector<ClientAction>& out);
  void content_sent(std::vector<ClientAction>& out);
  // At once when idle, else as soon as what runs has its results.
  void quit(std::vector<ClientAction>& out);
  // Each ends the session: what is unfinished gets its result.
  void lost(std::vector<ClientAction>& out);  // the server closed, or reading or writing failed
  void timed_out(std::vector<ClientAction>& out);

  Stage stage() const;
  bool ready() const { return ready_; }
  bool closed() const { return closed_; }
  bool idle() const { return stage() == Stage::kIdle; }
  bool offers_pipelining() const { return pipelining_; }
  bool offers_dsn() const { return dsn_; }  // it was told what the sender wants to know, and will see to that
  uint64_t offered_size() const { return size_limit_; }  // of SIZE; 0: none given
  unsigned jobs_started() const { return jobs_; }        // conn_use=
  // Complete replies so far. Each reply has its time; bytes of one that has not ended are no reason to wait longer.
  uint64_t replies() const { return replies_; }

 private:
  struct Running {
    Job job;
    std::vector<DeliveryResult> results;  // one without a reply and an enhanced code is open
    size_t sent = 0;                      // commands sent, of MAIL, RCPT…, DATA
    size_t answered = 0;                  // … and answered
    size_t accepted = 0;                  // recipients with 2xx
    bool mail_accepted = false;
    bool reported = false;         // JobDone is out; only replies are awaited
    bool sending_content = false;  // SendContent is out, content_sent() is awaited

    size_t commands() const { return job.recipients.size() + 2; }
    Stage stage() const;
    // Gives every open recipient this result; then the job is reported.
    void resolve(const DeliveryResult& result, std::vector<ClientAction>& out);
  };

  void on_reply(Reply reply, std::vector<ClientAction>& out);
  void on_greeting(Reply reply, std::vector<ClientAction>& out);
  void on_helo(Reply reply, std::vector<ClientAction>& out);
  void on_unasked(Reply reply, std::vector<ClientAction>& out);
  void on_transaction_reply(Reply reply, std::vector<ClientAction>& out);
  void on_mail(Reply reply, std::vector<ClientAction>& out);
  void on_rcpt(Reply reply, std::vector<ClientAction>& out);
  void on_data(Reply reply, std::vector<ClientAction>& out);
  void on_final(Reply reply, std::vector<ClientAction>& out);
  void read_keywords(std::string_view lines);
  DeliveryResult failure_of(Stage stage, Reply reply) const;
  void send_helo(Stage stage, std::vector<ClientAction>& out);
  void send_quit(std::vector<ClientAction>& out);
  void send(std::string bytes, std::vector<ClientAction>& out);
  void go_on(std::vector<ClientAction>& out);
  void return_current(std::vector<ClientAction>& out);
  void send_commands(std::vector<ClientAction>& out);
  void append_command(std::string& wire, const Running& running, size_t index) const;
  std::optional<Reply> unsendable(const Job& job) const;
  void end_current(std::vector<ClientAction>& out);
  void become_ready(std::vector<ClientAction>& out);
  void give_up(Cause cause, const Reply& reply, std::vector<ClientAction>& out);
  void fail_host(Cause cause, Reply reply, std::vector<ClientAction>& out);
  void hang_up(std::vector<ClientAction>& out);

  const ClientOptions options_;
  ReplyParser parser_;
  std::optional<Running> ending_;  // its content is sent, the last reply is awaited
  std::optional<Running> current_;
  Stage phase_ = Stage::kConnect;  // up to EHLO or HELO, then kIdle while transactions run, kRset, kQuit
  uint64_t size_limit_ = 0;
  unsigned jobs_ = 0;
  uint64_t replies_ = 0;
  bool pipelining_ = false;
  bool eight_bit_mime_ = false;
  bool dsn_ = false;
  bool smtputf8_ = false;
  bool size_ = false;
  bool ready_ = false;
  bool quit_wanted_ = false;
  bool closed_ = false;
};

// What a delivery line says in brackets, `host` being "name[address]":
//   "250 2.0.0 Ok: queued as …"
//   "host HOST said: 450 4.2.0 Busy (in reply to RCPT TO command)"
//   "lost connection with HOST while sending MAIL FROM"
std::string explain(const DeliveryResult& result, std::string_view host);

}  // namespace hikyaku::smtp
