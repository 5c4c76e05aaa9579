// One client: joins its socket, its session and the queue.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/address.h"
#include "net/stream.h"
#include "smtp/server_session.h"
#include "smtpd/body_writer.h"
#include "smtpd/client_counts.h"
#include "smtpd/config.h"
#include "smtpd/patience.h"
#include "smtpd/queue_client.h"
#include "smtpd/receive_budget.h"
#include "util/error.h"

namespace hikyaku::log {
class Logger;
}

namespace hikyaku::smtpd {

class Connection;

// What a connection needs of its server.
struct Surroundings {
  event::Loop& loop;
  log::Logger& logger;
  const Config& config;
  QueueClient& queue;
  ReceiveBudget& budget;
  ClientCounts& clients;
  queue::Disk& disk;
  std::function<void(Connection&)> ended;  // may not destroy the connection before the turn's end
};

class Connection final : public net::StreamHandler {
 public:
  Connection(Surroundings& surroundings, os::UniqueFd fd, uint16_t port);
  ~Connection();

  void start();
  // 421 as soon as no message is being stored, then the end.
  void shut_down();
  // After it stopped: when nothing stands against it any more.
  void read_on();

 private:
  // A message that is too big to be gathered.
  struct Big {
    explicit Big(queue::Disk& disk) : writer(disk) {}
    BodyWriter writer;
    std::optional<smtp::Reply> refusal;  // it will get this answer, whatever else comes
    bool whole = false;                  // all of it is here
    uint32_t flags = 0;                  // then
    bool handed_over = false;            // cleanup knows that
  };

  void on_bytes(std::string_view bytes) override;
  void on_closed(int error) override;
  void on_drained() override;
  void on_deadline() override;

  // Counts the client; false when it has been sent away.
  bool admit();
  void warn_of(const std::string& excess);
  void await_client();
  // Carries out the actions that are in out(), including those that carrying out adds.
  void act();
  // Whether more from the client would have to be kept by us.
  bool must_wait() const;
  bool waits_for_memory() const;
  void perform(smtp::SendReply& reply);
  void perform(smtp::AskSender& asked);
  void perform(smtp::AskRecipient&) { util::ensure(false, "the session was told not to ask"); }
  void perform(smtp::BigContent& begun);
  void perform(smtp::ContentPiece& piece);
  void perform(smtp::ContentDropped&) { give_up_big(); }
  void perform(smtp::Deliver& message);
  void perform(smtp::Rejected& rejected);
  void perform(smtp::Delay&);
  void perform(smtp::Close&);
  void perform(smtp::Noted& noted);
  queue::Envelope envelope_of(const smtp::Transaction& transaction) const;
  void body_given(os::UniqueFd file);
  void big_answered(const StoreResult& result);
  void look_for_failure();
  void complete_big();
  void give_up_big();
  void stored(const StoreResult& result);
  void close();
  void end();
  void log_lost();

  Surroundings& around_;
  net::Address peer_;
  std::string peer_host_, local_host_;
  bool permitted_;  // it is in mynetworks
  uint16_t port_;
  net::Stream stream_;
  smtp::ServerSession session_;
  Patience patience_;
  std::optional<ConnectedClient> counted_;  // where it has limits
  std::unique_ptr<event::Timer> delay_;
  uint64_t request_ = 0;        // being stored, 0 when none
  std::string request_sender_;  // for the log
  std::optional<Big> big_;
  bool reading_ = true;
  bool closing_ = false;  // nothing more is read or said but what waits in the stream
  bool ended_ = false;
};

}  // namespace hikyaku::smtpd
