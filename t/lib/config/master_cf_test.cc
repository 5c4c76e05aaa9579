// master.cf's columns and options.
#include "config/master_cf.h"

#include <catch2/catch.hpp>

namespace hikyaku::config {
namespace {

std::string lines_of(const Problems& problems) {
  std::string out;
  for (const Problem& problem : problems) out += to_line(problem) + "\n";
  return out;
}

TEST_CASE("a service has eight columns and its options") {
  const MasterCf master = parse_master_cf(
      "# comment\n"
      "$relay_listen inet n - n - 2 smtpd -v\n"
      "  -o relay_session_limit=50 -o { syslog_name = hikyaku/relay }\n"
      "  -osmtpd_timeout=10s\n"
      "cleanup unix - - n - - cleanup\n");
  REQUIRE(master.problems.empty());
  REQUIRE(master.services.size() == 2);
  const Service& relay = master.services[0];
  REQUIRE(relay.place == "master.cf:2");
  REQUIRE(relay.name == "$relay_listen");
  REQUIRE(relay.short_name() == "relay");
  REQUIRE(relay.type == ServiceType::kInet);
  REQUIRE_FALSE(relay.is_private);
  REQUIRE(relay.process_limit == 2u);
  REQUIRE(relay.program == "smtpd");
  REQUIRE(relay.arguments == std::vector<std::string>{"-v"});
  REQUIRE(relay.overrides == std::vector<Definition>{{"relay_session_limit", "50", "master.cf:2"},
                                                     {"syslog_name", "hikyaku/relay", "master.cf:2"},
                                                     {"smtpd_timeout", "10s", "master.cf:2"}});
  REQUIRE(master.services[1].type == ServiceType::kUnix);
  REQUIRE(master.services[1].is_private);
  REQUIRE_FALSE(master.services[1].process_limit);
}

TEST_CASE("a service's short name is its key's first part") {
  const std::pair<std::string, std::string> cases[] = {
      {"$relay_listen", "relay"}, {"${submission_listen}", "submission"}, {"$(inbound_listen)", "inbound"},
      {"$other", "other"},        {"127.0.0.1:25", "127.0.0.1:25"},       {"qmgr", "qmgr"}};
  for (const auto& [name, expected] : cases) {
    Service service;
    service.name = name;
    REQUIRE(service.short_name() == expected);
  }
}

TEST_CASE("every fault of every line is reported with its line") {
  struct Case {
    std::string_view line, problem;
  };
  const Case cases[] = {
      {"cleanup unix - - n -", "only 6 of 8 columns: maxproc is missing"},
      {"cleanup fifo - - n - 1 cleanup", "type 'fifo' must be inet or unix"},
      {"cleanup unix x - n - 1 cleanup", "private 'x' must be y, n or -"},
      {":25 inet y - n - 1 smtpd", "an inet service cannot be private (write n)"},
      {"cleanup unix - - y - 1 cleanup", "chroot y is not supported (write n)"},
      {"cleanup unix - - n x 1 cleanup", "wake-up 'x' must be a number of seconds or -"},
      {"cleanup unix - - n - many cleanup", "maxproc 'many' must be a number from 0 to 1000, or -"},
      {"cleanup unix - - n - -1 cleanup", "maxproc '-1' must be a number from 0 to 1000, or -"},
      {"cleanup unix - - n - 1 claenup", "no program 'claenup', did you mean cleanup?"},
      {"smtp unix - - n - 1 smtp", "no program 'smtp', did you mean smtp-client?"},
      {"pipe unix - - n - 1 pipe", "no program 'pipe'"},
      {"cleanup unix - - n - 1 cleanup -o", "name=value is missing after -o"},
      {"cleanup unix - - n - 1 cleanup -o a", "-o 'a' must be -o name=value or -o { name = value }"},
      {"cleanup unix - - n - 1 cleanup -o { a = b", "a '{' is not closed"},
      {"cleanup unix - - n - 1 cleanup -o a\x1b=b", "a control character, '\\033'"},
      {std::string_view("clean\0up unix - - n - 1 cleanup", 30), "a control character, '\\000'"},
      {"cleanup unix - - n - 1 cleanup -o {a b = c}", "'a b' is not a name of letters, digits and '_'"},
      {"cleanup unix - n n 60? 1 cleanup", ""},
  };
  std::string all;
  for (const Case& c : cases) {
    INFO(c.line);
    const MasterCf master = parse_master_cf(c.line);
    all.append(c.line).append("\n");
    if (c.problem.empty()) continue;
    REQUIRE(lines_of(master.problems) == "master.cf:1: " + std::string(c.problem) + "\n");
    REQUIRE(master.services.empty());
  }
  // All of them in one file: as many reports, none lost (the last line has two notices).
  REQUIRE(parse_master_cf(all).problems.size() == std::size(cases) + 1);
}

TEST_CASE("what is ignored is said") {
  const MasterCf master = parse_master_cf("qmgr unix n n n 300 1 qmgr");
  REQUIRE(lines_of(master.problems) ==
          "master.cf:1: warning: unpriv n is ignored: every daemon runs as $mail_owner\n"
          "master.cf:1: warning: wake-up 300 is ignored: no service needs it\n");
  REQUIRE(master.services.size() == 1);
}

TEST_CASE("a service is defined once") {
  const MasterCf master = parse_master_cf("qmgr unix - - n - 1 qmgr\nqmgr unix - - n - 1 qmgr");
  REQUIRE(lines_of(master.problems) == "master.cf:2: service 'qmgr' is already defined at master.cf:1\n");
}

TEST_CASE("a master.cf that is cut anywhere is read without harm") {
  const std::string whole = "a:1 inet n - n 1? 2 smtpd -o { a = {b} } -o c=d\n x\n";
  for (size_t length = 0; length <= whole.size(); ++length) {
    REQUIRE(parse_master_cf(std::string_view(whole).substr(0, length)).services.size() <= 1);
  }
}

}  // namespace
}  // namespace hikyaku::config
