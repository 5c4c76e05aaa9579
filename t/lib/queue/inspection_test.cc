// A queue at rest, looked at as a whole: what is whole is found, what is damaged is told.
#include <catch2/catch.hpp>
#include <filesystem>

#include "queue/journal_inspection.h"
#include "queue/journal_writer.h"
#include "queue/log_inspection.h"
#include "queue/queue_facts.h"
#include "t/lib/queue/log_helpers.h"

namespace hikyaku::queue {
namespace {

LogWriter open_log(Disk& disk, const std::string& folder) {
  auto writer = LogWriter::open(disk, folder, small_log());
  if (!writer) FAIL(writer.error().text);
  return std::move(*writer);
}

// Messages 1 to `count`, of which some twelve fill a segment.
std::vector<Message> messages(uint64_t count) {
  std::vector<Message> made;
  for (uint64_t id = 1; id <= count; ++id) made.push_back(message(id, 1000));
  return made;
}

std::vector<Place> write_log(Disk& disk, const std::string& folder, uint64_t count, bool orderly = true) {
  LogWriter writer = open_log(disk, folder);
  const auto all = messages(count);
  const auto places = append_all(writer, all);
  REQUIRE(writer.flush());
  if (orderly) REQUIRE(writer.close());
  return places;
}

struct Inspected {
  std::vector<SegmentReport> reports;
  std::vector<uint64_t> ids;

