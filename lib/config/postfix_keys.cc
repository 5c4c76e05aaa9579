// The table of Postfix's keys that we do not have.
#include "config/postfix_keys.h"

#include <algorithm>

namespace hikyaku::config {
namespace {

struct Advice {
  std::string_view key;
  std::string_view ours;  // completes "…: use OURS"; empty when there is nothing to use
};

constexpr std::string_view kAccess = "relay_access_policy and mynetworks";
constexpr std::string_view kListen = "relay_listen, submission_listen and inbound_listen";

constexpr Advice kAdvice[] = {
    {"address_verify_map", ""},
    {"alias_database", "alias_maps"},
    {"always_bcc", "bcc_host"},
    {"anvil_rate_time_unit", ""},
    {"append_dot_mydomain", ""},
    {"biff", ""},
    {"body_checks", "forward_filters"},
    {"bounce_queue_lifetime", "retry_period"},
    {"canonical_maps", "sender_rewrite_maps"},
    {"command_directory", ""},
    {"compatibility_level", ""},
    {"content_filter", ""},
    {"daemon_directory", ""},
    {"data_directory", "queue_directory"},
    {"default_destination_concurrency_limit", "smtp_destination_concurrency_limit"},
    {"default_destination_rate_delay", "smtp_destination_rate_delay"},
    {"default_destination_recipient_limit", "smtp_destination_recipient_limit"},
    {"default_process_limit", "the process column of master.cf"},
    {"default_transport", "gateway_table or relayhost"},
    {"fallback_transport", ""},
    {"header_checks", "forward_filters, priority_filters or received_header"},
    {"home_mailbox", ""},
    {"html_directory", ""},
    {"inet_interfaces", kListen},
    {"local_recipient_maps", "alias_maps"},
    {"local_transport", "alias_maps"},
    {"mailbox_command", ""},
    {"mailbox_size_limit", ""},
    {"mailbox_transport", ""},
    {"manpage_directory", ""},
    {"maximal_backoff_time", "retry_a and retry_b"},
    {"maximal_queue_lifetime", "retry_period"},
    {"message_size_limit", "relay_message_size_limit and inbound_message_size_limit"},
    {"milter_default_action", ""},
    {"minimal_backoff_time", "retry_a and retry_b"},
    {"mynetworks_style", "mynetworks"},
    {"non_smtpd_milters", ""},
    {"qmgr_message_active_limit", ""},
    {"queue_run_delay", "retry_a and retry_b"},
    {"readme_directory", ""},
    {"recipient_bcc_maps", "forward_filters"},
    {"recipient_canonical_maps", "alias_maps"},
    {"recipient_delimiter", ""},
    {"relay_domains", "inbound_domains"},
    {"relay_recipient_maps", "inbound_domains"},
    {"relay_transport", "gateway_table"},
    {"sender_bcc_maps", "bcc_host or forward_filters"},
    {"sender_canonical_maps", "sender_rewrite_maps"},
    {"sender_dependent_relayhost_maps", "gateway_table or relayhost"},
    {"setgid_group", ""},
    {"smtp_bind_address", ""},
    {"smtp_bind_address6", ""},
    {"smtp_connection_cache_destinations", "connection_pool_size"},
    {"smtp_connection_cache_on_demand", "connection_pool_size"},
    {"smtp_connection_cache_time_limit", "connection_pool_timeout"},
    {"smtp_enforce_tls", "smtp_tls_security_level"},
    {"smtp_generic_maps", "sender_rewrite_maps"},
    {"smtp_tls_note_starttls_offer", ""},
    {"smtp_tls_session_cache_database", ""},
    {"smtpd_banner", ""},
    {"smtpd_client_event_limit_exceptions", "mynetworks"},
    {"smtpd_client_ipv4_prefix_length", ""},
    {"smtpd_client_ipv6_prefix_length", ""},
    {"smtpd_client_restrictions", kAccess},
    {"smtpd_data_restrictions", kAccess},
    {"smtpd_end_of_data_restrictions", kAccess},
    {"smtpd_enforce_tls", "smtpd_tls_security_level"},
    {"smtpd_error_sleep_time", "smtpd_soft_error_limit"},
    {"smtpd_forbid_bare_newline_exclusions", ""},
    {"smtpd_forbid_bare_newline_reject_code", ""},
    {"smtpd_forbid_unauth_pipelining", ""},
    {"smtpd_forbidden_commands", ""},
    {"smtpd_helo_required", ""},
    {"smtpd_helo_restrictions", kAccess},
    {"smtpd_milters", ""},
    {"smtpd_per_record_deadline", "smtpd_timeout"},
    {"smtpd_per_request_deadline", "smtpd_timeout"},
    {"smtpd_recipient_overshoot_limit", ""},
    {"smtpd_recipient_restrictions", kAccess},
    {"smtpd_relay_restrictions", kAccess},
    {"smtpd_sasl_security_options", "smtpd_sasl_mechanism_filter and smtpd_tls_auth_only"},
    {"smtpd_sasl_type", "smtpd_sasl_path"},
    {"smtpd_sender_restrictions", "relay_access_policy and smtpd_sender_login_maps"},
    {"smtpd_tls_session_cache_database", ""},
    {"smtpd_tls_wrappermode", "submissions_listen"},
    {"smtpd_use_tls", "smtpd_tls_security_level"},
    {"syslog_facility", ""},
    {"transport_maps", "gateway_table"},
    {"virtual_alias_domains", "inbound_domains"},
    {"virtual_alias_maps", "alias_maps"},
    {"virtual_mailbox_domains", "inbound_domains"},
    {"virtual_mailbox_maps", ""},
    {"virtual_transport", "gateway_table"},
};

static_assert(std::ranges::is_sorted(kAdvice, {}, &Advice::key));

}  // namespace

std::optional<std::string> advice_for_postfix_key(std::string_view name) {
  const auto found = std::ranges::lower_bound(kAdvice, name, {}, &Advice::key);
  if (found == std::end(kAdvice) || found->key != name) return std::nullopt;
  const std::string what = std::string(name) + " is a key of Postfix that does not exist here: ";
  if (found->ours.empty()) return what + "remove it";
  return what + "use " + std::string(found->ours);
}

}  // namespace hikyaku::config
