// One SMTP connection to a next hop: joins the pure ClientSession with a socket and with the content of messages.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "log/logger.h"
#include "net/address.h"
#include "net/stream.h"
#include "smtp-client/carrier.h"
#include "smtp-client/config.h"
#include "smtp-client/content.h"
#include "smtp-client/job.h"
#include "smtp-client/wire_form.h"
#include "smtp/client_session.h"

namespace hikyaku::smtp_client {

// What every connection works with.
struct Surroundings {
  event::Loop& loop;
  const Config& config;
  Segments& segments;
  log::Logger& logger;
  JobSink& sink;
};

class Connection final : public Carrier, public net::StreamHandler {
 public:
  // To one of `addresses`, tried in their order. `host` is the next hop's name.
  Connection(Surroundings& around, CarrierOwner& owner, std::string host, uint16_t port,
             std::vector<net::Address> addresses);
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void open() override { try_next_address(); }
  void start(std::unique_ptr<Job> job) override;
  void quit() override;
  bool is_open() const override { return open_; }
  bool idle() const override { return idle_; }
  event::Monotonic idle_since() const override { return idle_since_; }
  event::Monotonic begun() const override { return begun_; }

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
    WireForm form;
  };
  // What the deadline is for.
  struct Awaited {
    smtp::Stage stage = smtp::Stage::kConnect;
    uint64_t replies = 0;  // before the one that is awaited
    bool operator==(const Awaited&) const = default;
  };

  void on_bytes(std::string_view bytes) override;
  void on_closed(int error) override;
  void on_drained() override;
  void on_deadline() override;

  void try_next_address();
  void attempt_failed(const Verdict& verdict, bool reached);
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
  void settle();
  void watch();
  void hang_up();
  void end(const Verdict& verdict, bool reached);
  Running take(uint64_t number);

  Surroundings& around_;
  CarrierOwner& owner_;
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
  std::optional<Verdict> no_content_;  // of the job whose content could not be read
  std::optional<smtp::DeliveryResult> host_failure_;
  bool ready_after_content_ = false;
  bool open_ = false;
  bool quitting_ = false;
  bool hangup_ = false;
  bool idle_ = false;
  bool gone_ = false;
  event::Monotonic idle_since_{};
  const event::Monotonic begun_;
  event::Duration set_up_{};  // for the first job's log line
  Awaited watched_;
};

}  // namespace hikyaku::smtp_client
