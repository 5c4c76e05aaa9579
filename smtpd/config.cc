// What smtpd is told by main.cf and its line of master.cf.
#include "smtpd/config.h"

#include "util/error.h"

namespace hikyaku::smtpd {

namespace {

smtp::BareNewline bare_newline_of(const std::string& value) {
  if (value == "reject") return smtp::BareNewline::kReject;
  // Postfix's other values differ in what ends a message, and that is the same here for all of them.
  return value == "note" ? smtp::BareNewline::kNote : smtp::BareNewline::kAccept;
}

unsigned count(const config::Settings& settings, std::string_view name) {
  return static_cast<unsigned>(settings.number(name));
}

}  // namespace

Config read_config(const config::Settings& settings, const std::string& service) {
  Config config;
  config.service = service;
  auto networks = net::NetworkList::parse(settings.text("mynetworks"));
  if (!networks) throw util::StartupError(settings.place_of("mynetworks") + ": mynetworks: " + networks.error().text);
  config.networks = std::move(*networks);
  config.timeout = std::chrono::duration_cast<std::chrono::milliseconds>(settings.duration("smtpd_timeout"));
  config.least_data_rate = static_cast<uint64_t>(settings.number("smtpd_min_data_rate"));
  config.clients = {count(settings, "smtpd_client_connection_count_limit"),
                    count(settings, "smtpd_client_connection_rate_limit"),
                    count(settings, "smtpd_client_message_rate_limit")};
  config.needs_local_address = settings.text("received_header") == "normal";
  smtp::ServerOptions& session = config.session;
  session.hostname = settings.text("myhostname");
  session.size_limit = settings.size(service == "inbound" ? "inbound_message_size_limit" : "relay_message_size_limit");
  session.gather_limit = kMostGathered;
  session.recipient_limit = static_cast<size_t>(settings.number("smtpd_recipient_limit"));
  session.line_length_limit = static_cast<size_t>(settings.size("line_length_limit"));
  session.soft_error_limit = count(settings, "smtpd_soft_error_limit");
  session.hard_error_limit = count(settings, "smtpd_hard_error_limit");
  session.junk_command_limit = count(settings, "smtpd_junk_command_limit");
  session.bare_newline = bare_newline_of(settings.text("smtpd_forbid_bare_newline"));
  session.forbid_blind_talk = true;
  session.strict_envelopes = settings.yes("strict_rfc821_envelopes");
  return config;
}

}  // namespace hikyaku::smtpd
