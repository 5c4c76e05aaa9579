// One client: joins its socket, its session and the queue.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "net/address.h"
#include "net/stream.h"
#include "smtp/server_session.h"
#include "smtpd/config.h"
#include "smtpd/queue_client.h"
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
  std::function<void(Connection&)> ended;  // may not destroy the connection before the turn's end
};

class Connection final : public net::StreamHandler {
 public:
  Connection(Surroundings& surroundings, os::UniqueFd fd, uint16_t port);
  ~Connection();

  void start();
  // 421 as soon as no message is being stored, then the end.
  void shut_down();

 private:
  void on_bytes(std::string_view bytes) override;
  void on_closed(int error) override;
  void on_drained() override;
  void on_deadline() override;

  // Carries out the actions that are in out(), including those that carrying out adds.
  void act();
  // After stop_reading(): when nothing stands against it any more.
  void read_on();
  void perform(smtp::SendReply& reply);
  void perform(smtp::AskSender&) { util::ensure(false, "the session was told not to ask"); }
  void perform(smtp::AskRecipient&) { util::ensure(false, "the session was told not to ask"); }
  void perform(smtp::Deliver& message);
  void perform(smtp::Rejected& rejected);
  void perform(smtp::Delay&);
  void perform(smtp::Close&);
  void stored(const StoreResult& result);
  void close();
  void end();
  void log_lost();

  Surroundings& around_;
  net::Address peer_;
  std::string peer_host_, local_host_;
  uint16_t port_;
  net::Stream stream_;
  smtp::ServerSession session_;
  std::unique_ptr<event::Timer> delay_;
  uint64_t request_ = 0;        // being stored, 0 when none
  std::string request_sender_;  // for the log
  bool reading_ = true;
  bool closing_ = false;  // nothing more is read or said but what waits in the stream
  bool ended_ = false;
};

}  // namespace hikyaku::smtpd
