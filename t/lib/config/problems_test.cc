// What the operator is told about wrong settings.
#include <catch2/catch.hpp>

#include "config/configuration.h"
#include "config/nearest.h"

namespace hikyaku::config {
namespace {

std::string problems_of(std::string_view main_cf) {
  const MainCf main = parse_main_cf(main_cf);
  std::string out;
  for (const Problem& problem : Settings(main.definitions, "mail.example.com", "/etc/hikyaku").problems()) {
    out += to_line(problem) + "\n";
  }
  return out;
}

struct Case {
  std::string_view main_cf, expected;
};

TEST_CASE("a wrong value is named with its line and the reason") {
  const Case cases[] = {
      {"retry_period = soon", "main.cf:1: retry_period = soon: not a time (a whole number with ms, s, m, h, d or w)\n"},
      {"relay_session_limit = many", "main.cf:1: relay_session_limit = many: not a whole number\n"},
      {"extended_limits = perhaps", "main.cf:1: extended_limits = perhaps: must be yes or no\n"},
      {"bounce_size_limit = 1kb",
       "main.cf:1: bounce_size_limit = 1kb: not a size (a whole number of bytes, or with k, m or g)\n"},
      {"relay_listen = 25", "main.cf:1: relay_listen = 25: '25': the port is missing (host:port)\n"},
      {"retry_method = expoential",
       "main.cf:1: retry_method = expoential: must be one of exponential, linear, did you mean exponential?\n"},
      {"inet_protocols = ipv5",
       "main.cf:1: inet_protocols = ipv5: 'ipv5' must be one of all, ipv4, ipv6, did you mean "
       "ipv4?\n"},
      {"alias_maps = hsah:/etc/aliases",
       "main.cf:1: alias_maps = hsah:/etc/aliases: no table type 'hsah', did you mean hash?\n"},
      {"queue_directory =", "main.cf:1: queue_directory = : must not be empty\n"},
      {"retry_a =", "main.cf:1: retry_a = : must not be empty\n"},
      {"config_directory = /x", "main.cf:1: config_directory cannot be set here; it is given on the command line\n"},
      {"myorigin = $mydomian", "main.cf:1: myorigin: $mydomian is not set anywhere, did you mean mydomain?\n"},
      {"mydomain = $mydomain", "main.cf:1: mydomain: refers to itself: mydomain -> mydomain\n"},
  };
  for (const Case& c : cases) {
    INFO(c.main_cf);
    REQUIRE(problems_of(c.main_cf) == c.expected);
  }
}

TEST_CASE("what a file says is told without its control characters") {
  const Case cases[] = {
      {"myorigin = ${mydomain?{b}\x1b}", "main.cf:1: myorigin: '\\033' after '}' makes no sense\n"},
      {"myorigin = ${mydomain\x1b}",
       "main.cf:1: myorigin: '${mydomain\\033}' is not of the form ${name}, ${name?text} or ${name:text}\n"},
      {"myorigin = $(\x07", "main.cf:1: myorigin: '$(\\007' is not closed\n"},
      {"relay_listen = \x1b[7m:25",
       "main.cf:1: relay_listen = \\033[7m:25: '\\033[7m:25': not of the form host:port\n"},
      {"relay_listen = \x1b:25", "main.cf:1: relay_listen = \\033:25: '\\033:25': not of the form host:port\n"},
  };
  for (const Case& c : cases) {
    INFO(c.main_cf);
    CHECK(problems_of(c.main_cf) == c.expected);
  }
  const auto configuration = read_configuration("", "\xff:25 inet n - n - - smtpd\n\xff:25 inet n - n - - smtpd -v",
                                                "mail.example.com", "/etc/hikyaku");
  for (const Problem& problem : configuration.problems) CHECK(to_line(problem).find('\xff') == std::string::npos);
}

TEST_CASE("ranges are those of the rules, and wider when asked for") {
  struct Limit {
    std::string_view key, least, below, greatest, above;
    bool lifted;
  };
  const Limit limits[] = {
      {"relay_session_limit", "1", "0", "100", "101", true},             // (row 3)
      {"inbound_session_limit", "1", "0", "100", "101", true},           // (row 67)
      {"relay_receive_interval", "10", "9", "10000", "10001", false},    // (row 4)
      {"inbound_receive_interval", "10", "9", "10000ms", "11s", false},  // (row 68)
      {"connection_pool_size", "1", "0", "500", "501", true},            // (row 46)
      {"connection_pool_timeout", "1", "0", "600", "601", false},        // (row 47)
      {"retry_period", "481s", "0", "365d", "366d", false},              // (row 40; C34)
      {"retry_jitter", "0", "-1", "50", "51", false},
      {"bcc_port", "1", "0", "65535", "65536", false},
  };
  const auto set = [](std::string_view key, std::string_view value) {
    // A small message, so that many sessions are no problem of memory.
    return "relay_message_size_limit = 1m\ninbound_message_size_limit = 1m\n" + std::string(key) + " = " +
           std::string(value) + "\n";
  };
  for (const Limit& limit : limits) {
    INFO(limit.key);
    REQUIRE(problems_of(set(limit.key, limit.least)).empty());
    REQUIRE(problems_of(set(limit.key, limit.greatest)).empty());
    REQUIRE(problems_of(set(limit.key, limit.below)).find("out of range") != std::string::npos);
    REQUIRE(problems_of(set(limit.key, limit.above)).find("out of range") != std::string::npos);
    REQUIRE(problems_of(set(limit.key, limit.above) + "extended_limits = yes").empty() == limit.lifted);
  }
  REQUIRE(problems_of("relay_receive_interval = 0\nextended_limits = yes").empty());
  REQUIRE(problems_of("relay_session_limit = 101") ==
          "main.cf:1: relay_session_limit = 101: out of range, must be 1 to 100 (extended_limits = yes allows 1 to "
          "100000)\n");
}

TEST_CASE("message size times sessions is bounded (rows 25-27; C8)") {
  struct Size {
    int sessions, most_kilobytes;
  };
  for (const Size& size : {Size{1, 786432}, Size{30, 26214}, Size{38, 20695}, Size{39, 20164}, Size{100, 7864}}) {
    for (const std::string listener : {"relay", "inbound"}) {
      const auto with = [&](int kilobytes) {
        return listener + "_session_limit = " + std::to_string(size.sessions) + "\n" + listener +
               "_message_size_limit = " + std::to_string(kilobytes) + "k\n";
      };
      INFO(with(size.most_kilobytes));
      REQUIRE(problems_of(with(size.most_kilobytes)).empty());
      REQUIRE_FALSE(problems_of(with(size.most_kilobytes + 1)).empty());
    }
  }
  REQUIRE(problems_of("relay_session_limit = 38").empty());
  REQUIRE(problems_of("relay_session_limit = 39") ==
          "main.cf:1: relay_message_size_limit (20480k) times relay_session_limit (39) is more than 786432k: with 39 "
          "sessions at most 20164k, with this size at most 38 sessions\n");
  REQUIRE(problems_of("relay_session_limit = 39\nextended_limits = yes").empty());
}

TEST_CASE("the retry rule must give a retry within the period (rows 41, 42; C34; D2)") {
  struct RetryCase {
    std::string_view method, a, b, period;
    bool good;
  };
  const RetryCase cases[] = {
      {"exponential", "480", "-240", "86400", true},
      {"exponential", "0", "300", "900", true},
      {"exponential", "300", "600", "900", false},
      {"exponential", "240", "-240", "900", false},
      {"exponential", "100", "-240", "900", false},
      {"exponential", "-1", "300", "900", false},
      {"exponential", "500ms", "0", "900", false},
      {"exponential", "1", "0", "2", true},
      {"linear", "21600", "0", "86400", true},
      {"linear", "86400", "0", "86400", false},
      {"linear", "86399", "-99999", "86400", true},
      {"linear", "0", "300", "86400", false},
      {"linear", "8m", "0", "1d", true},
  };
  for (const RetryCase& c : cases) {
    const std::string text = "retry_method = " + std::string(c.method) + "\nretry_a = " + std::string(c.a) +
                             "\nretry_b = " + std::string(c.b) + "\nretry_period = " + std::string(c.period);
    INFO(text);
    REQUIRE(problems_of(text).empty() == c.good);
  }
  REQUIRE(problems_of("retry_period = 200s").starts_with("main.cf:1: retry_a + retry_b is 4m: it must be less than"));
}

TEST_CASE("keys that exclude or need each other are named") {
  const Case cases[] = {
      {"bcc_host = a\nforward_filters = /f", "main.cf:2: bcc_host and forward_filters cannot be used together\n"},
      {"inbound_domains = a.example, B.example\ninbound_bounce_domains = b.example",
       "main.cf:2: b.example is in both inbound_bounce_domains and inbound_domains\n"},
      {"relay_access_policy = network_and_auth",
       "main.cf:1: relay_access_policy = network_and_auth needs smtpd_sasl_auth_enable = yes: nobody could relay\n"},
      {"relay_access_policy = network_and_auth\nsmtpd_sasl_auth_enable = yes", ""},
      {"mail_owner = root", "main.cf:1: mail_owner must be an unprivileged user, not root\n"},
      {"mail_owner = 0", "main.cf:1: mail_owner must be an unprivileged user, not root\n"},
      {"mynetworks =", "main.cf:1: warning: mynetworks is empty and AUTH is off: nothing will be relayed\n"},
      {"smtp_use_tls = yes",
       "main.cf:1: warning: smtp_use_tls is obsolete; set smtp_tls_security_level, which wins over it\n"},
  };
  for (const Case& c : cases) {
    INFO(c.main_cf);
    REQUIRE(problems_of(c.main_cf) == c.expected);
  }
}

TEST_CASE("an unknown key is an error unless the operator uses it") {
  const Case cases[] = {
      {"relay_sesion_limit = 5",
       "main.cf:1: relay_sesion_limit is not a known key, did you mean relay_session_limit?\n"},
      {"colour = red", "main.cf:1: colour is not a known key\n"},
      {"site = example.org\nmyorigin = $site", ""},
      {"site = example.org\nmyorigin = ${site?x}", ""},
      {"message_size_limit = 1",
       "main.cf:1: message_size_limit is a key of Postfix that does not exist here: use relay_message_size_limit and "
       "inbound_message_size_limit\n"},
      {"compatibility_level = 3.6",
       "main.cf:1: compatibility_level is a key of Postfix that does not exist here: remove it\n"},
  };
  for (const Case& c : cases) {
    INFO(c.main_cf);
    REQUIRE(problems_of(c.main_cf) == c.expected);
  }
}

TEST_CASE("all wrong keys are reported at once, in the file's order") {
  REQUIRE(problems_of("retry_period = x\n\ncolour = red\nmail_owner = root\nbcc_port = 0\n") ==
          "main.cf:1: retry_period = x: not a time (a whole number with ms, s, m, h, d or w)\n"
          "main.cf:3: colour is not a known key\n"
          "main.cf:4: mail_owner must be an unprivileged user, not root\n"
          "main.cf:5: bcc_port = 0: out of range, must be 1 to 65535\n");
}

TEST_CASE("only keys that are set count as not built yet") {
  const Settings s(parse_main_cf("relayhost = a\nbcc_host = b\nalias_maps =").definitions, "h.example", "/etc");
  REQUIRE(s.unbuilt_set_keys() == std::vector<UnbuiltKey>{{"main.cf:2", "bcc_host"}, {"main.cf:3", "alias_maps"}});
}

TEST_CASE("a suggestion is made only when a word is near") {
  const std::string_view words[] = {"smtpd", "cleanup", "qmgr"};
  REQUIRE(nearest("claenup", words) == "cleanup");
  REQUIRE(nearest("SMTPD", words) == "smtpd");
  REQUIRE_FALSE(nearest("pickup", words));
}

constexpr std::string_view kMaster =
    "$relay_listen inet n - n - - smtpd\n"
    "$submission_listen inet n - n - - smtpd -o relay_session_limit=5\n"
    "qmgr unix - - n - 1 qmgr\n";

std::string configuration_problems(std::string_view main_cf, std::string_view master_cf) {
  std::string out;
  for (const Problem& problem : read_configuration(main_cf, master_cf, "h.example", "/etc/hikyaku").problems) {
    out += to_line(problem) + "\n";
  }
  return out;
}

TEST_CASE("both files are checked as one") {
  REQUIRE(configuration_problems("", kMaster).empty());
  REQUIRE(configuration_problems("x\n", "y\n") ==
          "main.cf:1: '=' is missing after 'x'\nmaster.cf:1: only 1 of 8 columns: type is missing\n");
  REQUIRE(configuration_problems("site = x\n", "qmgr unix - - n - 1 qmgr -o myorigin=$site").empty());
  REQUIRE(configuration_problems("", "a:25 inet n - n - - smtpd -o relay_session_limit=0 -o colour=red") ==
          "master.cf:1: colour is not a known key\n"
          "master.cf:1: relay_session_limit = 0: out of range, must be 1 to 100\n");
  REQUIRE(configuration_problems("submission_listen = :10025", kMaster) ==
          "master.cf:2: service submission: service relay already listens on :10025\n");
  REQUIRE(configuration_problems("", "25 inet n - n - - smtpd") ==
          "master.cf:1: service 25: '25': the port is missing (host:port)\n");
  REQUIRE(configuration_problems("", "") == "master.cf:1: no service is defined\n");
  // Once, although every service inherits it.
  REQUIRE(configuration_problems("mail_owner = root", kMaster) ==
          "main.cf:1: mail_owner must be an unprivileged user, not root\n");
}

TEST_CASE("each service has its own settings and addresses") {
  const Configuration c =
      read_configuration("relay_listen = 127.0.0.1:2525, [::1]:2525", kMaster, "h.example", "/etc/hikyaku");
  REQUIRE(c.services.size() == 3);
  REQUIRE(*listening_addresses(c.services[0], c.settings) == std::vector<Endpoint>{{"127.0.0.1", 2525}, {"::1", 2525}});
  REQUIRE(listening_addresses(c.services[1], c.settings)->empty());
  REQUIRE(c.settings_of(c.services[0]).number("relay_session_limit") == 30);
  REQUIRE(c.settings_of(c.services[1]).number("relay_session_limit") == 5);
  REQUIRE(c.unbuilt == std::vector<UnbuiltKey>{{"master.cf:2", "relay_session_limit"}});
}

}  // namespace
}  // namespace hikyaku::config