  std::vector<Damage> damage() const {
    std::vector<Damage> all;
    for (const auto& report : reports) all.insert(all.end(), report.damage.begin(), report.damage.end());
    return all;
  }
};

Inspected inspect(Disk& disk, const std::string& folder, const std::map<uint32_t, uint64_t>& nonces = {}) {
  Inspected result;
  auto reports = inspect_log(disk, folder, nonces, [&](int, const LogEntry& entry) {
    result.ids.push_back(entry.id.value);
    return util::Result<void>();
  });
  if (!reports) FAIL(reports.error().text);
  result.reports = std::move(*reports);
  return result;
}

std::vector<uint64_t> numbers(uint64_t first, uint64_t last) {
  std::vector<uint64_t> all;
  for (uint64_t id = first; id <= last; ++id) all.push_back(id);
  return all;
}

std::string file_of(const std::string& folder, const Place& place) {
  return folder + "/" + numbered_name("", place.segment);
}

JournalReport inspect(Disk& disk, const std::string& folder, std::vector<JournalRecord>& records) {
  auto report = inspect_journal(disk, folder, [&](const JournalRecord& record) { records.push_back(record); });
  if (!report) FAIL(report.error().text);
  return std::move(*report);
}

}  // namespace

TEST_CASE("a whole log is intact, and every message of it is found") {
  TemporaryFolder folder;
  FaultyDisk disk;
  const bool orderly = GENERATE(true, false);
  const auto places = write_log(disk, folder.path(), 40, orderly);
  const Inspected found = inspect(disk, folder.path());
  CHECK(found.ids == numbers(1, 40));
  CHECK(found.reports.size() == places.back().segment);
  uint64_t sum = 0;
  for (const auto& report : found.reports) {
    CHECK(report.intact());
    sum += report.messages;
  }
  CHECK(sum == 40);
}

TEST_CASE("one changed bit costs one message, and is told with its place") {
  TemporaryFolder folder;
  FaultyDisk disk;
  const auto places = write_log(disk, folder.path(), 40);
  const size_t victim = GENERATE(size_t{0}, size_t{5}, size_t{20}, size_t{39});
  const Place& place = places[victim];
  const uint64_t size = kRecordHeaderSize + place.envelope_length + place.content_length;
  // In the record's header, its envelope, its content.
  const uint64_t within = GENERATE(uint64_t{0}, kRecordStartOffset, uint64_t{30}, kRecordHeaderSize + 3, uint64_t{900});
  flip_bit(file_of(folder.path(), place), place.offset + within);
  const Inspected found = inspect(disk, folder.path());
  auto wanted = numbers(1, 40);
  wanted.erase(wanted.begin() + static_cast<long>(victim));
  CHECK(found.ids == wanted);
  CHECK(found.damage() == std::vector<Damage>{{file_of(folder.path(), place), place.offset, size}});
}

TEST_CASE("a torn end is void and no damage, as after a killed writer") {
  TemporaryFolder folder;
  FaultyDisk disk;
  const auto places = write_log(disk, folder.path(), 3, false);
  flip_bit(file_of(folder.path(), places[2]), places[2].offset + 900);
  const Inspected found = inspect(disk, folder.path());
  CHECK(found.ids == numbers(1, 2));
  CHECK(found.damage().empty());
}

TEST_CASE("a file that was cut short is damaged up to where its mail ended") {
  TemporaryFolder folder;
  FaultyDisk disk;
  const auto places = write_log(disk, folder.path(), 40);
  const Place& cut = places[5];
  REQUIRE(cut.segment == places[0].segment);
  std::filesystem::resize_file(file_of(folder.path(), cut), cut.offset + 500);
  const Inspected found = inspect(disk, folder.path());
  const auto kept = numbers(1, 5);
  REQUIRE(found.ids.size() > 5);
  CHECK(std::vector<uint64_t>(found.ids.begin(), found.ids.begin() + 5) == kept);
  REQUIRE(found.damage().size() == 1);
  CHECK(found.damage()[0].offset == cut.offset);
  CHECK(places[found.ids[5] - 1].segment == cut.segment + 1);
}

TEST_CASE("a damaged segment header is told, and the mail behind it is found all the same") {
  TemporaryFolder folder;
  FaultyDisk disk;
  const auto places = write_log(disk, folder.path(), 40);
  const size_t victim = GENERATE(size_t{0}, size_t{20}, size_t{39});
  const std::string file = file_of(folder.path(), places[victim]);
  const uint64_t byte = GENERATE(uint64_t{0}, uint64_t{24}, uint64_t{300});
  const bool one_bit = GENERATE(true, false);
  flip_bit(file, byte);
  if (!one_bit) flip_bit(file, byte, 1);
  const Inspected found = inspect(disk, folder.path());
  CHECK(found.ids == numbers(1, 40));
  CHECK(found.damage() == std::vector<Damage>{one_bit ? Damage{file, byte, 1} : Damage{file, 0, kSegmentHeaderSize}});
  for (const auto& report : found.reports) CHECK(report.readable);
}

TEST_CASE("without header and first record, the journal's nonce still finds the rest") {
  TemporaryFolder folder;
  FaultyDisk disk;
  const auto places = write_log(disk, folder.path(), 40);
  const std::string file = file_of(folder.path(), places[0]);
  overwrite(file, 0, std::string(kSegmentHeaderSize + 10, 'x'));
  const Inspected blind = inspect(disk, folder.path());
  CHECK_FALSE(blind.reports[0].readable);
  CHECK(blind.ids.front() > 2);
  const Inspected told = inspect(disk, folder.path(), {{places[0].segment, places[0].nonce}});
  CHECK(told.reports[0].readable);
  CHECK(told.ids == numbers(2, 40));
}

TEST_CASE("records that an earlier life left in a file are not taken for mail when its header is damaged") {
  TemporaryFolder folder;
  FaultyDisk disk;
  LogWriter writer = open_log(disk, folder.path());
  const auto all = messages(40);
  const auto places = append_all(writer, all);
  REQUIRE(writer.flush());
  const uint32_t last = places.back().segment;
  for (uint32_t number = 1; number < last; ++number) REQUIRE(writer.free_segment(number));
  REQUIRE(writer.close());
  LogWriter again = open_log(disk, folder.path());  // begins a segment in a recycled file, and puts no mail into it
  const uint32_t recycled = again.durable_end().segment;
  REQUIRE(recycled > last);
  overwrite(folder.path() + "/" + numbered_name("", recycled), 0, std::string(kSegmentHeaderSize, 'x'));
  const Inspected found = inspect(disk, folder.path());
  for (const uint64_t id : found.ids) CHECK(places[id - 1].segment == last);
  CHECK_FALSE(found.reports.back().readable);
}

TEST_CASE("an error of the visitor ends the inspection") {
  TemporaryFolder folder;
  FaultyDisk disk;
  write_log(disk, folder.path(), 4);
  int visits = 0;
  const auto reports = inspect_log(disk, folder.path(), {}, [&](int, const LogEntry&) -> util::Result<void> {
    ++visits;
    return util::temporary("disk full");
  });
  REQUIRE(!reports);
  CHECK(reports.error().text == "disk full");
  CHECK(visits == 1);
}

TEST_CASE("a journal is read beyond its damage, which is told with its place") {
  TemporaryFolder folder;
  FaultyDisk disk;
  JournalWriter writer(disk, folder.path(), [] { return uint64_t{0x5eed}; });
  const std::vector<JournalRecord> alive = {Checkpoint{{1, 0}}, Completed{QueueId{1}}, Completed{QueueId{2}}};
  REQUIRE(writer.rotate(alive));
  writer.append(Completed{QueueId{3}});
  REQUIRE(writer.sync());
  writer.append(Completed{QueueId{4}});
  REQUIRE(writer.sync());
  const std::string file = folder.path() + "/" + numbered_name("", 1);
  std::vector<JournalRecord> records;
  const JournalReport whole = inspect(disk, folder.path(), records);
  CHECK(whole.intact());
  CHECK(whole.records == 5);
  CHECK(whole.file == file);

  const uint64_t completed = kJournalRecordHeaderSize + 1 + 8;
  const uint64_t first = kJournalHeaderSize + whole.bytes - 4 * completed;
  const uint64_t victim = GENERATE(0, 1, 2);  // two in the snapshot, one behind it that was synced
  flip_bit(file, first + victim * completed + 20);
  records.clear();
  const JournalReport report = inspect(disk, folder.path(), records);
  CHECK(report.records == 4);
  // The checkpoint rests on the whole snapshot.
  CHECK(records.size() == (victim < 2 ? 3 : 4));
  CHECK(report.damage == std::vector<Damage>{{file, first + victim * completed, completed}});
}

TEST_CASE("a journal's torn end is no damage, a damaged header is a problem, and no journal is none") {
  TemporaryFolder folder;
  FaultyDisk disk;
  std::vector<JournalRecord> records;
  CHECK(inspect(disk, folder.path(), records).file.empty());
  JournalWriter writer(disk, folder.path());
  REQUIRE(writer.rotate(std::vector<JournalRecord>{Completed{QueueId{1}}}));
  writer.append(Completed{QueueId{2}});
  REQUIRE(writer.sync());
  const std::string file = folder.path() + "/" + numbered_name("", 1);
  flip_bit(file, kJournalHeaderSize + (kJournalRecordHeaderSize + 9) + 20);
  const JournalReport torn = inspect(disk, folder.path(), records);
  CHECK(torn.intact());
  CHECK(torn.torn.size() == 1);
  CHECK(torn.records == 1);
  flip_bit(file, 20);
  const JournalReport broken = inspect(disk, folder.path(), records);
  CHECK_FALSE(broken.intact());
  CHECK_FALSE(broken.problem.empty());
}

TEST_CASE("what waits is what the journal does not call done") {
  QueueFacts facts;
  const Place early{1, 7, 5000, 10, 10, 0}, late{3, 8, 5000, 10, 10, 0};
  facts.hear(Checkpoint{{3, 0}});
  facts.hear(Moved{QueueId{1}, early});
  facts.hear(Moved{QueueId{2}, early});
  facts.hear(Completed{QueueId{2}});
  facts.hear(Completed{QueueId{4}});
  facts.hear(Held{QueueId{1}, true, ""});
  CHECK(facts.is_alive(QueueId{1}, early));
  CHECK(facts.is_alive(QueueId{1}, late));  // a copy of it
  CHECK_FALSE(facts.is_alive(QueueId{2}, early));
  CHECK_FALSE(facts.is_alive(QueueId{3}, early));  // before the checkpoint and not told: long done
  CHECK(facts.is_alive(QueueId{3}, late));
  CHECK_FALSE(facts.is_alive(QueueId{4}, late));
  CHECK(facts.hold(QueueId{1}) == HoldFact{true, ""});
  CHECK(facts.hold(QueueId{3}) == HoldFact{});
  CHECK(facts.nonces() == std::map<uint32_t, uint64_t>{{1, 7}});
  CHECK(facts.waiting() == std::map<QueueId, Place>{{QueueId{1}, early}});
  // When something was lost, rather twice than not at all.
  QueueFacts of_one = facts;
  of_one.distrust(1);
  CHECK(of_one.is_alive(QueueId{3}, early));
  CHECK_FALSE(of_one.is_alive(QueueId{2}, early));
  CHECK_FALSE(of_one.is_alive(QueueId{3}, Place{2, 7, 5000, 10, 10, 0}));
  facts.distrust();
  CHECK(facts.is_alive(QueueId{3}, early));
  CHECK_FALSE(facts.is_alive(QueueId{2}, early));
}

TEST_CASE("recipients are done, failed or waiting as the journal says, in its order") {
  QueueFacts facts;
  const QueueId id{1};
  facts.hear(Deferred{id, {}, 1, 100, "4.0.0", "busy"});
  facts.hear(RecipientDone{id, 0, Outcome::kDelivered, "", "", ""});
  facts.hear(RecipientDone{id, 1, Outcome::kFailed, "5.1.1", "unknown", ""});
  facts.hear(RecipientDone{id, 2, Outcome::kExpired, "4.0.0", "busy", ""});
  facts.hear(BounceSent{id, {2}});
  facts.hear(Deferred{id, {3}, 2, 200, "4.2.0", "full"});
  const auto found = facts.recipients(id, 5);
  REQUIRE(found.size() == 5);
  CHECK(found[0].done);
  CHECK((!found[1].done && found[1].failed && found[1].reply == "unknown"));
  CHECK(found[2].done);
  CHECK((!found[3].done && !found[3].failed && found[3].attempts == 2 && found[3].reply == "full"));
  CHECK((!found[4].done && found[4].attempts == 1 && found[4].reply == "busy"));
  CHECK_FALSE(facts.recipients(QueueId{9}, 1)[0].done);
}

TEST_CASE("the journal is heard over the index, which alone may tell of what rests") {
  QueueFacts facts;
  const Place early{1, 7, 5000, 10, 10, 0}, moved{2, 9, 5000, 10, 10, 0};
  RestingMessage message;
  message.place = early;
  message.recipients = 4;
  message.held = true;
  message.hold_reason = "loops";
  message.common = {.attempts = 3, .enhanced_code = "4.2.0", .reply = "busy"};
  message.differing = {{1, {.step = RestStep::kDone}}, {2, {.step = RestStep::kReportDue, .reply = "unknown"}}};
  for (const uint64_t id : {1, 2, 3}) {
    message.id = QueueId{id};
    facts.hear(message);
  }
  facts.hear(Checkpoint{{9, 0}});
  facts.hear(Completed{QueueId{2}});
  facts.hear(Moved{QueueId{3}, moved});
  facts.hear(Held{QueueId{3}, false, ""});
  facts.hear(Deferred{QueueId{3}, {}, 4, 100, "4.3.0", "later"});
  facts.hear(RecipientDone{QueueId{3}, 3, Outcome::kDelivered, "", "", ""});
  CHECK(facts.is_alive(QueueId{1}, early));
  CHECK_FALSE(facts.is_alive(QueueId{2}, early));  // its removal was not committed
  CHECK(facts.waiting() == std::map<QueueId, Place>{{QueueId{1}, early}, {QueueId{3}, moved}});
  CHECK(facts.nonces() == std::map<uint32_t, uint64_t>{{1, 7}, {2, 9}});
  CHECK(facts.hold(QueueId{1}) == HoldFact{true, "loops"});
  CHECK(facts.hold(QueueId{3}) == HoldFact{});
  const auto told = [&](uint64_t id) {
    std::string text;
    for (const RecipientFact& fact : facts.recipients(QueueId{id}, 4))
      text += fact.done ? "done " : (fact.failed ? "failed " : std::to_string(fact.attempts) + " ") + fact.reply + " ";
    return text;
  };
  CHECK(told(1) == "3 busy done failed unknown 3 busy ");
  CHECK(told(3) == "4 later done 4 later done ");
}

}  // namespace hikyaku::queue
