// What smtp-client is told by main.cf.
#include "smtp-client/config.h"

#include <sys/socket.h>

#include <algorithm>

namespace hikyaku::smtp_client {

namespace {

constexpr uint32_t kLeastSlots = 1000;
constexpr uint32_t kMostSlots = 100'000;

int family_of(const std::vector<std::string>& protocols) {
  if (protocols.size() != 1 || protocols.front() == "all") return AF_UNSPEC;
  return protocols.front() == "ipv6" ? AF_INET6 : AF_INET;
}

}  // namespace

Config read_config(const config::Settings& settings) {
  Config config;
  config.helo_name = settings.text("myhostname");
  config.address_family = family_of(settings.list("inet_protocols"));
  config.connections_per_destination = static_cast<size_t>(settings.number("smtp_destination_concurrency_limit"));
  config.idle_connections = static_cast<size_t>(settings.number("connection_pool_size"));
  config.idle_time = settings.duration("connection_pool_timeout");
  config.wire = {.makes_seven_bit = !settings.yes("disable_mime_output_conversion"),
                 .line_length_limit = static_cast<size_t>(settings.number("smtp_line_length_limit"))};
  config.timeouts = {
      .connect = settings.duration("smtp_connect_timeout"),
      .helo = settings.duration("smtp_helo_timeout"),
      .mail = settings.duration("smtp_mail_timeout"),
      .rcpt = settings.duration("smtp_rcpt_timeout"),
      .data_init = settings.duration("smtp_data_init_timeout"),
      .data_xfer = settings.duration("smtp_data_xfer_timeout"),
      .data_done = settings.duration("smtp_data_done_timeout"),
      .rset = settings.duration("smtp_rset_timeout"),
      .quit = settings.duration("smtp_quit_timeout"),
  };
  return config;
}

uint32_t Config::slots() const {
  return std::clamp(static_cast<uint32_t>(4 * connections_per_destination), kLeastSlots, kMostSlots);
}

event::Duration Config::patience(smtp::Stage stage) const {
  switch (stage) {
    case smtp::Stage::kConnect:
      return timeouts.connect;
    case smtp::Stage::kGreeting:
    case smtp::Stage::kEhlo:
    case smtp::Stage::kHelo:
      return timeouts.helo;
    case smtp::Stage::kMail:
      return timeouts.mail;
    case smtp::Stage::kRcpt:
      return timeouts.rcpt;
    case smtp::Stage::kDataInit:
      return timeouts.data_init;
    case smtp::Stage::kDataXfer:
      return timeouts.data_xfer;
    case smtp::Stage::kDataDone:
      return timeouts.data_done;
    case smtp::Stage::kRset:
      return timeouts.rset;
    case smtp::Stage::kQuit:
      return timeouts.quit;
    case smtp::Stage::kIdle:
      return idle_time;
  }
  return timeouts.helo;
}

}  // namespace hikyaku::smtp_client
