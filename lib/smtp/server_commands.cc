// The server's session: what each command does.
#include <algorithm>
#include <limits>
#include <utility>

#include "smtp/server_session.h"
#include "util/text.h"

namespace hikyaku::smtp {
namespace {

// Room taken for content before it comes. SIZE= is a stranger's word, so only this much is believed.
constexpr uint64_t kMaxReserve = 256 * 1024;
constexpr size_t kMaxHelo = 255;
// Smaller ones, but the last, cost more than they bring; and each gives its client new time.
constexpr uint64_t kSmallChunk = 1024;
constexpr size_t kRecipientOvershootLimit = 1000;  // as Postfix's smtpd_recipient_overshoot_limit

// Takes the next word of `text`.
std::string_view take_word(std::string_view& text) {
  text = util::trim(text);
  const size_t end = std::min(text.find_first_of(" \t"), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(end);
  return word;
}

struct Parameter {
  std::string_view key, value;
};
Parameter key_and_value(std::string_view word) {
  const size_t equals = std::min(word.find('='), word.size());
  return {word.substr(0, equals), word.substr(std::min(equals + 1, word.size()))};
}

// Up to twenty digits (RFC 1870 section 4), of which the largest are more than we can count: the most that we can.
std::optional<uint64_t> read_size(std::string_view text) {
  constexpr size_t kMostDigits = 20;
  if (text.empty() || text.size() > kMostDigits || !std::ranges::all_of(text, util::is_digit)) return std::nullopt;
  return util::parse_number(text).value_or(std::numeric_limits<uint64_t>::max());
}

bool is_plain_ascii(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c <= '~'; });
}

// Verbs that exist, here not or not yet: a client learns that it did nothing wrong.
bool is_known_elsewhere(std::string_view word) {
  constexpr std::string_view kVerbsElsewhere[] = {"STARTTLS", "AUTH", "ETRN", "EXPN",    "TURN",
                                                  "SEND",     "SOML", "SAML", "XCLIENT", "XFORWARD"};
  return std::ranges::any_of(kVerbsElsewhere, [&](std::string_view verb) { return util::iequals(word, verb); });
}

// RFC 6531 section 3.5.
constexpr const char* kNeedsSmtputf8 = "Error: an address beyond ASCII needs SMTPUTF8";
bool may_have(const Transaction& transaction, std::string_view mailbox) {
  return transaction.smtputf8 || util::is_ascii(mailbox);
}

// "<user@example.com>: Relay access denied".
std::string text_on(std::string_view recipient, std::string_view text) {
  std::string out = "<";
  out.append(recipient).append(">: ").append(text);
  return out;
}

}  // namespace

void ServerSession::run_command(Verb verb, std::string_view arguments, bool more, std::vector<Action>& out) {
  switch (verb) {
    case Verb::kHelo:
    case Verb::kEhlo:
      return helo(verb, arguments, out);
    case Verb::kMail:
      return mail(arguments, out);
    case Verb::kRcpt:
      return rcpt(arguments, out);
    case Verb::kData:
      return data(arguments, out);
    case Verb::kBdat:
      return bdat(arguments, more, out);
    case Verb::kRset:
      return rset(arguments, out);
    case Verb::kNoop:
      count_junk();
      return accept(250, "2.0.0", "Ok");
    case Verb::kVrfy:
      return vrfy(arguments, out);
    case Verb::kHelp:
      return help();
    case Verb::kQuit:
      accept(221, "2.0.0", "Bye");
      return close(out);
    case Verb::kUnknown:
      return unknown(arguments, out);
  }
}

// RFC 5321 section 4.1.4: both also end a transaction. No enhanced codes here (RFC 2034 section 3).
void ServerSession::helo(Verb verb, std::string_view arguments, std::vector<Action>& out) {
  const std::string_view name = take_word(arguments);
  if (name.empty() || name.size() > kMaxHelo || !is_plain_ascii(name))
    return refuse({501, "", verb == Verb::kEhlo ? "Syntax: EHLO hostname" : "Syntax: HELO hostname"}, out);
  count_junk();
  end_transaction(out);
  helo_ = name;
  esmtp_ = verb == Verb::kEhlo;
  if (!esmtp_) return accept(250, "", options_.hostname);
  ++counts_[static_cast<size_t>(verb)].accepted;
  replies_.append("250-").append(options_.hostname);
  replies_.append("\r\n250-PIPELINING\r\n250-SIZE ").append(std::to_string(options_.size_limit));
  replies_.append("\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-DSN\r\n250-SMTPUTF8\r\n250 CHUNKING\r\n");
}

