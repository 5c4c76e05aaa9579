// What commands make of their arguments and how they say what they found.
#include <catch2/catch.hpp>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "ctl/ask.h"
#include "ctl/check.h"
#include "ctl/config.h"
#include "ctl/lifecycle.h"
#include "ctl/queue.h"

using namespace hikyaku;
using namespace hikyaku::ctl;

namespace {

int exit_code_of(const std::function<void()>& command) {
  try {
    command();
    return 0;
  } catch (const Failure& failure) {
    return failure.exit_code;
  }
}

config::Configuration read(const std::string& main_cf) {
  return config::read_configuration(main_cf, "cleanup unix - - n - 1 cleanup\n", "relay.test", "/etc/hikyaku");
}

}  // namespace

TEST_CASE("messages are chosen by IDs, by ALL, by standard input and by filters") {
  CHECK(selection_of({{"A", "B"}, "", "", ""}, "").ids == std::vector<std::string>{"A", "B"});
  CHECK(selection_of({{"A", "-"}, "", "", ""}, "B\nC\r\n\n D").ids == std::vector<std::string>{"A", "B", "C", "D"});
  CHECK_FALSE(selection_of({{"-"}, "", "", ""}, "").all);

  const auto all = selection_of({{"A", "ALL"}, "", "", ""}, "");
  CHECK(all.all);
  CHECK(all.ids.empty());

  const auto filtered = selection_of({{}, "", "", "dest.test"}, "");
  CHECK(filtered.all);
  CHECK(filtered.domain == "dest.test");

  const auto both = selection_of({{"A"}, "ann@o", "", ""}, "");
  CHECK_FALSE(both.all);
  CHECK(both.sender == "ann@o");
}

TEST_CASE("naming no message at all is a usage error, not every message") {
  CHECK(exit_code_of([] { selection_of({}, ""); }) == util::kExitUsage);
}

TEST_CASE("an action says what was done and what was already on the wire") {
  CHECK(acted_text(ipc::Verb::kDelete, false, {3, 0, {}}) == "3 messages deleted\n");
  CHECK(acted_text(ipc::Verb::kDelete, true, {1, 0, {}}) == "1 message would be deleted\n");
  CHECK(acted_text(ipc::Verb::kRetry, false, {0, 0, {}}) == "0 messages will be tried now\n");
  CHECK(acted_text(ipc::Verb::kHold, false, {2, 0, {}}) == "2 messages put on hold\n");
  CHECK(acted_text(ipc::Verb::kExpire, true, {2, 0, {}}) == "2 messages would expire\n");
  CHECK(acted_text(ipc::Verb::kDelete, false, {3, 1, {}}) ==
        "3 messages deleted\n1 message being delivered right now: may still arrive\n");
  CHECK(acted_text(ipc::Verb::kRelease, false, {3, 2, {}}) ==
        "3 messages released\n2 messages being delivered right now\n");
  const ipc::Unread unread{1, {"message X: damaged"}, "index: gone", true};
  CHECK(nlohmann::json::parse(acted_json(ipc::Verb::kExpire, true, {3, 1, {"NONE"}, unread})) ==
        nlohmann::json{{"action", "expire"},
                       {"dry_run", true},
                       {"count", 3},
                       {"on_the_wire", 1},
                       {"unknown", {"NONE"}},
                       {"unreadable", {{"messages", 1}, {"first", {"message X: damaged"}}, {"part", "index: gone"}}}});
}

TEST_CASE("status in JSON names the services, and that nothing runs") {
  const auto json = nlohmann::json::parse(status_json({{"master", "running", {7}, 0}, {"smtp", "running", {8, 9}, 2}}));
  CHECK(json["running"] == true);
  CHECK(json["services"][1] ==
        nlohmann::json{{"name", "smtp"}, {"state", "running"}, {"pids", {8, 9}}, {"restarts", 2}});
  CHECK(status_json({}) == R"({"running":false,"services":[]})");
}

TEST_CASE("check prints every wrong line and every key that nothing uses yet") {
  const std::string text = check_text(read("retry_a = soon\nmetrics_listen = 127.0.0.1:9154\nretry_method = cubic\n"));
  CHECK_THAT(text, Catch::Contains("main.cf:1: retry_a"));
  CHECK_THAT(text, Catch::Contains("main.cf:3: retry_method"));
  CHECK_THAT(text, Catch::Contains("main.cf:2: metrics_listen: not built yet\n"));
  CHECK(check_text(read("retry_a = 600s\n")).empty());
}

TEST_CASE("config shows what is written, what is the default and what it expands to") {
  const auto settings = read("retry_a = 600s\nmyhostname = mx.$mydomain\nmydomain = d.test\n").settings;
  const auto show = [&](ConfigOptions options) { return config_text(settings, options); };
  CHECK(show({.keys = {"retry_a", "retry_period"}}) == "retry_a = 600s\nretry_period = 86400s\n");
  CHECK(show({.only_set = true}) == "mydomain = d.test\nmyhostname = mx.$mydomain\nretry_a = 600s\n");
  CHECK(show({.keys = {"retry_a"}, .defaults = true}) == "retry_a = 480s\n");
  CHECK(show({.keys = {"retry_a"}, .values_only = true}) == "600s\n");
  CHECK(show({.keys = {"myhostname"}, .expanded = true}) == "myhostname = mx.d.test\n");
  const auto json = nlohmann::json::parse(show({.keys = {"retry_a"}, .json = true}));
  CHECK(json == nlohmann::json{{"name", "retry_a"}, {"value", "600s"}, {"place", "main.cf:1"}});
  CHECK(exit_code_of([&] { show({.keys = {"retry_q"}}); }) == util::kExitData);
}

TEST_CASE("the doc of a receive interval shows the messages per hour that the settings allow (row 19)") {
  const auto settings = read("relay_receive_interval = 720ms\nrelay_session_limit = 20\n").settings;
  CHECK_THAT(doc_text(settings, {"relay_receive_interval"}), Catch::Contains("at most 100000 messages per hour"));
}
