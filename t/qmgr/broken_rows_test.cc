// An index of which a row is damaged: whoever meets it, the process is to end, the next one reads all from the log, and
// no message is forgotten or kept from its delivery by another's row.
#include <poll.h>
#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>
#include <tuple>

#include "qmgr/walk.h"
#include "t/lib/queue/broken_rows.h"
#include "t/qmgr/course.h"

using namespace hikyaku;
using namespace hikyaku::qmgr;

namespace {

// Five messages that rest, due at 100 s; the third has a recipient that is done.
struct Resting : Course {
  Resting() {
    for (int i = 0; i < 5; ++i) {
      const queue::QueueId id = admit(envelope(i == 2 ? 2 : 1, sender(i)));
      const uint64_t job = take();
      REQUIRE(job != 0);
      answer(job, id,
             i == 2 ? std::vector{ipc::Outcome::kSent, ipc::Outcome::kDeferred} : std::vector{ipc::Outcome::kDeferred});
      ids.push_back(id);
    }
    queue.settle_index();
  }
  static std::string sender(int i) { return "sender" + std::to_string(i) + "@example.com"; }

  // Every message is known and goes out when its time has come, each once.
  void check_all_go() {
    for (const queue::QueueId one : ids) CHECK(find(one) != nullptr);
    pass(seconds(200));
    std::vector<queue::QueueId> tried;
    while (const auto outgoing = deliveries->next_delivery()) tried.push_back(outgoing->message->id);
    std::sort(tried.begin(), tried.end());
    CHECK(tried == ids);
  }
  bool is_broken() { return queue.ledger().index_failure().has_value(); }

  std::vector<queue::QueueId> ids;
};

void shorten(std::string& text) { text.pop_back(); }

}  // namespace

TEST_CASE("whatever meets a damaged row while the index is used, it is known, and the next start forgets nothing") {
  using Meet = std::function<void(Resting&)>;
  const std::vector<std::pair<std::string, Meet>> ways = {
      {"what is due",
       [](Resting& f) {
         CHECK_FALSE(f.queue.ledger().load_due(kArrival + 200, 100, [](const auto&) {
           return queue::DueRoom{100, 100};
         }));
       }},
      {"a look",
       [](Resting& f) {
         CHECK_THAT(f.queue.ledger().look(f.ids[2]).trouble.value().text, Catch::Contains(queue::to_text(f.ids[2])));
       }},
      {"a load", [](Resting& f) { CHECK(f.queue.ledger().load(f.ids[2]) == nullptr); }},
      {"a walk",
       [](Resting& f) {
         Walk walk(f.queue.ledger());
         std::vector<queue::QueueId> met;
         while (const auto id = walk.next()) met.push_back(*id);
         CHECK(met == std::vector{f.ids[0], f.ids[1]});
         CHECK(walk.error().has_value());
       }},
      {"a look for times of another clock", [](Resting& f) { CHECK_FALSE(f.deliveries->look_for_late(f.now)); }},
      {"an answer from a former qmgr's job",
       [](Resting& f) {
         f.recipients = {0};
         f.answer(77, f.ids[2], {ipc::Outcome::kSent});
       }},
      {"a job of a former qmgr",
       [](Resting& f) {
         CHECK_FALSE(f.deliveries->adopt({f.ids[2], {0}, 77}));
       }},
      {"reclaim", [](Resting& f) { CHECK_FALSE(f.queue.ledger().may_move(f.ids[2], {})); }},
  };
  for (const auto& [what, meet] : ways) {
    CAPTURE(what);
    Resting f;
    REQUIRE_FALSE(f.is_broken());
    queue::spoil_text(f.queue.index_folder(), Resting::sender(2));
    meet(f);
    CHECK(f.is_broken());
    CHECK_THAT(f.queue.ledger().index_failure().value().text,
               Catch::Contains("table msg: " + queue::to_text(f.ids[2])));
    f.restart();
    CHECK_FALSE(f.is_broken());
    CHECK_FALSE(f.queue.take_damage().empty());
    f.check_all_go();
  }
}

TEST_CASE("of an index that is set aside, holds stay, and who has a message does not get it again") {
  Resting f;
  f.deliveries->act(ipc::Verb::kHold, *f.queue.ledger().load(f.ids[1]), f.now);
  f.queue.settle_index();
  f.restart();  // the journal begins anew, and tells nothing of what rests
  queue::spoil_text(f.queue.index_folder(), Resting::sender(0));
  CHECK(f.queue.ledger().look(f.ids[0]).trouble);
  f.restart();
  const auto told = f.queue.take_damage();
  CHECK(std::ranges::find(told, "of the index that is set aside 1 holds could be read, and stay") != told.end());
  for (const queue::QueueId id : f.ids) CHECK(f.queue.ledger().look(id).message.value().held == (id == f.ids[1]));
  f.pass(seconds(200));
  f.recipients.clear();
  std::vector<queue::QueueId> tried;
  while (const auto outgoing = f.deliveries->next_delivery()) {
    tried.push_back(outgoing->message->id);
    if (tried.back() == f.ids[2]) CHECK(outgoing->job->recipients == std::vector<uint32_t>{1});
  }
  CHECK(std::ranges::find(tried, f.ids[1]) == tried.end());
  CHECK(tried.size() == 4);
}