void ServerSession::mail(std::string_view arguments, std::vector<Action>& out) {
  const auto refuse_mail = [&](Reply reply) { refuse_at("MAIL", std::move(reply), {}, out); };
  if (helo_.empty()) return refuse_mail({503, "5.5.1", "Error: send HELO or EHLO first"});
  if (in_transaction_) return refuse_mail({503, "5.5.1", "Error: nested MAIL command"});
  constexpr std::string_view kFrom = "FROM:";
  if (!util::istarts_with(arguments, kFrom)) return refuse_mail({501, "5.5.4", "Syntax: MAIL FROM:<address>"});
  arguments.remove_prefix(kFrom.size());
  util::Result<Address> sender = take_reverse_path(arguments, options_.strict_envelopes);
  if (!sender) return refuse_mail({501, "5.1.7", "Bad sender address syntax: " + sender.error().text});
  transaction_ = Transaction{std::move(sender->mailbox), {}};
  std::optional<Reply> refusal = read_mail_parameters(arguments, transaction_);
  if (!refusal && !may_have(transaction_, transaction_.sender)) refusal = {553, "5.6.7", kNeedsSmtputf8};
  if (refusal) {
    refuse_mail(std::move(*refusal));
    return end_transaction(out);
  }
  if (!options_.ask_sender) return begin_transaction();
  flush(out);
  out.push_back(AskSender{transaction_.sender});
  waiting_ = Waiting::kSender;
}

// SIZE of RFC 1870, BODY of RFC 6152, SMTPUTF8 of RFC 6531, RET and ENVID of RFC 3461.
std::optional<Reply> ServerSession::read_mail_parameters(std::string_view arguments, Transaction& transaction) const {
  bool body_seen = false;
  for (std::string_view word = take_word(arguments); !word.empty(); word = take_word(arguments)) {
    const auto [key, value] = key_and_value(word);
    if (util::iequals(key, "SIZE")) {
      if (transaction.size) return Reply{501, "5.5.4", "Duplicate SIZE"};
      transaction.size = read_size(value);
      if (!transaction.size) return Reply{501, "5.5.4", "Bad message size syntax"};
      if (options_.size_limit != 0 && *transaction.size > options_.size_limit)
        return Reply{552, "5.3.4", "Message size exceeds fixed limit"};
    } else if (util::iequals(key, "BODY")) {
      if (std::exchange(body_seen, true)) return Reply{501, "5.5.4", "Duplicate BODY"};
      transaction.eight_bit_mime = util::iequals(value, "8BITMIME");
      if (!transaction.eight_bit_mime && !util::iequals(value, "7BIT")) return Reply{501, "5.5.4", "Unknown BODY type"};
    } else if (util::iequals(word, "SMTPUTF8")) {
      if (std::exchange(transaction.smtputf8, true)) return Reply{501, "5.5.4", "Duplicate SMTPUTF8"};
    } else if (util::iequals(key, "RET")) {
      if (!transaction.return_content.empty()) return Reply{501, "5.5.4", "Duplicate RET"};
      const bool full = util::iequals(value, "FULL");
      if (!full && !util::iequals(value, "HDRS")) return Reply{501, "5.5.4", "RET is FULL or HDRS"};
      transaction.return_content = full ? "FULL" : "HDRS";
    } else if (util::iequals(key, "ENVID")) {
      if (!transaction.envelope_id.empty()) return Reply{501, "5.5.4", "Duplicate ENVID"};
      if (!is_envelope_id(value)) return Reply{501, "5.5.4", "Bad ENVID syntax"};
      transaction.envelope_id = value;
    } else {
      return Reply{555, "5.5.4", "Unsupported option: " + std::string(word)};
    }
  }
  return std::nullopt;
}

// NOTIFY and ORCPT of RFC 3461.
std::optional<Reply> ServerSession::read_recipient_parameters(std::string_view arguments, Recipient& recipient) const {
  for (std::string_view word = take_word(arguments); !word.empty(); word = take_word(arguments)) {
    const auto [key, value] = key_and_value(word);
    if (util::iequals(key, "NOTIFY")) {
      if (recipient.notify != 0) return Reply{501, "5.5.4", "Duplicate NOTIFY"};
      const auto notify = read_notify(value);
      if (!notify) return Reply{501, "5.5.4", "NOTIFY is NEVER, or of SUCCESS, FAILURE and DELAY"};
      recipient.notify = *notify;
    } else if (util::iequals(key, "ORCPT")) {
      if (!recipient.original_recipient.empty()) return Reply{501, "5.5.4", "Duplicate ORCPT"};
      if (!is_original_recipient(value, transaction_.smtputf8)) return Reply{501, "5.5.4", "Bad ORCPT syntax"};
      recipient.original_recipient = ascii_original_recipient(value);
    } else {
      return Reply{555, "5.5.4", "Unsupported option: " + std::string(word)};
    }
  }
  return std::nullopt;
}

