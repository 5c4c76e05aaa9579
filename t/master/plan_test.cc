// From the two files to what is to run.
#include "master/plan.h"

#include <catch2/catch.hpp>
#include <string>

using namespace hikyaku;
using master::make_plan;
using master::Plan;

namespace {

config::Configuration read(const std::string& main_cf, const std::string& master_cf) {
  auto configuration = config::read_configuration(main_cf, master_cf, "relay.test", "/etc/hikyaku");
  for (const auto& problem : configuration.problems) UNSCOPED_INFO(config::to_line(problem));
  REQUIRE_FALSE(config::has_errors(configuration.problems));
  return configuration;
}

std::string names_of(const Plan& plan) {
  std::string names;
  for (const auto& service : plan.services) names += (names.empty() ? "" : " ") + service.name;
  return names;
}

constexpr const char* kMasterCf =
    "$relay_listen inet n - n - - smtpd\n"
    "$inbound_listen inet n - n - - smtpd\n"
    "bounce unix - - n - 1 bounce\n"
    "smtp unix - - n - 2 smtp-client\n"
    "qmgr unix - - n - 1 qmgr\n"
    "cleanup unix - - n - 1 cleanup\n";

}  // namespace

TEST_CASE("services start in the order in which they need each other") {
  const Plan plan = make_plan(read("relay_listen = :2525\n", kMasterCf));
  CHECK(names_of(plan) == "cleanup qmgr bounce smtp relay");
  CHECK(plan.problems.empty());
}

TEST_CASE("a listener whose rules are not built yet is not opened: it would relay like any other") {
  const Plan plan =
      make_plan(read("relay_listen = :2525\ninbound_listen = :2526\nsubmission_listen = :2527\n", kMasterCf));
  CHECK(names_of(plan) == "cleanup qmgr bounce smtp relay");
}

TEST_CASE("an empty listen key opens nothing") {
  const Plan plan = make_plan(read("relay_listen = :2525\n", kMasterCf));
  CHECK(names_of(plan) == "cleanup qmgr bounce smtp relay");
}

TEST_CASE("each service knows its addresses, processes and settings") {
  const Plan plan = make_plan(read("relay_listen = 127.0.0.1:2525, [::1]:2525\n",
                                   "$relay_listen inet n - n - 3 smtpd -o smtpd_recipient_limit=7\n"
                                   "cleanup unix - - n - - cleanup\n"));
  REQUIRE(plan.services.size() == 2);
  const auto& cleanup = plan.services[0];
  CHECK(cleanup.processes == 1);
  REQUIRE(cleanup.listeners.size() == 1);
  CHECK_FALSE(cleanup.listeners[0].internet);
  CHECK(cleanup.listeners[0].address == "private/cleanup");
  const auto& relay = plan.services[1];
  CHECK(relay.program == "smtpd");
  CHECK(relay.processes == 3);
  REQUIRE(relay.listeners.size() == 2);
  CHECK(relay.listeners[0].address == "127.0.0.1:2525");
  CHECK(relay.listeners[1].address == "[::1]:2525");
  CHECK(relay.listeners[1].endpoint == config::Endpoint{"::1", 2525});
  CHECK(config::Settings::from_snapshot(relay.settings)->number("smtpd_recipient_limit") == 7);
}

TEST_CASE("what cannot run is refused with its place") {
  struct Row {
    const char* master_cf;
    const char* problem;
  };
  const Row rows[] = {
      {"master unix - - n - 1 cleanup\n", "master.cf:1: service master: this name is taken"},
      {"a/b unix - - n - 1 bounce\n", "master.cf:1: service a/b: the name of a unix service cannot hold a slash"},
      {"\nqmgr unix - - n - 2 qmgr\n", "master.cf:2: service qmgr: qmgr runs as one process"},
      {"qmgr unix - - n - 1 qmgr\nq2 unix - - n - 1 qmgr\n", "master.cf:2: service q2: there can be only one qmgr"},
      {"$relay_listen inet n - n - 1 smtpd\nrelay unix - - n - 1 bounce\n",
       "master.cf:2: service relay: this name is taken"},
  };
  for (const Row& row : rows) {
    const Plan plan = make_plan(read("relay_listen = :2525\n", row.master_cf));
    REQUIRE(plan.problems.size() == 1);
    CHECK_THAT(config::to_line(plan.problems[0]), Catch::StartsWith(row.problem));
  }
}

TEST_CASE("a service with more addresses than fit into one frame is refused") {
  std::string addresses;
  for (int port = 3000; port < 3031; ++port) addresses += " :" + std::to_string(port);
  const Plan plan = make_plan(read("relay_listen =" + addresses + "\n", "$relay_listen inet n - n - - smtpd\n"));
  REQUIRE(plan.problems.size() == 1);
  CHECK_THAT(plan.problems[0].text, Catch::Contains("more than 30 addresses"));
}

TEST_CASE("only the writers of the queue stay over a reload") {
  CHECK(master::stays_over_reload("cleanup"));
  CHECK(master::stays_over_reload("qmgr"));
  for (const char* program : {"smtpd", "smtp-client", "bounce", "authd"})
    CHECK_FALSE(master::stays_over_reload(program));
}

TEST_CASE("a reload tells which changed keys need a restart") {
  const auto before = read("relay_listen = :2525\n", kMasterCf).settings;
  const auto same = read("relay_listen = :2526\nretry_a = 500s\n", kMasterCf).settings;
  const auto moved = read("queue_directory = /elsewhere\n", kMasterCf).settings;
  CHECK(master::keys_that_need_restart(before, same).empty());
  CHECK(master::keys_that_need_restart(before, moved) == std::vector<std::string>{"queue_directory"});
}