TEST_CASE("a damaged row that only the index's thread meets ends the process too") {
  Resting f;
  Message* message = f.queue.ledger().load(f.ids[2]);
  REQUIRE(message != nullptr);
  while (f.queue.ledger().is_loading()) f.queue.wait_for_index();
  queue::spoil_text(f.queue.index_folder(), Resting::sender(2));
  f.deliveries->act(ipc::Verb::kDelete, *message, f.now);
  REQUIRE(f.queue.ledger().sync());
  f.queue.ledger().hand_over();
  ::pollfd progress{.fd = f.queue.ledger().index_fd(), .events = POLLIN, .revents = 0};
  REQUIRE(::poll(&progress, 1, 10'000) == 1);
  CHECK_FALSE(f.queue.ledger().index_progress());
  CHECK(f.is_broken());
  f.restart();
  CHECK(f.find(f.ids[2]) == nullptr);
  f.ids.erase(f.ids.begin() + 2);
  f.check_all_go();
}

TEST_CASE("a row that was damaged while nothing ran costs no start and no message, whichever it is") {
  const auto flip = [](std::string&, std::string& value) { value.at(value.size() / 2) ^= 1; };
  const auto spoil_value = [](std::string&, std::string& value) { shorten(value); };
  const auto spoil_key = [](std::string& key, std::string&) { shorten(key); };
  const auto spoil_wake = [](std::string& key, std::string&) { key.resize(3); };
  const auto remove = [](std::string& key, std::string&) { key.clear(); };
  const std::vector<std::tuple<std::string, std::string, std::function<void(std::string&, std::string&)>>> cases = {
      {"messages", "msg", flip},
      {"recipients", "rcpt", flip},
      {"no recipients", "rcpt", remove},
      {"taken", "taken", spoil_key},
      {"taken, and gone", "msg", remove},
      {"segments", "segment", spoil_value},
      {"position", "meta",
       [](std::string& key, std::string& value) {
         if (key == "position") shorten(value);
       }},
      {"what is due", "ready", spoil_key},
      {"what wakes", "wake", spoil_wake}};
  for (const auto& [what, table, damage] : cases)
    for (const bool journal_tells : {true, false}) {
      CAPTURE(what, journal_tells);
      Resting f;
      if (!journal_tells) f.restart();
      REQUIRE(f.queue.ledger().load(f.ids[4]) != nullptr);
      while (f.queue.ledger().is_loading()) f.queue.wait_for_index();
      f.close_and_restart([&] { REQUIRE(queue::change_rows(f.queue.index_folder(), table, damage) > 0); });
      CHECK_FALSE(f.is_broken());  // what the start met is set aside already
      f.queue.settle_index();
      for (int i = 0; i < 3; ++i) (void)f.deliveries->look_for_late(f.now);
      (void)f.deliveries->load_due(f.now + seconds(200));
      if (f.is_broken()) f.restart();
      std::string damage_told;
      for (const std::string& line : f.queue.take_damage()) damage_told += line + "\n";
      CHECK_THAT(damage_told, Catch::Contains("set aside as"));
      f.check_all_go();
    }
}

TEST_CASE("after a start that did not come through, the index is read by another process first") {
  for (const bool came_through : {true, false}) {
    CAPTURE(came_through);
    Resting f;
    const std::string mark = f.queue.index_folder() + "/starting";
    CHECK_FALSE(std::filesystem::exists(mark));
    f.close_and_restart([&] {
      queue::change_rows(f.queue.index_folder(), "ready", [](std::string& key, std::string&) { shorten(key); });
      if (!came_through) std::ofstream(mark) << "";
    });
    CHECK_FALSE(std::filesystem::exists(mark));
    CHECK(f.queue.take_damage().empty() == came_through);  // this table is not read by a start
    if (!came_through) f.check_all_go();
  }
}

TEST_CASE("a message whose record cannot be read is told once, and does not keep others from going") {
  Resting f;
  f.queue.spoil_record(f.ids[1]);
  for (int round = 0; round < 3; ++round) {
    CHECK(f.queue.ledger().load(f.ids[1]) == nullptr);
    while (f.queue.ledger().is_loading()) f.queue.wait_for_index();
    f.pass(seconds(200));
  }
  const auto told = f.queue.ledger().take_damage();
  REQUIRE(told.size() == 1);
  CHECK_THAT(told[0], Catch::Contains("message " + queue::to_text(f.ids[1]) + " in segment "));
  CHECK(f.queue.ledger().take_damage().empty());
  CHECK_FALSE(f.is_broken());
  size_t tried = 0;
  while (f.take() != 0) ++tried;
  CHECK(tried == 4);
  CHECK_THAT(f.queue.ledger().look(f.ids[1]).trouble.value().text, Catch::Contains(told[0]));
  CHECK(f.find(f.ids[1])->sender == Resting::sender(1));  // the index knows that
}