void ServerSession::begin_transaction() {
  in_transaction_ = true;
  ++transactions_;
  accept(250, "2.1.0", "Ok");
}

// With the content that BDAT has brought so far.
void ServerSession::end_transaction(std::vector<Action>& out) {
  in_transaction_ = false;
  overshoot_ = 0;
  transaction_ = Transaction();
  if (!has_chunks()) return;
  chunks_ = Chunks::kNone;
  std::string().swap(content_);
  if (std::exchange(in_pieces_, false)) out.push_back(ContentDropped{});
}

void ServerSession::rcpt(std::string_view arguments, std::vector<Action>& out) {
  const auto refuse_rcpt = [&](Reply reply) { refuse_at("RCPT", std::move(reply), {}, out); };
  if (!in_transaction_) return refuse_rcpt({503, "5.5.1", "Error: need MAIL command"});
  if (has_chunks()) return refuse_rcpt({503, "5.5.1", "Error: RCPT after BDAT"});
  constexpr std::string_view kTo = "TO:";
  if (!util::istarts_with(arguments, kTo)) return refuse_rcpt({501, "5.5.4", "Syntax: RCPT TO:<address>"});
  arguments.remove_prefix(kTo.size());
  util::Result<Address> address = take_forward_path(arguments, options_.strict_envelopes);
  if (!address) return refuse_rcpt({501, "5.1.3", "Bad recipient address syntax: " + address.error().text});
  Recipient recipient{std::move(address->mailbox)};
  if (std::optional<Reply> refusal = read_recipient_parameters(arguments, recipient))
    return refuse_at("RCPT", std::move(*refusal), std::move(recipient.mailbox), out);
  if (!may_have(transaction_, recipient.mailbox))
    return refuse_at("RCPT", {553, "5.6.7", kNeedsSmtputf8}, std::move(recipient.mailbox), out);
  if (transaction_.recipients.size() >= options_.recipient_limit)
    return refuse_overshoot(std::move(recipient.mailbox), out);
  if (options_.ask_recipient) {
    flush(out);
    out.push_back(AskRecipient{transaction_.sender, recipient.mailbox});
    asked_ = std::move(recipient);
    waiting_ = Waiting::kRecipient;
  } else if (!options_.relay_allowed) {
    Reply denied = options_.relay_denied;
    denied.text = text_on(recipient.mailbox, denied.text);
    refuse_at("RCPT", std::move(denied), std::move(recipient.mailbox), out);
  } else {
    add_recipient(std::move(recipient));
  }
}

// RFC 5321 section 4.5.3.1.10: the client sends the message to those that were taken, and comes again for the others.
// So it is no error to ask for more, unless it goes on for ever.
void ServerSession::refuse_overshoot(std::string recipient, std::vector<Action>& out) {
  Reply reply{452, "4.5.3", "Error: too many recipients"};
  if (++overshoot_ > kRecipientOvershootLimit) return refuse_at("RCPT", std::move(reply), std::move(recipient), out);
  append_reply(replies_, reply);
  out.push_back(Rejected{"RCPT", std::move(reply), transaction_.sender, std::move(recipient)});
}

void ServerSession::add_recipient(Recipient recipient) {
  transaction_.recipients.push_back(std::move(recipient));
  accept(250, "2.1.5", "Ok");
}

void ServerSession::data(std::string_view arguments, std::vector<Action>& out) {
  const auto refuse_data = [&](Reply reply) { refuse_at("DATA", std::move(reply), {}, out); };
  if (!in_transaction_) return refuse_data({503, "5.5.1", "Error: need RCPT command"});
  if (transaction_.recipients.empty()) return refuse_data({554, "5.5.1", "Error: no valid recipients"});
  if (has_chunks()) return refuse_data({503, "5.5.1", "Error: DATA after BDAT"});
  if (!arguments.empty()) return refuse_data({501, "5.5.4", "Syntax: DATA"});
  begin_content();
  in_content_ = true;
  append_reply(replies_, 354, "", "End data with <CR><LF>.<CR><LF>");
}

void ServerSession::begin_content() {
  in_pieces_ = false;
  decoder_.start(options_.size_limit);
  content_.clear();
  if (transaction_.size) content_.reserve(std::min(*transaction_.size, kMaxReserve));
}

