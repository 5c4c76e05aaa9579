// The table itself: complete, sorted, and with defaults that its own rules accept.
#include "config/parameters.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "config/settings.h"
#include "config/validation.h"

namespace hikyaku::config {
namespace {

// Every key that the interface promises.
constexpr std::string_view kPromised[] = {"myhostname",
                                          "mydomain",
                                          "myorigin",
                                          "inet_protocols",
                                          "mydestination",
                                          "queue_directory",
                                          "maillog_file",
                                          "syslog_name",
                                          "mail_owner",
                                          "relay_listen",
                                          "submission_listen",
                                          "submissions_listen",
                                          "inbound_listen",
                                          "relay_session_limit",
                                          "inbound_session_limit",
                                          "relay_receive_interval",
                                          "inbound_receive_interval",
                                          "relay_message_size_limit",
                                          "inbound_message_size_limit",
                                          "extended_limits",
                                          "mynetworks",
                                          "smtpd_sasl_auth_enable",
                                          "smtpd_sasl_mechanism_filter",
                                          "smtpd_sasl_path",
                                          "cyrus_sasl_config_path",
                                          "smtpd_sasl_local_domain",
                                          "smtpd_tls_auth_only",
                                          "relay_access_policy",
                                          "smtpd_sender_login_maps",
                                          "smtpd_tls_security_level",
                                          "smtpd_tls_cert_file",
                                          "smtpd_tls_key_file",
                                          "smtpd_tls_chain_files",
                                          "tls_server_sni_maps",
                                          "smtpd_upstream_proxy_protocol",
                                          "proxy_protocol_networks",
                                          "smtpd_forbid_bare_newline",
                                          "inbound_bounce_domains",
                                          "inbound_domains",
                                          "received_header",
                                          "sender_rewrite",
                                          "sender_rewrite_maps",
                                          "bounce_forward_to_sender",
                                          "bcc_host",
                                          "bcc_port",
                                          "forward_filters",
                                          "bounce_format",
                                          "delay_warning_time",
                                          "bounce_size_limit",
                                          "notify_classes",
                                          "bounce_template_file",
                                          "retry_period",
                                          "retry_method",
                                          "retry_a",
                                          "retry_b",
                                          "retry_jitter",
                                          "unreachable_retry_period",
                                          "reject_retry_limit",
                                          "connection_pool_size",
                                          "connection_pool_timeout",
                                          "gateway_table",
                                          "relayhost",
                                          "forward_all_to_relayhost",
                                          "alias_maps",
                                          "delivery_filters",
                                          "priority_filters",
                                          "smtp_sasl_auth_enable",
                                          "smtp_sasl_password_maps",
                                          "smtp_sasl_security_options",
                                          "smtp_sasl_mechanism_filter",
                                          "smtp_tls_security_level",
                                          "smtp_tls_CAfile",
                                          "smtp_tls_policy_maps",
                                          "smtp_use_tls",
                                          "dns_servers",
                                          "smtp_connect_timeout",
                                          "smtp_helo_timeout",
                                          "smtp_mail_timeout",
                                          "smtp_rcpt_timeout",
                                          "smtp_data_init_timeout",
                                          "smtp_data_xfer_timeout",
                                          "smtp_data_done_timeout",
                                          "smtp_rset_timeout",
                                          "smtp_quit_timeout",
                                          "smtpd_timeout",
                                          "smtpd_recipient_limit",
                                          "smtpd_soft_error_limit",
                                          "smtpd_hard_error_limit",
                                          "smtpd_junk_command_limit",
                                          "smtpd_client_connection_count_limit",
                                          "smtpd_client_connection_rate_limit",
                                          "smtpd_client_message_rate_limit",
                                          "smtpd_min_data_rate",
                                          "header_size_limit",
                                          "line_length_limit",
                                          "hopcount_limit",
                                          "strict_rfc821_envelopes",
                                          "smtp_destination_concurrency_limit",
                                          "initial_destination_concurrency",
                                          "smtp_destination_rate_delay",
                                          "smtp_destination_recipient_limit",
                                          "in_flow_delay",
                                          "smtp_line_length_limit",
                                          "disable_mime_output_conversion",
                                          "metrics_listen",
                                          "postmaster_address",
                                          "config_directory"};

TEST_CASE("every promised key is declared, and nothing else") {
  for (const std::string_view name : kPromised) {
    INFO(name);
    REQUIRE(find_parameter(name) != nullptr);
  }
  REQUIRE(parameters().size() == std::size(kPromised));
}

TEST_CASE("names are unique and each row is documented") {
  const auto twice = std::ranges::adjacent_find(parameters(), {}, &Parameter::name);
  REQUIRE(twice == parameters().end());
  for (const Parameter& parameter : parameters()) {
    INFO(parameter.name);
    REQUIRE(parameter.doc.ends_with('.'));
    REQUIRE((parameter.kind != Kind::kEnumeration || !parameter.values.empty()));
  }
  REQUIRE(find_parameter("") == nullptr);
  REQUIRE(find_parameter("zzz") == nullptr);
}

TEST_CASE("every default is itself valid") {
  const Settings defaults({}, "mail.example.com", "/etc/hikyaku");
  REQUIRE(defaults.problems().empty());
  for (const Parameter& parameter : parameters()) {
    INFO(parameter.name << " = " << parameter.default_text);
    REQUIRE_FALSE(wrong_value(parameter, defaults.text(parameter.name), false));
    REQUIRE_FALSE(wrong_value(parameter, defaults.text(parameter.name), true));
  }
}

TEST_CASE("ranges are told in the units of the key") {
  REQUIRE(range_text(*find_parameter("relay_receive_interval"), false) == "10ms to 10s");
  REQUIRE(range_text(*find_parameter("relay_receive_interval"), true) == "0s to 10s");
  REQUIRE(range_text(*find_parameter("connection_pool_size"), false) == "1 to 500");
  REQUIRE(range_text(*find_parameter("connection_pool_size"), true) == "1 to 100000");
  REQUIRE(range_text(*find_parameter("connection_pool_timeout"), false) == "1s to 10m");
  REQUIRE(range_text(*find_parameter("hopcount_limit"), false) == "1 or more");
}

}  // namespace
}  // namespace hikyaku::config
