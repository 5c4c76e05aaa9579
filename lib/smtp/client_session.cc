// The client's session: replies and the end of a connection. What is sent is in client_commands.cc.
#include "smtp/client_session.h"

#include <algorithm>
#include <utility>

#include "util/error.h"
#include "util/text.h"

namespace hikyaku::smtp {
namespace {

bool is_open(const DeliveryResult& result) { return result.reply.code == 0 && result.reply.enhanced.empty(); }

bool is_success(const Reply& reply) { return reply.code >= 200 && reply.code < 300; }

DeliveryResult result_of(Stage stage, Reply reply) {
  const Outcome outcome = reply.is_permanent() ? Outcome::kBounced
                          : is_success(reply)  ? Outcome::kSent
                                               : Outcome::kDeferred;
  return {outcome, Cause::kReply, stage, std::move(reply), false};
}

}  // namespace

ClientSession::ClientSession(ClientOptions options) : options_(std::move(options)) {}

void ClientSession::receive(std::string_view bytes, std::vector<ClientAction>& out) {
  while (!closed_) {
    const ReplyParser::Status status = parser_.parse(bytes);
    if (status == ReplyParser::Status::kNeedMore) return;
    if (status == ReplyParser::Status::kMalformed)
      return give_up(Cause::kMalformed, {0, "4.5.0", parser_.malformed()}, out);
    ++replies_;
    on_reply(parser_.take(phase_ == Stage::kEhlo ? '\n' : ' '), out);
  }
}

void ClientSession::on_reply(Reply reply, std::vector<ClientAction>& out) {
  switch (phase_) {
    case Stage::kGreeting:
      return on_greeting(std::move(reply), out);
    case Stage::kEhlo:
    case Stage::kHelo:
      return on_helo(std::move(reply), out);
    case Stage::kRset:
      if (!is_success(reply)) return hang_up(out);
      phase_ = Stage::kIdle;
      return become_ready(out);
    case Stage::kIdle:
      if (ending_) return on_final(std::move(reply), out);
      if (current_) return on_transaction_reply(std::move(reply), out);
      return on_unasked(std::move(reply), out);
    default:
      return hang_up(out);
  }
}

void ClientSession::on_greeting(Reply reply, std::vector<ClientAction>& out) {
  if (!is_success(reply)) return fail_host(Cause::kReply, std::move(reply), out);
  send_helo(Stage::kEhlo, out);
}

void ClientSession::on_helo(Reply reply, std::vector<ClientAction>& out) {
  if (is_success(reply)) {
    if (phase_ == Stage::kEhlo) read_keywords(reply.text);
    phase_ = Stage::kIdle;
    return become_ready(out);
  }
  // RFC 5321 section 3.2: a server that does not know EHLO may know HELO.
  if (phase_ == Stage::kEhlo && reply.is_permanent()) return send_helo(Stage::kHelo, out);
  std::ranges::replace(reply.text, '\n', ' ');
  fail_host(Cause::kReply, std::move(reply), out);
}

// Most often 421: an idle connection is being closed, or the server wants no mail from us.
void ClientSession::on_unasked(Reply reply, std::vector<ClientAction>& out) {
  if (reply.is_positive()) return give_up(Cause::kMalformed, {0, "4.5.0", reply.line()}, out);
  give_up(Cause::kReply, reply, out);
}

// The lines of the answer to EHLO behind the first, which is a greeting.
void ClientSession::read_keywords(std::string_view lines) {
  const std::vector<std::string_view> all = util::split(lines, "\n");
  for (size_t i = 1; i < all.size(); ++i) {
    const std::vector<std::string_view> words = util::split(all[i], " \t");
    if (words.empty()) continue;
    if (util::iequals(words[0], "PIPELINING")) {
      pipelining_ = options_.pipelining;
    } else if (util::iequals(words[0], "8BITMIME")) {
      eight_bit_mime_ = true;
    } else if (util::iequals(words[0], "SMTPUTF8")) {
      smtputf8_ = true;
    } else if (util::iequals(words[0], "DSN")) {
      dsn_ = true;
    } else if (util::iequals(words[0], "SIZE")) {
      size_ = true;
      if (words.size() > 1) size_limit_ = util::parse_number(words[1]).value_or(0);
    }
  }
}

void ClientSession::on_transaction_reply(Reply reply, std::vector<ClientAction>& out) {
  if (reply.code == 421) return give_up(Cause::kReply, reply, out);
  const size_t index = current_->answered++;
  if (index == 0) {
    on_mail(std::move(reply), out);
  } else if (index + 1 < current_->commands()) {
    on_rcpt(std::move(reply), out);
  } else {
    on_data(std::move(reply), out);
  }
}

void ClientSession::on_mail(Reply reply, std::vector<ClientAction>& out) {
  current_->mail_accepted = is_success(reply);
  if (!current_->mail_accepted) current_->resolve(failure_of(Stage::kMail, std::move(reply)), out);
  go_on(out);
}

void ClientSession::on_rcpt(Reply reply, std::vector<ClientAction>& out) {
  const size_t recipient = current_->answered - 2;
  if (!current_->reported) {
    if (is_success(reply)) {
      ++current_->accepted;
    } else {
      // RFC 5321 section 4.5.3.1.10: behind accepted recipients 552 can mean "too many of them for one message".
      if (reply.code == 552 && current_->accepted > 0) {
        reply.code = 452;
        if (!reply.enhanced.empty()) reply.enhanced[0] = '4';
      }
      current_->results[recipient] = failure_of(Stage::kRcpt, std::move(reply));
    }
    const bool last = current_->answered + 1 == current_->commands();
    if (last && current_->accepted == 0) current_->resolve({}, out);
  }
  go_on(out);
}

void ClientSession::on_data(Reply reply, std::vector<ClientAction>& out) {
  if (reply.code < 300 || reply.code >= 400) {
    if (!current_->reported) current_->resolve(failure_of(Stage::kDataInit, std::move(reply)), out);
    return end_current(out);
  }
  // RFC 2920 section 3.1: a server may say 354 though it refused all recipients; then it gets an empty message.
  if (current_->reported) {
    send(".\r\n", out);
  } else {
    out.push_back(SendContent{current_->job.id, eight_bit_mime_});
    current_->sending_content = true;
  }
  ending_ = std::exchange(current_, std::nullopt);
  if (pipelining_) become_ready(out);
}

// What is no success here is a failure: a server out of step must not make us believe that mail went out.
DeliveryResult ClientSession::failure_of(Stage stage, Reply reply) const {
  if (!reply.is_positive()) return result_of(stage, std::move(reply));
  return {Outcome::kDeferred, Cause::kMalformed, stage, {0, "4.5.0", reply.line()}, false};
}

void ClientSession::on_final(Reply reply, std::vector<ClientAction>& out) {
  // A refusal may come before all content is sent; the connection cannot be used then, for the server reads on. A
  // success before the end is a lie.
  const bool early = ending_->sending_content;
  const int code = reply.code;
  if (is_success(reply) && !early) {
    ending_->resolve(result_of(Stage::kDataDone, std::move(reply)), out);
  } else {
    ending_->resolve(failure_of(ending_->stage(), std::move(reply)), out);
  }
  ending_.reset();
  if (early || code == 421) {
    return_current(out);
    return hang_up(out);
  }
  if (!current_ && !ready_) become_ready(out);
}

void ClientSession::content_sent(std::vector<ClientAction>&) {
  if (ending_) ending_->sending_content = false;
}

void ClientSession::lost(std::vector<ClientAction>& out) { give_up(Cause::kLost, {0, "4.4.2", ""}, out); }

void ClientSession::timed_out(std::vector<ClientAction>& out) { give_up(Cause::kTimedOut, {0, "4.4.2", ""}, out); }

// The end of the connection, whatever runs. What is not known to be delivered is not delivered.
void ClientSession::give_up(Cause cause, const Reply& reply, std::vector<ClientAction>& out) {
  if (closed_) return;
  if (phase_ <= Stage::kHelo || (phase_ == Stage::kIdle && jobs_ == 0)) return fail_host(cause, reply, out);
  const bool other_ran = ending_.has_value();
  if (ending_) {
    const bool in_doubt = !ending_->sending_content;
    ending_->resolve({Outcome::kDeferred, cause, ending_->stage(), reply, in_doubt}, out);
    ending_.reset();
  }
  if (current_) {
    // The connection, not the message, had its time: on a fresh one it counts.
    const bool stale = jobs_ > 1 && cause != Cause::kTimedOut && cause != Cause::kMalformed;
    if (current_->answered == 0 && (stale || other_ran)) {
      return_current(out);
    } else {
      current_->resolve({Outcome::kDeferred, cause, current_->stage(), reply, false}, out);
      current_.reset();
    }
  }
  hang_up(out);
}

void ClientSession::return_current(std::vector<ClientAction>& out) {
  if (current_) out.push_back(JobReturned{current_->job.id});
  current_.reset();
}

void ClientSession::fail_host(Cause cause, Reply reply, std::vector<ClientAction>& out) {
  const bool polite = cause == Cause::kReply && reply.code != 421;
  out.push_back(HostFailed{{Outcome::kDeferred, cause, phase_, std::move(reply), false}});
  if (polite) send("QUIT\r\n", out);
  hang_up(out);
}

void ClientSession::hang_up(std::vector<ClientAction>& out) {
  closed_ = true;
  ready_ = false;
  out.push_back(Hangup{});
}

Stage ClientSession::stage() const {
  if (phase_ != Stage::kIdle) return phase_;
  if (ending_) return ending_->stage();
  return current_ ? current_->stage() : Stage::kIdle;
}

Stage ClientSession::Running::stage() const {
  if (answered == commands()) return sending_content ? Stage::kDataXfer : Stage::kDataDone;
  if (answered == 0) return Stage::kMail;
  return answered + 1 < commands() ? Stage::kRcpt : Stage::kDataInit;
}

void ClientSession::Running::resolve(const DeliveryResult& result, std::vector<ClientAction>& out) {
  if (reported) return;
  for (DeliveryResult& open : results)
    if (is_open(open)) open = result;
  out.push_back(JobDone{job.id, std::move(results)});
  reported = true;
}

}  // namespace hikyaku::smtp
