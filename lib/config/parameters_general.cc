// Parameter rows: the host, the queue, logging, and what concerns every daemon.
#include "config/parameter_rows.h"

namespace hikyaku::config::rows {
namespace {

constexpr Row kRows[] = {
    needed_text("myhostname", "the host's name",
                "The name that this system gives in greetings, HELO and its own headers. The default is the host's "
                "name, completed with $mydomain when it has no dot.")
        .works()
        .from_host(),
    needed_text("mydomain", "$myhostname less its first part",
                "The domain of this system. The default is $myhostname without its first part, or localdomain.")
        .works()
        .from_host(),
    needed_text("myorigin", "$myhostname", "The domain that completes an address without one."),
    list("inet_protocols", "all", "The network protocols to use: all, ipv4, ipv6, or ipv4 and ipv6.")
        .of("all ipv4 ipv6")
        .works()
        .after_restart(),
    list("mydestination", "$myhostname, localhost",
         "Domains whose names are local: they lead through alias_maps to addresses elsewhere or are refused; there is "
         "no mailbox delivery."),
    needed_text("config_directory", "/etc/hikyaku",
                "The directory of main.cf and master.cf. Given on the command line (-c), never in main.cf.")
        .works()
        .from_host()
        .not_settable(),
    needed_text("queue_directory", "/var/spool/hikyaku",
                "The directory of the queue's log, journal and index, of the sockets and of the PID file.")
        .works()
        .after_restart(),
    text("maillog_file", "",
         "Where log lines go: a file, /dev/stdout or /dev/null. Empty means syslog with the facility mail.")
        .works(),
    needed_text("syslog_name", "hikyaku", "What log lines begin with: hikyaku/smtpd[pid].").works(),
    needed_text("mail_owner", "hikyaku",
                "The unprivileged user that owns the queue and runs the daemons; root is refused.")
        .works()
        .after_restart(),
    yes_no("extended_limits", false,
           "Lifts the upper bounds of session limits, receive intervals, message sizes and the connection pool, for "
           "those who have outgrown them.")
        .works(),
    list("mynetworks", "127.0.0.0/8 [::1]/128",
         "Clients that may relay: single addresses and CIDR networks. Empty and without AUTH, nothing is relayed.")
        .works(),
    table("alias_maps", "texthash:/etc/aliases",
          "Tables of local names and the addresses that they stand for; targets are addresses and :include: files."),
    endpoints("dns_servers", "", "DNS servers to ask. Empty means those of /etc/resolv.conf."),
    endpoints("metrics_listen", "",
              "Where counters are served as Prometheus text, such as 127.0.0.1:9154. Empty: off."),
    duration("in_flow_delay", "1s", Unit::kSeconds, std::chrono::milliseconds(0), std::chrono::seconds(10),
             "The longest pause before new mail is accepted while mail arrives faster than it leaves. 0 turns it off."),
};

}  // namespace

std::span<const Row> general() { return kRows; }

}  // namespace hikyaku::config::rows
