// One SMTP connection to a next hop: joins the pure ClientSession with a socket and with the content of messages.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "log/logger.h"
#include "net/address.h"
#include "net/stream.h"
#include "smtp-client/config.h"
#include "smtp-client/content.h"
#include "smtp-client/job.h"
#include "smtp/client_session.h"
#include "smtp/dot_stuffer.h"

namespace hikyaku::smtp_client {

class Connection;

// What every connection works with.
struct Surroundings {
  event::Loop& loop;
  const Config& config;
  Segments& segments;
  log::Logger& logger;
  JobSink& sink;
};

// The connection's destination. The connection must outlive each of these calls.
class ConnectionOwner {
 public:
  virtual void opened(Connection& connection) = 0;
  // None of the addresses took us; `verdict` is of the last one, `relay` names it if it was reached, else "none".
  virtual void not_opened(Connection& connection, const Verdict& verdict, std::string_view relay) = 0;
  // It can take a job: start() one, now or later.
  virtual void ready(Connection& connection) = 0;
  // Nothing runs on it any more.
  virtual void became_idle(Connection& connection) = 0;
  // Nothing has run on it for longer than is allowed.
  virtual void idle_too_long(Connection& connection) = 0;
  // It has gone; its jobs were answered.
  virtual void closed(Connection& connection) = 0;
  // The connection was gone before the message was offered: not an attempt.
  virtual void give_back(std::unique_ptr<Job> job) = 0;

 protected:
  ~ConnectionOwner() = default;
};

class Connection final : public net::StreamHandler {
 public:
  // To one of `addresses`, tried in their order. `host` is the next hop's name.
  Connection(Surroundings& around, ConnectionOwner& owner, std::string host, uint16_t port,
             std::vector<net::Address> addresses);
  ~Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void open() { try_next_address(); }
  // Only after ready().
  void start(std::unique_ptr<Job> job);
  // As soon as nothing runs.
  void quit();
  bool idle() const { return idle_; }
  event::Monotonic idle_since() const { return idle_since_; }
  bool is_open() const { return open_; }

 private:
  struct Running {
    std::unique_ptr<Job> job;
    event::Monotonic begun{};
    unsigned uses = 1;
    event::Duration connecting{};
  };
  // Content on its way that did not go out in one piece.
  struct Transfer {
    uint64_t job = 0;
    ContentReader reader;
    bool stuff = false;
    smtp::DotStuffer stuffer;
  };

  void on_bytes(std::string_view bytes) override;
  void on_closed(int error) override;
  void on_drained() override;
  void on_deadline() override;

  void try_next_address();
  void attempt_failed(Verdict verdict, bool reached);
  void connected(int error);

  void carry_out();
  void on(smtp::Send& action);
  void on(smtp::SendContent& action);
  void on(smtp::JobDone& action);
  void on(smtp::JobReturned& action);
  void on(smtp::HostFailed& action);
  void on(smtp::Ready& action);
  void on(smtp::Hangup& action);

  void go_on_with_content();
  void add_piece(std::string_view content);
  void end_content();
  void content_failed(const util::Error& error);
  void write_out();
  void settle(bool progress);
  void watch(bool progress);
  void close();
  Running take(uint64_t number);

  Surroundings& around_;
  ConnectionOwner& owner_;
  const std::string host_;
  const uint16_t port_;
  std::vector<net::Address> addresses_;
  size_t next_address_ = 0;
  std::string label_;  // "host[ip]"
  std::string relay_;  // "host[ip]:port"

  std::optional<net::Stream> stream_;
  std::optional<smtp::ClientSession> session_;
  std::vector<smtp::ClientAction> actions_;
  bool carrying_out_ = false;

  // What goes out in the next write: commands, then content, which is only pointed at, then what comes behind it.
  std::string before_, after_;
  std::string_view content_;

  std::vector<Running> running_;  // at most two
  std::optional<Transfer> transfer_;
  std::optional<Verdict> damage_;  // of the job whose content could not be read
  std::optional<smtp::DeliveryResult> host_failure_;
  bool ready_after_content_ = false;
  bool open_ = false;
  bool hangup_ = false;
  bool idle_ = false;
  bool gone_ = false;
  event::Monotonic idle_since_{};
  event::Monotonic connect_begun_{};
  event::Duration set_up_{};  // for the first job's log line
  smtp::Stage watched_ = smtp::Stage::kConnect;
};

}  // namespace hikyaku::smtp_client
