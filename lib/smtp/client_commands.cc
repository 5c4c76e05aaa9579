// The client's session: what is sent, and when.
#include <algorithm>
#include <utility>

#include "smtp/client_session.h"
#include "util/error.h"

namespace hikyaku::smtp {
namespace {

// Our own queue holds no such mailbox; should one ever come, it must not become a command of its own.
bool is_safe(std::string_view mailbox) {
  return std::ranges::all_of(mailbox, [](char c) { return static_cast<unsigned char>(c) >= ' ' && c != 0x7F; });
}

}  // namespace

void ClientSession::connected(std::vector<ClientAction>&) { phase_ = Stage::kGreeting; }

void ClientSession::send_helo(Stage stage, std::vector<ClientAction>& out) {
  phase_ = stage;
  send((stage == Stage::kEhlo ? "EHLO " : "HELO ") + options_.helo_name + "\r\n", out);
}

void ClientSession::start(Job job, std::vector<ClientAction>& out) {
  util::ensure(ready_ && !job.recipients.empty(), "start() without Ready or without recipients");
  Running running;
  running.results.resize(job.recipients.size());
  running.job = std::move(job);
  if (std::optional<Reply> reason = unsendable(running.job)) {
    running.resolve({Outcome::kBounced, Cause::kUnsendable, Stage::kMail, std::move(*reason), false}, out);
    out.push_back(Ready{});
    return;
  }
  ready_ = false;
  ++jobs_;
  current_ = std::move(running);
  send_commands(out);
}

// A message that this server cannot take, known before it is asked.
std::optional<Reply> ClientSession::unsendable(const Job& job) const {
  if (size_limit_ != 0 && job.size > size_limit_)
    return Reply{0, "5.3.4",
                 "message size " + std::to_string(job.size) + " exceeds size limit " + std::to_string(size_limit_)};
  if (job.smtputf8 && !smtputf8_) return Reply{0, "5.6.7", "SMTPUTF8 is required, but was not offered"};
  if (!is_safe(job.sender)) return Reply{0, "5.1.7", "control character in sender address"};
  if (!std::ranges::all_of(job.recipients, is_safe, &Recipient::mailbox))
    return Reply{0, "5.1.3", "control character in recipient address"};
  return std::nullopt;
}

// All commands up to DATA in one send where the server lets us (RFC 2920), else one by one.
void ClientSession::send_commands(std::vector<ClientAction>& out) {
  Running& running = *current_;
  const size_t until = pipelining_ ? running.commands() : running.sent + 1;
  std::string wire;
  if (pipelining_) wire.reserve(64 + running.job.sender.size() + running.job.recipients.size() * 48);
  for (; running.sent < until; ++running.sent) append_command(wire, running, running.sent);
  send(std::move(wire), out);
}

void ClientSession::append_command(std::string& wire, const Running& running, size_t index) const {
  const Job& job = running.job;
  if (index == 0) {
    wire.append("MAIL FROM:<").append(job.sender).append(">");
    // RFC 1870 section 5 wants what will be sent. What is made 7-bit on the way is not known yet, only that it grows.
    const bool is_known = !job.may_grow && (eight_bit_mime_ || !job.eight_bit);
    if (size_ && is_known) wire.append(" SIZE=").append(std::to_string(job.size));
    if (eight_bit_mime_ && job.eight_bit) wire.append(" BODY=8BITMIME");
    if (job.smtputf8) wire.append(" SMTPUTF8");
    if (dsn_ && !job.return_content.empty()) wire.append(" RET=").append(job.return_content);
    if (dsn_ && !job.envelope_id.empty()) wire.append(" ENVID=").append(job.envelope_id);
  } else if (index + 1 < running.commands()) {
    const Recipient& recipient = job.recipients[index - 1];
    wire.append("RCPT TO:<").append(recipient.mailbox).append(">");
    if (dsn_ && recipient.notify != 0) wire.append(" NOTIFY=").append(notify_text(recipient.notify));
    if (dsn_ && !recipient.original_recipient.empty()) wire.append(" ORCPT=").append(recipient.original_recipient);
  } else {
    wire.append("DATA");
  }
  wire.append("\r\n");
}

// After an answer to MAIL or RCPT. Pipelined commands are out already, only their answers are missing.
void ClientSession::go_on(std::vector<ClientAction>& out) {
  if (current_->answered < current_->sent) return;
  if (current_->reported) return end_current(out);
  send_commands(out);
}

// A job without content sent: where its MAIL stands with the server, the next MAIL would be "nested".
void ClientSession::end_current(std::vector<ClientAction>& out) {
  const bool open_transaction = current_->mail_accepted;
  current_.reset();
  if (!open_transaction) return become_ready(out);
  phase_ = Stage::kRset;
  send("RSET\r\n", out);
}

void ClientSession::become_ready(std::vector<ClientAction>& out) {
  // Behind a message whose reply is outstanding, QUIT waits for that reply.
  if (quit_wanted_ && ending_) return;
  if (quit_wanted_) return send_quit(out);
  ready_ = true;
  out.push_back(Ready{});
}

void ClientSession::quit(std::vector<ClientAction>& out) {
  if (closed_) return;
  quit_wanted_ = true;
  ready_ = false;
  if (idle()) send_quit(out);
}

void ClientSession::send_quit(std::vector<ClientAction>& out) {
  phase_ = Stage::kQuit;
  send("QUIT\r\n", out);
}

// Sends of one call become one action.
void ClientSession::send(std::string bytes, std::vector<ClientAction>& out) {
  Send* last = out.empty() ? nullptr : std::get_if<Send>(&out.back());
  if (last) {
    last->bytes += bytes;
  } else {
    out.push_back(Send{std::move(bytes)});
  }
}

}  // namespace hikyaku::smtp
