// One client.
#include "smtpd/connection.h"

#include <sys/socket.h>

#include "log/logger.h"
#include "os/clock.h"
#include "queue/place.h"
#include "smtp/dsn.h"

namespace hikyaku::smtpd {

namespace {

constexpr event::Duration kTarpit = std::chrono::seconds(1);       // per error beyond the soft limit, as Postfix
constexpr event::Duration kCloseWithin = std::chrono::seconds(5);  // for the last reply to leave

// Replies that a client may leave unread before it is not listened to any more, bytes.
constexpr size_t kMostUnread = 64 << 10;

// The actions of one call, for all connections: they are carried out before the next call.
std::vector<smtp::Action>& out() {
  static std::vector<smtp::Action> actions;
  return actions;
}

smtp::ServerOptions options_for(const Config& config, bool permitted) {
  smtp::ServerOptions options = config.session;
  options.relay_allowed = permitted;
  options.ask_sender = !permitted && config.clients.message_rate != 0;
  return options;
}

static_assert(smtp::kNotifyNever == queue::kNotifyNever && smtp::kNotifySuccess == queue::kNotifySuccess &&
              smtp::kNotifyFailure == queue::kNotifyFailure && smtp::kNotifyDelay == queue::kNotifyDelay);

bool is_above(unsigned count, unsigned limit) { return limit != 0 && count > limit; }

}  // namespace

Connection::Connection(Surroundings& surroundings, os::UniqueFd fd, uint16_t port)
    : around_(surroundings),
      peer_(net::peer_of(fd.get())),
      peer_host_(peer_.host()),
      permitted_(surroundings.config.networks.contains(peer_)),
      port_(port),
      stream_(surroundings.loop, std::move(fd), *this),
      session_(options_for(surroundings.config, permitted_)),
      patience_(surroundings.config.timeout, surroundings.config.least_data_rate) {
  if (around_.config.needs_local_address) local_host_ = net::local_of(stream_.fd()).host();
}

Connection::~Connection() {
  give_up_big();
  if (request_ != 0) around_.queue.forget(request_);
  around_.budget.receiving(this, 0);
}

void Connection::start() {
  around_.logger.record(log::Connected{{"unknown", peer_host_}});
  if (!admit()) return;
  await_client();
  stream_.start_reading();
  session_.greet(out());
  act();
}

// Clients in mynetworks have no limits, as Postfix's default is.
bool Connection::admit() {
  const ClientLimits& limits = around_.clients.limits();
  const bool counts = limits.connections != 0 || limits.connection_rate != 0 || limits.message_rate != 0;
  if (permitted_ || !counts) return true;
  counted_.emplace(around_.clients, client_key(peer_));
  const auto connections = around_.clients.arrived(counted_->key(), around_.loop.now());
  std::string excess;
  if (is_above(connections.now, limits.connections))
    excess = "Connection concurrency limit exceeded: " + std::to_string(connections.now);
  else if (is_above(connections.this_minute, limits.connection_rate))
    excess = "Connection rate limit exceeded: " + std::to_string(connections.this_minute);
  if (excess.empty()) return true;
  warn_of(excess);
  session_.turn_away("Error: too many connections from " + peer_host_, out());
  act();
  // No five seconds for its last words: that would be what it wants.
  if (!ended_) end();
  return false;
}

void Connection::warn_of(const std::string& excess) {
  around_.logger.warning(excess + " from unknown[" + peer_host_ + "] for service " + around_.config.service);
}

// It is the client's turn.
void Connection::await_client() {
  patience_.begin(around_.loop.now());
  stream_.set_deadline(around_.config.timeout);
}

void Connection::shut_down() {
  if (closing_ || ended_) return;
  session_.shut_down(out());
  act();
}

void Connection::on_bytes(std::string_view bytes) {
  if (closing_) return;  // a client that talks on while it is being hung up on
  const uint64_t commands = session_.commands();
  const bool content = session_.holds_content();
  session_.receive(bytes, out());
  // Chunks are one content: none of them gives its client new time.
  if (content && session_.holds_content())
    patience_.received(around_.loop.now(), bytes.size());
  else if (session_.commands() != commands || session_.holds_content() != content)
    patience_.begin(around_.loop.now());
  stream_.set_deadline(patience_.left(around_.loop.now()));
  act();
  // What a client sends behind a message that is being stored is kept by the session; the rest stays in the kernel.
  if (!reading_ || ended_ || closing_ || !must_wait()) return;
  stream_.stop_reading();
  reading_ = false;
  if (waits_for_memory()) stream_.cancel_deadline();  // it is our turn now
}

// A client whose message would only grow in our memory is not listened to: its file has not come yet, or all sessions
// together hold too much.
bool Connection::waits_for_memory() const {
  if (!session_.holds_content()) return false;
  if (!big_) return !around_.budget.may_receive(this);
  return !big_->writer.is_open() && !big_->refusal && big_->writer.waiting() > kMostGathered;
}

bool Connection::must_wait() const {
  return session_.waiting() || stream_.waiting() > kMostUnread || waits_for_memory();
}

void Connection::act() {
  auto& actions = out();
  for (size_t i = 0; i < actions.size(); ++i) {
    smtp::Action action = std::move(actions[i]);
    std::visit([this](auto& one) { perform(one); }, action);
  }
  actions.clear();
  around_.budget.receiving(this, session_.gathered() + (big_ ? big_->writer.waiting() : 0));
  read_on();
}

void Connection::read_on() {
  if (reading_ || closing_ || ended_ || must_wait()) return;
  reading_ = true;
  await_client();
  stream_.start_reading();
}

void Connection::perform(smtp::SendReply& reply) { stream_.send(reply.bytes); }

queue::Envelope Connection::envelope_of(const smtp::Transaction& transaction) const {
  queue::Envelope envelope;
  envelope.sender = transaction.sender;
  envelope.recipients.reserve(transaction.recipients.size());
  for (const smtp::Recipient& recipient : transaction.recipients)
    envelope.recipients.push_back({recipient.mailbox, recipient.original_recipient, recipient.notify});
  envelope.arrival = os::wall_now().time_since_epoch().count();
  envelope.client_name = "unknown";
  envelope.client_address = peer_host_;
  envelope.helo = session_.helo();
  // RFC 3848 and RFC 6531 section 4.3.
  envelope.protocol = transaction.smtputf8 ? "UTF8SMTP" : session_.esmtp() ? "ESMTP" : "SMTP";
  envelope.smtputf8 = transaction.smtputf8;
  envelope.listener = around_.config.service;
  envelope.server_address = local_host_;
  envelope.arrival_port = port_;
  envelope.envelope_id = transaction.envelope_id;
  envelope.return_content = transaction.return_content;
  envelope.eight_bit = transaction.eight_bit_mime;
  return envelope;
}

void Connection::perform(smtp::Deliver& message) {
  const uint32_t flags = (message.has_dot_line ? queue::kHasDotLine : 0) |
                         (message.has_long_line ? queue::kHasLongLine : 0) | (message.eight_bit ? queue::kEightBit : 0);
  stream_.cancel_deadline();  // it is our turn now
  request_sender_ = message.transaction.sender;
  if (message.in_pieces) {
    big_->whole = true;
    big_->flags = flags;
    return complete_big();
  }
  request_ = around_.queue.submit(envelope_of(message.transaction), flags, message.content,
                                  [this](const StoreResult& result) { stored(result); });
}

void Connection::stored(const StoreResult& result) {
  request_ = 0;
  big_.reset();
  if (ended_) return;
  if (!result.reply) {
    // Nobody knows whether the message will be found again: silence makes the client ask again.
    log_lost();
    return end();
  }
  if (result.id.value != 0) {
    around_.logger.record(log::ClientKnown{result.id, {"unknown", peer_host_}, "", ""});
  } else {
    smtp::Rejected rejected{"END-OF-MESSAGE", *result.reply, request_sender_, ""};
    perform(rejected);
  }
  await_client();
  session_.stored(*result.reply, out());
  act();
}

void Connection::perform(smtp::Rejected& rejected) {
  around_.logger.record(log::Rejected{.stage = std::string(rejected.stage),
                                      .peer = {"unknown", peer_host_},
                                      .reply = rejected.reply.line(),
                                      .sender = rejected.sender,
                                      .recipient = rejected.recipient,
                                      .has_sender = rejected.stage != "MAIL" || !rejected.sender.empty(),
                                      .has_recipient = !rejected.recipient.empty(),
                                      .protocol = session_.esmtp() ? "ESMTP" : "SMTP",
                                      .helo = session_.helo()});
}

void Connection::perform(smtp::Delay&) {
  if (!delay_) {
    delay_ = std::make_unique<event::Timer>(around_.loop, [this] {
      if (closing_ || ended_) return;
      await_client();
      session_.resume(out());
      act();
    });
  }
  stream_.cancel_deadline();  // it is our turn now
  delay_->set(kTarpit);
}

void Connection::perform(smtp::Close&) { close(); }

void Connection::perform(smtp::Noted& noted) {
  around_.logger.record(
      log::Noted{std::move(noted.what), {"unknown", peer_host_}, std::move(noted.detail), noted.warning});
}

// Only of those is the session told to ask who have a limit.
void Connection::perform(smtp::AskSender&) {
  const unsigned messages = around_.clients.message(counted_->key(), around_.loop.now());
  if (!is_above(messages, around_.clients.limits().message_rate))
    return session_.decided(smtp::Verdict::accept(), out());
  warn_of("Message delivery request rate limit exceeded: " + std::to_string(messages));
  session_.decided(smtp::Verdict::refuse({450, "4.7.1", "Error: too much mail from " + peer_host_}), out());
}

void Connection::close() {
  if (ended_ || closing_) return;
  closing_ = true;
  give_up_big();
  around_.logger.record(log::Disconnected{{"unknown", peer_host_}, session_.command_counts()});
  if (stream_.waiting() > 0) return stream_.set_deadline(kCloseWithin);
  on_drained();
}

// Closing a socket with unread input resets the connection, and the reset can overtake the last reply. So our side
// is closed first, and the rest when the client closed its own or has had its time.
void Connection::on_drained() {
  if (!closing_ || ended_) return read_on();
  ::shutdown(stream_.fd(), SHUT_WR);
  if (!reading_) stream_.start_reading();
  reading_ = true;
  stream_.set_deadline(kCloseWithin);
}

void Connection::on_closed(int) {
  if (ended_) return;
  if (!closing_) log_lost();
  end();
}

void Connection::on_deadline() {
  if (ended_) return;
  if (closing_) return end();
  around_.logger.record(log::ConnectionLost{{"unknown", peer_host_}, session_.place(), true});
  session_.timed_out(out());
  act();
}

void Connection::log_lost() {
  around_.logger.record(log::ConnectionLost{{"unknown", peer_host_}, session_.place(), false});
  around_.logger.record(log::Disconnected{{"unknown", peer_host_}, session_.command_counts()});
}

void Connection::end() {
  ended_ = true;
  give_up_big();
  stream_.stop_reading();
  stream_.cancel_deadline();
  around_.ended(*this);
}

}  // namespace hikyaku::smtpd