// RFC 3030 section 2. Whatever is wrong, the chunk is on its way and is read; its answer comes behind it.
void ServerSession::bdat(std::string_view arguments, bool more, std::vector<Action>& out) {
  const std::optional<uint64_t> size = read_size(take_word(arguments));
  const std::string_view last = take_word(arguments);
  const bool is_last = util::iequals(last, "LAST");
  if (!size || (!last.empty() && !is_last) || !util::trim(arguments).empty()) {
    refuse_at("BDAT", {501, "5.5.4", "Syntax: BDAT count [LAST]"}, {}, out);
    // Where the next command begins, nobody knows.
    if (more && !closed_) talks_blindly(out);
    return;
  }
  if (!has_chunks()) {
    begin_content();
    chunks_ = in_transaction_ && !transaction_.recipients.empty() ? Chunks::kGood : Chunks::kRefused;
  }
  if (*size < kSmallChunk && !is_last) count_junk();
  chunk_ = {*size, *size, is_last};
  in_content_ = true;
  if (*size == 0) consume_chunk({}, out);
}

void ServerSession::end_of_chunk(std::vector<Action>& out) {
  in_content_ = false;
  if (chunks_ == Chunks::kRefused) {
    if (!in_transaction_) return refuse_chunk({503, "5.5.1", "Error: need RCPT command"}, out);
    if (transaction_.recipients.empty()) return refuse_chunk({554, "5.5.1", "Error: no valid recipients"}, out);
    return refuse_chunk({503, "5.5.1", "Error: BDAT after a chunk that was refused"}, out);
  }
  if (chunk_.last) {
    chunks_ = Chunks::kNone;
    return end_of_content(out);
  }
  if (!is_doomed()) return accept(250, "2.0.0", "Ok: " + std::to_string(chunk_.size) + " octets received");
  chunks_ = Chunks::kRefused;
  refuse_chunk(doom(), out);
}

void ServerSession::refuse_chunk(Reply reply, std::vector<Action>& out) {
  refuse_at("BDAT", std::move(reply), {}, out);
  if (chunk_.last || !in_transaction_) end_transaction(out);
}

// Whether the content will be refused, however it goes on.
bool ServerSession::is_doomed() const {
  return decoder_.over_limit() || (options_.bare_newline == BareNewline::kReject && decoder_.has_bare_newline());
}

// Why it will be.
Reply ServerSession::doom() const {
  if (decoder_.over_limit()) return {552, "5.3.4", "Error: message size exceeds fixed limit"};
  return {550, "5.5.2", "Error: bare <LF> received"};
}

void ServerSession::end_of_content(std::vector<Action>& out) {
  in_content_ = false;
  after_message_ = true;
  if (decoder_.has_bare_newline()) note_bare_newline(out);
  if (is_doomed()) {
    refuse_at("END-OF-MESSAGE", doom(), {}, out);
    return end_transaction(out);
  }
  flush(out);
  out.push_back(Deliver{std::exchange(transaction_, Transaction()), std::exchange(content_, {}),
                        decoder_.has_dot_line(), decoder_.eight_bit(), decoder_.has_long_line(),
                        std::exchange(in_pieces_, false)});
  in_transaction_ = false;
  waiting_ = Waiting::kStored;
}

void ServerSession::rset(std::string_view arguments, std::vector<Action>& out) {
  if (!arguments.empty()) return refuse({501, "5.5.4", "Syntax: RSET"}, out);
  count_junk();
  end_transaction(out);
  accept(250, "2.0.0", "Ok");
}

// Whether a mailbox exists is told to nobody (RFC 5321 section 7.3).
void ServerSession::vrfy(std::string_view arguments, std::vector<Action>& out) {
  if (arguments.empty()) return refuse({501, "5.5.4", "Syntax: VRFY address"}, out);
  count_junk();
  accept(252, "2.0.0", "Cannot tell; send the message and it will be tried");
}

void ServerSession::help() {
  count_junk();
  accept(214, "2.0.0", "Commands: EHLO HELO MAIL RCPT DATA BDAT RSET NOOP VRFY HELP QUIT");
}

void ServerSession::unknown(std::string_view word, std::vector<Action>& out) {
  if (word.empty()) return refuse({500, "5.5.2", "Error: empty command"}, out);
  if (is_known_elsewhere(word)) return refuse({502, "5.5.1", "Error: command not implemented"}, out);
  refuse({500, "5.5.2", "Error: command not recognized"}, out);
}

// Commands that move no mail are cheap for a client and not for us: answered, but one too many is also an error.
void ServerSession::count_junk() {
  if (++junk_ > options_.junk_command_limit) ++errors_;
}

}  // namespace hikyaku::smtp
