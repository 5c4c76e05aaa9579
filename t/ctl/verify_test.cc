// How a check of the queue's files is told, and what is written of a message that is taken out.
#include "ctl/verify.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "ctl/salvage.h"

using namespace hikyaku;
using namespace hikyaku::ctl;

namespace {

Inspection good() {
  Inspection inspection;
  inspection.log = {{.file = "log/0000000001", .problem = "", .messages = 2, .bytes = 300, .damage = {}}};
  inspection.journal = {
      .file = "journal/0000000001", .problem = "", .records = 5, .bytes = 90, .damage = {}, .torn = {}};
  inspection.index = {
      .file = "index/data.mdb", .problems = {}, .messages = 1, .used = 500, .map_size = 1000, .position = {}};
  inspection.waiting = 1;
  return inspection;
}

}  // namespace

TEST_CASE("What is intact is said to be") {
  CHECK(good().intact());
  CHECK(inspection_text(good()) ==
        "log/0000000001: 2 messages, 300 bytes, intact\n"
        "journal/0000000001: 5 records, 90 bytes, intact\n"
        "index/data.mdb: 1 messages, 500 bytes, 50.0 % of its room, intact\n"
        "1 messages wait; all is intact\n");
  CHECK(nlohmann::json::parse(inspection_json(good()))["intact"] == true);
}

TEST_CASE("Every damaged place is told, with file, offset and length") {
  Inspection bad = good();
  bad.log[0].damage = {{"log/0000000001", 4096, 150}};
  bad.missing = {queue::QueueId{1732486907000000}};
  CHECK_FALSE(bad.intact());
  const std::string text = inspection_text(bad);
  CHECK_THAT(text, Catch::Contains("log/0000000001: 2 messages, 300 bytes, DAMAGED\n  150 bytes at offset 4096\n"));
  CHECK_THAT(text, Catch::Contains(queue::to_text(bad.missing[0]) + ": waits by journal or index"));
  const auto json = nlohmann::json::parse(inspection_json(bad));
  CHECK(json["intact"] == false);
  CHECK(json["log"][0]["damage"][0] == nlohmann::json{{"offset", 4096}, {"length", 150}});
  CHECK(json["missing"][0] == queue::to_text(bad.missing[0]));
}

TEST_CASE("Damage in any one part is damage of the whole") {
  Inspection header = good(), journal = good(), missing = good(), index = good();
  header.log[0].problem = "log/0000000001: the segment's header is damaged";
  header.log[0].readable = false;
  journal.journal.damage = {{"journal/0000000001", 40, 10}};
  missing.missing = {queue::QueueId{1}};
  index.index.problems = {"table msg: entry 7 makes no sense"};
  for (const Inspection* bad : {&header, &journal, &missing, &index}) CHECK_FALSE(bad->intact());
  CHECK_THAT(inspection_text(header), Catch::Contains("header is damaged"));
  CHECK_THAT(inspection_text(index), Catch::Contains("of its room, DAMAGED\n  table msg: entry 7 makes no sense\n"));
  CHECK(nlohmann::json::parse(inspection_json(index))["index"]["problems"][0] == index.index.problems[0]);
  CHECK_THAT(inspection_text(header), Catch::Contains("nothing behind this place can be told"));
}

TEST_CASE("A salvaged envelope names who still waits, and apart from them who was given up") {
  queue::LogEntry entry;
  entry.id = {1732486907000000};
  entry.envelope.sender = "ann@origin.test";
  entry.envelope.recipients = {{"done@d", "", 0}, {"bad@d", "", 0}, {"later@d", "rfc822;l", queue::kNotifyNever}};
  entry.envelope.arrival = 1'732'486'907'000'000;
  entry.envelope.eight_bit = true;
  entry.place.content_length = 1234;
  std::vector<queue::RecipientFact> facts(3);
  facts[0].done = true;
  facts[1].failed = true;
  facts[1].reply = "550 5.1.1 unknown";
  facts[2].attempts = 2;
  facts[2].reply = "450 busy";
  const auto json = nlohmann::json::parse(salvaged_envelope(entry, facts, {true, "loops"}));
  CHECK(json["sender"] == "ann@origin.test");
  CHECK(json["recipients"] == nlohmann::json{{{"address", "later@d"},
                                              {"original_recipient", "rfc822;l"},
                                              {"notify", 1},
                                              {"attempts", 2},
                                              {"delay_reason", "450 busy"}}});
  CHECK(json["failed_recipients"][0]["address"] == "bad@d");
  CHECK(json["arrival_time"] == 1'732'486'907);
  CHECK(json["message_size"] == 1234);
  CHECK(json["held"] == true);
  CHECK(json["hold_reason"] == "loops");
  CHECK(json["eight_bit"] == true);
}
