// Answers are kept until qmgr has them in its journal.
#include "ipc/held_answers.h"

#include <catch2/catch.hpp>

using namespace hikyaku;
using HeldResults = ipc::HeldAnswers<ipc::Results>;

namespace {

ipc::Results result_for(uint64_t job, uint64_t id, std::string_view text = "250 2.0.0 Ok") {
  return {.number = 0,
          .job = job,
          .id = {id},
          .in_doubt = false,
          .recipients = {
              {.index = 3, .outcome = ipc::Outcome::kSent, .status = "2.0.0", .remote_mta = "hop", .text = text}}};
}

std::vector<uint64_t> numbers_of(const HeldResults& held) {
  std::vector<uint64_t> numbers;
  held.each([&](const ipc::Results& results) { numbers.push_back(results.number); });
  return numbers;
}

}  // namespace

TEST_CASE("results are numbered from one on and kept in their order") {
  HeldResults held;
  CHECK(held.empty());
  auto first = result_for(70, 1), second = result_for(71, 2);
  held.add(first);
  held.add(second);
  CHECK(first.number == 1);
  CHECK(second.number == 2);
  CHECK(numbers_of(held) == std::vector<uint64_t>{1, 2});
}

TEST_CASE("what is in the journal is forgotten, and nothing else") {
  HeldResults held;
  for (uint64_t i = 1; i <= 4; ++i) {
    auto results = result_for(i, i);
    held.add(results);
  }
  REQUIRE(held.recorded(2));
  CHECK(numbers_of(held) == std::vector<uint64_t>{3, 4});
  REQUIRE(held.recorded(1));  // told late: no harm
  CHECK(numbers_of(held) == std::vector<uint64_t>{3, 4});
  REQUIRE(held.recorded(4));
  CHECK(held.empty());
}

TEST_CASE("a number that was never given is refused, and nothing is forgotten by it") {
  HeldResults held;
  CHECK_FALSE(held.recorded(1));
  auto results = result_for(1, 1);
  held.add(results);
  CHECK_FALSE(held.recorded(2));
  CHECK(numbers_of(held) == std::vector<uint64_t>{1});
}

TEST_CASE("the next qmgr is told everything, the number of its predecessor's job too") {
  HeldResults held;
  auto results = result_for(70, 9, "250 2.0.0 Ok: queued");
  held.add(results);
  size_t told = 0;
  held.each([&](const ipc::Results& again) {
    ++told;
    CHECK(again.job == results.job);
    CHECK(again.id == queue::QueueId{9});
    REQUIRE(again.recipients.size() == 1);
    CHECK(again.recipients[0].index == 3);
    CHECK(again.recipients[0].text == "250 2.0.0 Ok: queued");
  });
  CHECK(told == 1);
}

TEST_CASE("held results count as in hand, so that no other worker gets their recipients") {
  HeldResults held;
  auto results = result_for(70, 9);
  results.recipients.push_back(
      {.index = 5, .outcome = ipc::Outcome::kDeferred, .status = "4.2.0", .remote_mta = "", .text = ""});
  held.add(results);
  const auto subjects = held.subjects();
  REQUIRE(subjects.size() == 1);
  CHECK(subjects[0].id == queue::QueueId{9});
  CHECK(subjects[0].recipients == std::vector<uint32_t>{3, 5});
}

TEST_CASE("a report that is stored is kept in the same way") {
  ipc::HeldAnswers<ipc::ReportStored> held;
  ipc::ReportStored stored{.job = 70, .id = {9}, .report = {10}, .recipients = {1, 4}};
  held.add(stored);
  const auto subjects = held.subjects();
  REQUIRE(subjects.size() == 1);
  CHECK(subjects[0].id == queue::QueueId{9});
  CHECK(subjects[0].job == 70);
  CHECK(subjects[0].recipients == std::vector<uint32_t>{1, 4});
  REQUIRE(held.recorded(1));
  CHECK(held.empty());
}
