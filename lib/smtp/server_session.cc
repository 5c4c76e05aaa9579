// The server's session: its input, the answers of its caller, its output. The commands are in server_commands.cc.
#include "smtp/server_session.h"

#include <algorithm>
#include <utility>

#include "util/error.h"
#include "util/text.h"

namespace hikyaku::smtp {
namespace {

struct VerbName {
  std::string_view name;
  Verb verb;
};
// Most frequent first.
constexpr VerbName kVerbNames[] = {
    {"MAIL", Verb::kMail}, {"RCPT", Verb::kRcpt}, {"DATA", Verb::kData}, {"BDAT", Verb::kBdat},
    {"EHLO", Verb::kEhlo}, {"QUIT", Verb::kQuit}, {"RSET", Verb::kRset}, {"HELO", Verb::kHelo},
    {"NOOP", Verb::kNoop}, {"VRFY", Verb::kVrfy}, {"HELP", Verb::kHelp},
};

Verb verb_of(std::string_view word) {
  for (const VerbName& entry : kVerbNames)
    if (util::iequals(word, entry.name)) return entry.verb;
  return Verb::kUnknown;
}

std::string_view name_of(Verb verb) {
  for (const VerbName& entry : kVerbNames)
    if (entry.verb == verb) return entry.name;
  return "UNKNOWN";
}

bool is_control(char c) { return (static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7F; }

// A web browser that was lured here, or a program that speaks something else: to answer it line by line only helps it
// to get a command of its own through (cross-protocol attacks). No command of ours begins with anything but a letter.
bool is_foreign(std::string_view word) {
  constexpr std::string_view kForeign[] = {"GET",     "POST",   "PUT",   "HEAD",    "CONNECT",
                                           "OPTIONS", "DELETE", "PATCH", "PROPFIND"};
  if (word.empty()) return false;
  if (!util::is_alpha(word.front())) return true;
  return std::ranges::any_of(kForeign, [&](std::string_view verb) { return util::iequals(word, verb); });
}

}  // namespace

ServerSession::ServerSession(ServerOptions options) : options_(std::move(options)) {}

void ServerSession::greet(std::vector<Action>& out) {
  append_reply(replies_, 220, "", options_.hostname + " ESMTP");
  finish(out);
}

// ---- Input.

void ServerSession::receive(std::string_view bytes, std::vector<Action>& out) {
  if (closed_) return;
  if (waiting()) {
    kept_.append(bytes);
    return;
  }
  consume(bytes, out);
  finish(out);
}

void ServerSession::consume(std::string_view bytes, std::vector<Action>& out) {
  while (!bytes.empty() && !waiting() && !closed_) {
    const size_t used = !in_content_   ? consume_line(bytes, out)
                        : has_chunks() ? consume_chunk(bytes, out)
                                       : consume_content(bytes, out);
    bytes.remove_prefix(used);
  }
  if (waiting()) kept_.assign(bytes);
}

// What came while an answer was outstanding, and the replies to it.
void ServerSession::go_on(std::vector<Action>& out) {
  const std::string kept = std::exchange(kept_, {});
  consume(kept, out);
  finish(out);
}

size_t ServerSession::consume_content(std::string_view bytes, std::vector<Action>& out) {
  const DataDecoder::Step step = decoder_.decode(bytes, content_);
  hand_out_content(out);
  if (step.done) {
    end_of_content(out);
    look_at_errors(out);
  }
  return step.used;
}

// Of a chunk that is refused, every octet is passed over: it must not be read as commands.
size_t ServerSession::consume_chunk(std::string_view bytes, std::vector<Action>& out) {
  bytes = bytes.substr(0, chunk_.left);
  chunk_.left -= bytes.size();
  if (chunks_ == Chunks::kGood) {
    decoder_.decode_chunk(bytes, content_);
    if (chunk_.left == 0 && chunk_.last) decoder_.end_chunks(content_);
    hand_out_content(out);
  }
  if (chunk_.left == 0) {
    end_of_chunk(out);
    look_at_errors(out);
  }
  return bytes.size();
}

void ServerSession::hand_out_content(std::vector<Action>& out) {
  if (is_doomed()) {
    std::string().swap(content_);
    if (std::exchange(in_pieces_, false)) out.push_back(ContentDropped{});
  } else if (in_pieces_) {
    if (!content_.empty()) out.push_back(ContentPiece{std::exchange(content_, {})});
  } else if (options_.gather_limit != 0 && content_.size() > options_.gather_limit) {
    in_pieces_ = true;
    out.push_back(BigContent{transaction_, std::exchange(content_, {})});
  }
}

size_t ServerSession::consume_line(std::string_view bytes, std::vector<Action>& out) {
  const size_t lf = bytes.find('\n');
  const std::string_view piece = bytes.substr(0, lf);
  if (line_.size() + piece.size() > options_.line_length_limit) line_too_long_ = true;
  const bool whole = lf != bytes.npos && line_.empty();
  if (!whole && !line_too_long_) line_.append(piece);
  if (line_too_long_) line_.clear();
  if (lf == bytes.npos) return bytes.size();
  const bool more = lf + 1 < bytes.size();
  begin_command(out);
  if (std::exchange(line_too_long_, false)) {
    last_verb_ = Verb::kUnknown;
    ++counts_[static_cast<size_t>(Verb::kUnknown)].given;
    refuse({500, "5.5.2", "Error: line too long"}, out);
  } else if (whole) {
    run_line(piece, more, out);
  } else {
    const std::string line = std::exchange(line_, {});
    run_line(line, more, out);
  }
  look_at_errors(out);
  return lf + 1;
}

void ServerSession::begin_command(std::vector<Action>& out) {
  ++commands_;
  after_message_ = false;
  slowed_ = errors_ >= options_.soft_error_limit;
  if (slowed_) flush(out);  // the answers to what came before are not held up
}

// `more`: the client did not wait for the answer.
void ServerSession::run_line(std::string_view line, bool more, std::vector<Action>& out) {
  const bool bare_newline = !line.ends_with('\r');
  if (!bare_newline) line.remove_suffix(1);
  const bool has_control = std::ranges::any_of(line, is_control);
  line = util::trim(line);
  const size_t end = std::min(line.find_first_of(" \t"), line.size());
  const std::string_view word = line.substr(0, end);
  last_verb_ = has_control ? Verb::kUnknown : verb_of(word);
  ++counts_[static_cast<size_t>(last_verb_)].given;
  if (bare_newline) note_bare_newline(out);
  if (last_verb_ == Verb::kUnknown && is_foreign(word)) {
    hang_up({221, "2.7.0", "Error: this is a mail server, goodbye"}, {"non-SMTP command", std::string(line), true},
            out);
  } else if (bare_newline && options_.bare_newline == BareNewline::kReject) {
    refuse({521, "5.5.2", "Error: bare <LF> received"}, out);
  } else if (more && options_.forbid_blind_talk && helo_.empty()) {
    talks_blindly(out);
  } else if (has_control) {
    refuse({500, "5.5.2", "Error: control character in command"}, out);
    if (more && verb_of(word) == Verb::kBdat && !closed_) talks_blindly(out);
  } else if (last_verb_ == Verb::kUnknown) {
    unknown(word, out);
  } else {
    run_command(last_verb_, util::trim(line.substr(end)), more, out);
    // What stands behind a DATA that was refused may be somebody's message: it must not be read as commands.
    if (more && last_verb_ == Verb::kData && options_.forbid_blind_talk && !in_content_ && !closed_) talks_blindly(out);
  }
}

// RFC 2920 section 3.1: what may not be sent before the answer to another command came.
void ServerSession::talks_blindly(std::vector<Action>& out) {
  hang_up({554, "5.5.0", "Error: SMTP protocol synchronization"}, {"improper command pipelining after " + place(), ""},
          out);
}

// ---- The caller's answers.

void ServerSession::decided(Verdict verdict, std::vector<Action>& out) {
  if (closed_) return;
  util::ensure(waiting_ == Waiting::kSender || waiting_ == Waiting::kRecipient, "decided() without a question");
  const bool sender = waiting_ == Waiting::kSender;
  waiting_ = Waiting::kNothing;
  if (verdict.refusal) {
    refuse_at(sender ? "MAIL" : "RCPT", std::move(*verdict.refusal), std::exchange(asked_, {}).mailbox, out);
    if (sender) end_transaction(out);
  } else if (sender) {
    begin_transaction();
  } else {
    add_recipient(std::exchange(asked_, {}));
  }
  look_at_errors(out);
  go_on(out);
}

void ServerSession::stored(Reply reply, std::vector<Action>& out) {
  if (closed_) return;
  util::ensure(waiting_ == Waiting::kStored, "stored() without a message");
  waiting_ = Waiting::kNothing;
  if (reply.is_positive()) {
    ++counts_[static_cast<size_t>(last_verb_)].accepted;  // DATA or BDAT
    errors_ = 0;
    junk_ = 0;
    slowed_ = false;
    append_reply(replies_, reply);
  } else if (reply.code < 500) {
    append_reply(replies_, reply);  // our trouble, not an error of the client's
  } else {
    refuse(std::move(reply), out);
  }
  if (shutting_down_ && !closed_) return say_goodbye("4.3.2", "Service shutting down", out);
  look_at_errors(out);
  go_on(out);
}

void ServerSession::resume(std::vector<Action>& out) {
  if (closed_) return;
  util::ensure(waiting_ == Waiting::kDelay, "resume() without a delay");
  waiting_ = Waiting::kNothing;
  go_on(out);
}

void ServerSession::turn_away(std::string_view why, std::vector<Action>& out) { say_goodbye("4.7.0", why, out); }

void ServerSession::timed_out(std::vector<Action>& out) {
  if (!closed_) say_goodbye("4.4.2", "Error: timeout exceeded", out);
}

void ServerSession::shut_down(std::vector<Action>& out) {
  if (closed_) return;
  if (waiting_ == Waiting::kStored) {
    shutting_down_ = true;
  } else {
    say_goodbye("4.3.2", "Service shutting down", out);
  }
}

// ---- Output.

void ServerSession::accept(int code, std::string_view enhanced, std::string_view text) {
  ++counts_[static_cast<size_t>(last_verb_)].accepted;
  append_reply(replies_, code, enhanced, text);
}

// Counts the error. RFC 5321 section 3.8 and RFC 7504: 421 and 521 announce that the connection closes.
void ServerSession::refuse(Reply reply, std::vector<Action>& out) {
  ++errors_;
  append_reply(replies_, reply);
  if (reply.code == 421 || reply.code == 521) close(out);
}

// Behind each answer: a client that makes many errors is slowed down, then sent away.
void ServerSession::look_at_errors(std::vector<Action>& out) {
  if (closed_ || waiting()) return;
  if (errors_ >= options_.hard_error_limit) {
    out.push_back(Noted{"too many errors after " + place(), ""});
    return say_goodbye("4.7.0", "Error: too many errors", out);
  }
  if (!slowed_) return;
  out.push_back(Delay{});
  waiting_ = Waiting::kDelay;
}

void ServerSession::note_bare_newline(std::vector<Action>& out) {
  if (options_.bare_newline == BareNewline::kAccept || std::exchange(bare_newline_noted_, true)) return;
  out.push_back(Noted{"bare <LF> received after " + place(), ""});
}

void ServerSession::hang_up(const Reply& reply, Noted noted, std::vector<Action>& out) {
  out.push_back(std::move(noted));
  append_reply(replies_, reply);
  close(out);
}

void ServerSession::refuse_at(std::string_view stage, Reply reply, std::string recipient, std::vector<Action>& out) {
  out.push_back(Rejected{stage, reply, transaction_.sender, std::move(recipient)});
  refuse(std::move(reply), out);
}

void ServerSession::say_goodbye(std::string_view enhanced, std::string_view text, std::vector<Action>& out) {
  append_reply(replies_, 421, enhanced, options_.hostname + " " + std::string(text));
  close(out);
}

void ServerSession::flush(std::vector<Action>& out) {
  if (!replies_.empty()) out.push_back(SendReply{std::exchange(replies_, {})});
}

// A reply behind a Delay is kept until resume().
void ServerSession::finish(std::vector<Action>& out) {
  if (waiting_ != Waiting::kDelay) flush(out);
}

void ServerSession::close(std::vector<Action>& out) {
  flush(out);
  out.push_back(Close{});
  closed_ = true;
  waiting_ = Waiting::kNothing;
}

// ---- For the log.

std::string ServerSession::place() const {
  if (in_content_) return std::string(name_of(last_verb_)) + " (" + std::to_string(content_bytes()) + " bytes)";
  if (after_message_) return "END-OF-MESSAGE";
  const bool none = std::ranges::all_of(counts_, [](const Count& count) { return count.given == 0; });
  return none ? "CONNECT" : std::string(name_of(last_verb_));
}

std::string ServerSession::command_counts() const {
  std::string text;
  Count all;
  const auto append = [&](std::string_view name, const Count& count) {
    text.append(name).append("=");
    if (count.accepted != count.given) text.append(std::to_string(count.accepted)).append("/");
    text.append(std::to_string(count.given));
  };
  for (size_t i = 0; i < kVerbs; ++i) {
    const Count& count = counts_[i];
    if (count.given == 0) continue;
    all.given += count.given;
    all.accepted += count.accepted;
    append(util::to_lower(name_of(static_cast<Verb>(i))), count);
    text.append(" ");
  }
  if (all.given == 0) return "commands=0/0";
  append("commands", all);
  return text;
}

}  // namespace hikyaku::smtp
