// Parameter rows: retrying, routes, destinations, and the SMTP client.
#include "config/parameter_rows.h"

namespace hikyaku::config::rows {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Row client_timeout(std::string_view name, std::string_view default_text, std::string_view doc) {
  return duration(name, default_text, Unit::kSeconds, seconds(1), kYear, doc).works();
}

constexpr Row kRows[] = {
    duration("retry_period", "86400s", Unit::kSeconds, seconds(1), kYear,
             "How long a message is retried, counted from its arrival; given up as soon as the next retry would be "
             "later.")
        .works(),
    choice("retry_method", "exponential", "exponential linear",
           "linear: a retry every retry_a. exponential: the n-th retry retry_a times n plus retry_b after the one "
           "before, so intervals grow by equal steps.")
        .works(),
    duration("retry_a", "480s", Unit::kSeconds, seconds(0), kYear, "The a of the retry rule: see retry_method.")
        .works(),
    duration("retry_b", "-240s", Unit::kSeconds, -kYear, kYear, "The b of the retry rule: see retry_method.").works(),
    number("retry_jitter", "0", 0, 50, "Spreads retries by up to so many percent of the interval.").works(),
    duration("unreachable_retry_period", "", Unit::kSeconds, seconds(1), kYear,
             "As retry_period, when the last failure was that no host answered. Empty: retry_period."),
    number("reject_retry_limit", "0", 0, 1000, "Retries after a refusal for good (5xx). 0: it is final at once."),

    table("gateway_table", "$config_directory/gateway.dat",
          "The file of next hops per recipient domain, read again when it changes. It may be absent."),
    text("relayhost", "",
         "The next hop of all mail without a rule in gateway_table: [host]:port, [host], domain or host:port.")
        .works(),
    yes_no("forward_all_to_relayhost", false, "Sends mail for local names on too, instead of looking for them here."),
    text("delivery_filters", "$config_directory/delivery.cf",
         "The file of speed limits per destination. It may be absent."),
    text("priority_filters", "$config_directory/priority.cf", "The file of priorities by header. It may be absent."),
    number("smtp_destination_concurrency_limit", "20", 1, 100000,
           "The most simultaneous deliveries to one destination.")
        .works(),
    number("initial_destination_concurrency", "5", 1, 100000,
           "Simultaneous deliveries to a destination of which nothing is known yet.")
        .works(),
    duration("smtp_destination_rate_delay", "0s", Unit::kSeconds, milliseconds(0), kYear,
             "The pause between deliveries to one destination. 0: none."),
    number("smtp_destination_recipient_limit", "50", 1, kUnlimited, "The most recipients of one delivery.").works(),

    number("connection_pool_size", "100", 1, 500,
           "Idle connections that are kept for the next mail to the same destination.")
        .extended_to(1, 100000)
        .works(),
    duration("connection_pool_timeout", "60s", Unit::kSeconds, seconds(1), seconds(600),
             "How long an idle connection is kept.")
        .works(),

    client_timeout("smtp_connect_timeout", "30s", "How long a next hop may take to accept a connection."),
    client_timeout("smtp_helo_timeout", "300s", "How long it may take to greet and to answer HELO or EHLO."),
    client_timeout("smtp_mail_timeout", "300s", "How long it may take to answer MAIL."),
    client_timeout("smtp_rcpt_timeout", "300s", "How long it may take to answer RCPT."),
    client_timeout("smtp_data_init_timeout", "120s", "How long it may take to answer DATA."),
    client_timeout("smtp_data_xfer_timeout", "180s", "How long it may take no content while it is sent."),
    client_timeout("smtp_data_done_timeout", "600s", "How long it may take to answer the end of the content."),
    client_timeout("smtp_rset_timeout", "20s", "How long it may take to answer RSET."),
    client_timeout("smtp_quit_timeout", "300s", "How long it may take to answer QUIT."),
    number("smtp_line_length_limit", "998", 0, kUnlimited,
           "The longest content line sent, without CRLF; CRLF and a space are put into longer ones. 0: none are.")
        .works(),

    yes_no("smtp_sasl_auth_enable", false, "Logs in to next hops that have an entry in smtp_sasl_password_maps."),
    table("smtp_sasl_password_maps", "", "Tables from next hop to user:password; the key is relayhost's very text."),
    list("smtp_sasl_security_options", "noplaintext, noanonymous", "Kinds of AUTH mechanisms that are not used."),
    list("smtp_sasl_mechanism_filter", "", "The AUTH mechanisms that may be used. Empty: all that the peer offers."),
    choice("smtp_tls_security_level", "", "none may encrypt dane dane-only verify secure", "TLS towards next hops.")
        .or_empty(),
    text("smtp_tls_CAfile", "", "Certificates of the authorities that next hops are verified with."),
    table("smtp_tls_policy_maps", "", "Tables from next hop to its TLS level and attributes."),
    yes_no("smtp_use_tls", false, "Obsolete: smtp_tls_security_level = may. Ignored when that is set."),
};

}  // namespace

std::span<const Row> delivery() { return kRows; }

}  // namespace hikyaku::config::rows
