// What waits for which domain, and what one message waits for.
#include "ctl/queue_summary.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <string>

#include "ctl/queue_why.h"

using namespace hikyaku;
using namespace hikyaku::ctl;

namespace {

constexpr int64_t kNow = 1'732'486'907;

ipc::QueueEntry entry(int64_t minutes_old, std::vector<ipc::ListedRecipient> recipients) {
  ipc::QueueEntry one;
  one.id = {1732486907000000};
  one.queue_name = "deferred";
  one.arrival = kNow - minutes_old * 60;
  one.sender = "ann@origin.test";
  one.attempts = 1;
  one.next_attempt = kNow + 200;
  one.expires = one.arrival + 86400;
  one.recipients = std::move(recipients);
  return one;
}

nlohmann::json json_of(const QueueSummary& summary) { return nlohmann::json::parse(summary.json()); }

std::string fixed_time(int64_t) { return "Tue Nov 24 22:21:47"; }

}  // namespace

TEST_CASE("The summary counts recipients by domain, the largest first, without regard to case") {
  QueueSummary summary;
  summary.add(entry(0, {{"a@one.test", ""}, {"b@two.test", ""}, {"c@TWO.test", ""}}), kNow);
  summary.add(entry(0, {{"postmaster", ""}}), kNow);
  const auto json = json_of(summary);
  CHECK(json["total"] == 4);
  REQUIRE(json["destinations"].size() == 3);
  CHECK(json["destinations"][0]["destination"] == "two.test");
  CHECK(json["destinations"][0]["total"] == 2);
  CHECK(json["destinations"][1]["destination"] == "(no domain)");
  CHECK(json["destinations"][2]["destination"] == "one.test");
}

TEST_CASE("A message stands in the column of its age") {
  struct Row {
    int64_t minutes;
    size_t column;
  };
  for (const Row& row : {Row{0, 0}, Row{4, 0}, Row{5, 1}, Row{19, 2}, Row{1279, 8}, Row{1280, 9}, Row{100000, 9},
                         Row{-3, 0}}) {  // a clock that was set back
    QueueSummary summary;
    summary.add(entry(row.minutes, {{"a@one.test", ""}}), kNow);
    const auto ages = json_of(summary)["by_age"];
    for (size_t column = 0; column < ages.size(); ++column) {
      INFO(row.minutes << " minutes, column " << column);
      CHECK(ages[column] == (column == row.column ? 1 : 0));
    }
  }
}

TEST_CASE("The reason that most recipients of a domain have is told, with how many") {
  QueueSummary summary;
  summary.add(entry(0, {{"a@one.test", "busy"}, {"b@one.test", "full"}, {"c@one.test", "full"}, {"d@two.test", ""}}),
              kNow);
  const auto destinations = json_of(summary)["destinations"];
  CHECK(destinations[0]["delay_reason"] == "full");
  CHECK(destinations[0]["delay_reason_count"] == 2);
  CHECK_FALSE(destinations[1].contains("delay_reason"));
  CHECK_THAT(summary.text(), Catch::Contains(" 2 x full\n"));
}

TEST_CASE("Reasons that never repeat do not fill the memory, and the frequent one is still found") {
  QueueSummary summary;
  for (int n = 0; n < 5000; ++n)
    summary.add(entry(0, {{"a@one.test", "busy"}, {"b@one.test", "see ticket " + std::to_string(n)}}), kNow);
  CHECK(json_of(summary)["destinations"][0]["delay_reason_count"] == 5000);
}

TEST_CASE("The table looks as people know it, and cannot steer the terminal") {
  QueueSummary summary;
  CHECK(summary.text() == "Mail queue is empty\n");
  QueueSummary unread;
  unread.set_unread({1, {"message A"}, "", false});
  CHECK_THAT(unread.text(), Catch::Contains("TOTAL       0"));
  CHECK(json_of(unread)["unreadable"]["messages"] == 1);
  summary.add(entry(7, {{"a@o\x1b[2Jne.test", "no\nway"}}), kNow);
  CHECK_THAT(summary.text(),
             Catch::Contains("T      5     10     20     40     80    160    320    640   1280  1280+\n"));
  CHECK_THAT(summary.text(), Catch::Contains("TOTAL       1      0      1      0"));
  CHECK_THAT(summary.text(), Catch::Contains("no\\012way"));
  CHECK(summary.text().find('\x1b') == std::string::npos);
}

TEST_CASE("The gate before which a message stands follows from what is known of it") {
  struct Row {
    std::string queue_name;
    bool on_the_wire, to_be_tried;
    Gate gate;
    std::string said;
  };
  for (const Row& row :
       {Row{"hold", false, false, Gate::kRelease, "on hold"},
        Row{"hold", true, false, Gate::kRelease, "but is still being delivered"},
        Row{"active", true, true, Gate::kDelivery, "being delivered right now"},
        Row{"active", false, true, Gate::kTurn, "waits for its turn"},
        Row{"active", false, false, Gate::kReport, "the report to its sender"},
        Row{"deferred", false, true, Gate::kTime, "next attempt at Tue Nov 24 22:21:47, in 3 min 20 s"}}) {
    Why why{entry(61, {{"a@one.test", ""}}), row.on_the_wire, row.to_be_tried};
    why.entry.queue_name = row.queue_name;
    CHECK(why.gate() == row.gate);
    CHECK_THAT(why_text(why, kNow, fixed_time), Catch::Contains(row.said));
  }
}

TEST_CASE("Why tells the age, the attempts and each recipient's last answer") {
  const Why why{entry(61, {{"a@one.test", "450 busy"}, {"b@one.test", ""}}), false, true};
  const std::string text = why_text(why, kNow, fixed_time);
  CHECK_THAT(text, Catch::StartsWith(queue::to_text(why.entry.id) + ": deferred"));
  for (const char* line : {"1 h 1 min ago\n", "tried 1 time; given up after ", "  a@one.test: 450 busy\n",
                           "  b@one.test: no answer yet\n"})
    CHECK_THAT(text, Catch::Contains(line));
  const auto json = nlohmann::json::parse(why_json(why));
  CHECK(json["waits_for"] == "time");
  CHECK(json["until"] == kNow + 200);
  CHECK(json["queue_id"] == queue::to_text(why.entry.id));
}
