// Parameter rows: the SMTP servers, who may use them and what they accept.
#include "config/parameter_rows.h"

namespace hikyaku::config::rows {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int64_t kLargestMessage = 768 * 1024 * kKilobyte;  // one session may use all of it (row 25)
constexpr int64_t kLargestExtendedMessage = 1024 * kGigabyte;

constexpr Row session_limit(std::string_view name, std::string_view doc) {
  return number(name, "30", 1, 100, doc).extended_to(1, 100000);
}

constexpr Row receive_interval(std::string_view name, std::string_view doc) {
  return duration(name, "360ms", Unit::kMilliseconds, milliseconds(10), seconds(10), doc).extended_to(0, 10000);
}

constexpr Row message_size_limit(std::string_view name, std::string_view doc) {
  return size(name, "20480k", kKilobyte, kLargestMessage, doc).extended_to(kKilobyte, kLargestExtendedMessage);
}

constexpr Row kRows[] = {
    endpoints("relay_listen", ":10025", "The addresses of the relay server. Empty opens nothing.").works(),
    endpoints("submission_listen", "",
              "The addresses of the submission server, usually :587, where STARTTLS and AUTH are required."),
    endpoints("submissions_listen", "", "The addresses of submission with TLS from the start, usually :465."),
    endpoints("inbound_listen", "", "The addresses of the server for mail from outside, usually :10026 and :25."),
    session_limit("relay_session_limit",
                  "Simultaneous sessions per listening address of the relay server; above it the greeting is 421."),
    session_limit("inbound_session_limit",
                  "Simultaneous sessions per listening address of the inbound server; above it the greeting is 421."),
    receive_interval("relay_receive_interval",
                     "The least time that a message takes, from MAIL to the final reply; with the session limit it "
                     "bounds the messages per hour. To receive more, add sessions rather than shrink the interval."),
    receive_interval("inbound_receive_interval", "As relay_receive_interval, for the inbound server."),
    message_size_limit("relay_message_size_limit",
                       "The largest message that the relay server accepts. Size times sessions is bounded by 768 MB.")
        .works(),
    message_size_limit("inbound_message_size_limit", "As relay_message_size_limit, for the inbound server."),
    list("inbound_bounce_domains", "",
         "Recipient domains whose mail is read as bounces. A domain may be in this list or in inbound_domains."),
    list("inbound_domains", "",
         "Recipient domains that the inbound server accepts; their mail is routed as any other."),

    yes_no("smtpd_sasl_auth_enable", false, "Offers AUTH to clients."),
    list("smtpd_sasl_mechanism_filter", "plain login cram-md5 scram-sha-256", "The AUTH mechanisms to offer."),
    needed_text("smtpd_sasl_path", "smtpd", "The name of the Cyrus SASL configuration file, without its .conf."),
    needed_text("cyrus_sasl_config_path", "$config_directory/sasl", "Where Cyrus SASL looks for that file."),
    text("smtpd_sasl_local_domain", "$myhostname", "The realm of users without one."),
    yes_no("smtpd_tls_auth_only", true, "Offers AUTH only under TLS."),
    choice("relay_access_policy", "network_or_auth", "network_or_auth network_with_optional_auth network_and_auth",
           "Who may relay: clients in mynetworks or with AUTH; clients in mynetworks, AUTH being optional; or clients "
           "in mynetworks that also pass AUTH."),
    table("smtpd_sender_login_maps", "",
          "Tables from sender to its login names. When set, submission refuses a sender that is not the login's."),
    choice("smtpd_tls_security_level", "", "none may encrypt", "TLS of the servers: none, may (STARTTLS), encrypt.")
        .or_empty(),
    text("smtpd_tls_cert_file", "", "The server's certificate, followed by those of its issuers, in PEM."),
    text("smtpd_tls_key_file", "$smtpd_tls_cert_file", "The private key of smtpd_tls_cert_file."),
    list("smtpd_tls_chain_files", "", "Files with key and certificates; takes the place of the two keys above."),
    table("tls_server_sni_maps", "", "Tables from server name to the key and certificate files shown for it."),
    choice("smtpd_upstream_proxy_protocol", "", "haproxy",
           "haproxy: connections begin with the PROXY protocol, version 1 or 2.")
        .or_empty(),
    list("proxy_protocol_networks", "", "The networks from which the PROXY protocol is taken; no others."),
    choice(
        "smtpd_forbid_bare_newline", "normalize", "no yes normalize reject note",
        "What to do with a line that ends in a bare newline: take it for CRLF (no, yes, normalize), also tell the log "
        "(note), or refuse it (reject: 550 for the message, 521 and the end for a command). Only CRLF.CRLF ends a "
        "message, whatever is set.")
        .works(),
    yes_no("strict_rfc821_envelopes", false, "Refuses addresses in MAIL and RCPT that RFC 5321's syntax forbids.")
        .works(),

    duration("smtpd_timeout", "300s", Unit::kSeconds, seconds(1), kYear,
             "How long a server waits for a whole command, for content (see smtpd_min_data_rate), and for a client to "
             "take a reply.")
        .works(),
    number(
        "smtpd_recipient_limit", "1000", 1, kUnlimited,
        "The most recipients of one message; more are answered 452. Only from the 1001st of these on they are errors.")
        .works(),
    number("smtpd_soft_error_limit", "10", 1, kUnlimited,
           "Errors of a client, without mail, after which each reply comes a second late.")
        .works(),
    number("smtpd_hard_error_limit", "20", 1, kUnlimited, "Errors of a client after which it is disconnected.").works(),
    number("smtpd_junk_command_limit", "100", 1, kUnlimited,
           "Commands that move no mail (NOOP, VRFY, RSET, HELP, HELO, EHLO) after which each counts as an error.")
        .works(),
    number(
        "smtpd_client_connection_count_limit", "50", 0, kUnlimited,
        "Simultaneous connections of one client outside mynetworks, an IPv6 client being a network of 84 bits; above "
        "it 421. 0: no limit. As for the two rates, each process of a service counts for itself.")
        .works(),
    number("smtpd_client_connection_rate_limit", "0", 0, kUnlimited,
           "Connections a minute of one client outside mynetworks; above it 421. 0: no limit.")
        .works(),
    number("smtpd_client_message_rate_limit", "0", 0, kUnlimited,
           "MAIL commands a minute of one client outside mynetworks; above it 450. 0: no limit.")
        .works(),
    number(
        "smtpd_min_data_rate", "500", 1, kUnlimited,
        "Bytes a second at which a client may send content for ever; a slower one has used up smtpd_timeout some time.")
        .works(),
    size("header_size_limit", "102400", 1, kUnlimited,
         "The longest header field that is read; a longer one is counted if it is a Received, and passed on whole.")
        .works(),
    size("line_length_limit", "2048", 512, kUnlimited, "The longest command line.").works(),
    number("hopcount_limit", "50", 1, kUnlimited, "Received headers above which a message is refused as looping.")
        .works(),
};

}  // namespace

std::span<const Row> receiving() { return kRows; }

}  // namespace hikyaku::config::rows
