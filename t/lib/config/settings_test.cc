// Defaults, $names, typed values, overrides and the snapshot.
#include "config/settings.h"

#include <catch2/catch.hpp>

#include "config/expansion.h"

namespace hikyaku::config {
namespace {

using namespace std::chrono_literals;

Settings settings(std::string_view main_cf, std::string host = "mail.example.com") {
  return Settings(parse_main_cf(main_cf).definitions, std::move(host), "/etc/hikyaku");
}

TEST_CASE("defaults are as documented") {
  const Settings s = settings("");
  REQUIRE(s.text("queue_directory") == "/var/spool/hikyaku");
  REQUIRE(s.endpoints("relay_listen") == std::vector<Endpoint>{{"", 10025}});
  REQUIRE(s.number("relay_session_limit") == 30);                // (row 20)
  REQUIRE(s.duration("relay_receive_interval") == 360ms);        // (row 20)
  REQUIRE(s.size("relay_message_size_limit") == 20480u * 1024);  // (row 27)
  REQUIRE(s.duration("retry_period") == 86400s);                 // (row 43)
  REQUIRE(s.duration("retry_a") == 480s);
  REQUIRE(s.duration("retry_b") == -240s);
  REQUIRE(s.text("retry_method") == "exponential");
  REQUIRE(s.list("mydestination") == std::vector<std::string>{"mail.example.com", "localhost"});
  REQUIRE(s.text("gateway_table") == "/etc/hikyaku/gateway.dat");
  REQUIRE(s.duration("unreachable_retry_period") == 0s);
  REQUIRE_FALSE(s.yes("extended_limits"));
  REQUIRE(s.endpoints("inbound_listen").empty());
}

TEST_CASE("host name and domain follow from each other") {
  struct Case {
    std::string_view main_cf;
    std::string host, myhostname, mydomain;
  };
  const Case cases[] = {
      {"", "mail.example.com", "mail.example.com", "example.com"},
      {"", "box", "box.localdomain", "localdomain"},
      {"mydomain = example.com", "box", "box.example.com", "example.com"},
      {"mydomain = other.example", "mail.example.com", "mail.example.com", "other.example"},
      {"myhostname = relay.example.net", "box", "relay.example.net", "example.net"},
      {"myhostname = relay.$mydomain", "mail.example.com", "relay.example.com", "example.com"},
      {"myhostname = relay", "mail.example.com", "relay", "localdomain"},
      {"myhostname = x.$mydomain\nmydomain = example.org", "box", "x.example.org", "example.org"},
  };
  for (const Case& c : cases) {
    INFO(c.main_cf << " on " << c.host);
    const Settings s = settings(c.main_cf, c.host);
    REQUIRE(s.problems().empty());
    REQUIRE(s.text("myhostname") == c.myhostname);
    REQUIRE(s.text("mydomain") == c.mydomain);
  }
}

TEST_CASE("$names expand in every form") {
  const Settings s = settings("one = 1\nnone =\ntwo = $one$one");
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"plain", "plain"},
      {"$one", "1"},
      {"a${one}b", "a1b"},
      {"$(one)", "1"},
      {"$two", "11"},
      {"$$one", "$one"},
      {"$one.x", "1.x"},
      {"${one?yes}", "yes"},
      {"${none?yes}", ""},
      {"${one:no}", ""},
      {"${none:no}", "no"},
      {"${one?{a}:{b}}", "a"},
      {"${none?{a}:{b}}", "b"},
      {"${none ? {a} : {$one b}}", "1 b"},
      {"${undefined?{a}:{b}}", "b"},
      {"${undefined:$two}", "11"},
      {"${one?{${none:deep}}}", "deep"},
  };
  for (const auto& [text, expected] : cases) {
    INFO(text);
    REQUIRE(s.expand(text).value_or("error") == expected);
  }
}

TEST_CASE("what cannot be expanded says why") {
  const Settings s = settings("a = $b\nb = ${c}\nc = x$a\nself = $self");
  const std::pair<std::string_view, std::string_view> cases[] = {
      {"$", "no name follows"},
      {"a $ b", "no name follows"},
      {"${one", "is not closed"},
      {"$(a}", "is not closed"},
      {"${}", "is not of the form"},
      {"${a!b}", "is not of the form"},
      {"$none", "$none is not set"},
      {"${mail_owner?{x}", "is not closed"},
      {"${mail_owner?{x}:y}", "followed by {text}"},
      {"${mail_owner?{x} y}", "makes no sense"},
      {"$a", "refers to itself: a -> b -> c -> a"},
      {"$self", "refers to itself: self -> self"},
  };
  for (const auto& [text, why] : cases) {
    INFO(text);
    const auto expanded = s.expand(text);
    REQUIRE_FALSE(expanded);
    REQUIRE(expanded.error().text.find(why) != std::string::npos);
  }
}

TEST_CASE("a chain of doublings is refused, not computed") {
  for (const std::string last : {"", "xxxxxxxxxxxxxxxx"}) {
    std::string main_cf = "n60 = " + last + "\n";
    for (int i = 0; i < 60; ++i) {
      const std::string next = "$n" + std::to_string(i + 1);
      main_cf += "n" + std::to_string(i) + " = " + next + next + "\n";
    }
    REQUIRE_FALSE(settings(main_cf).expand("$n0"));
  }
}

TEST_CASE("the names in a text are found") {
  REQUIRE(names_in("$a ${b} $(c) ${d?$e} $$f $") == std::vector<std::string>{"a", "b", "c", "d", "e"});
}

TEST_CASE("the last definition counts, and a service's own option before it") {
  const Settings s = settings("relay_session_limit = 5\nrelay_session_limit = 6");
  REQUIRE(s.number("relay_session_limit") == 6);
  REQUIRE(s.place_of("relay_session_limit") == "main.cf:2");
  const Settings own =
      s.with_overrides({{"relay_session_limit", "7", "master.cf:3"}, {"myhostname", "x.y", "master.cf:3"}});
  REQUIRE(own.number("relay_session_limit") == 7);
  REQUIRE(own.place_of("relay_session_limit") == "master.cf:3");
  REQUIRE(own.text("myorigin") == "x.y");
  REQUIRE(s.number("relay_session_limit") == 6);
}

TEST_CASE("settings survive the way to a child") {
  const Settings s = settings("relayhost = [a,b:c]:25\nodd =  5:x,\nmynetworks =\n a\n b\n")
                         .with_overrides({{"syslog_name", "nl\nin \"it\"", "master.cf:9"}});
  const std::string bytes = s.to_snapshot();
  const auto back = Settings::from_snapshot(bytes);
  REQUIRE(back);
  REQUIRE(*back == s);
  REQUIRE(back->place_of("syslog_name") == "master.cf:9");
  REQUIRE(back->text("gateway_table") == "/etc/hikyaku/gateway.dat");
  for (size_t length = 0; length < bytes.size(); ++length) {
    INFO(length);
    REQUIRE_FALSE(Settings::from_snapshot(std::string_view(bytes).substr(0, length)));
  }
}

}  // namespace
}  // namespace hikyaku::config
