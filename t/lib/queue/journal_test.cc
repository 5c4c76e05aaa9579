// qmgr's journal: what is written is replayed, whatever stops the writer.
#include <algorithm>
#include <catch2/catch.hpp>

#include "os/file.h"
#include "queue/journal_reader.h"
#include "queue/journal_writer.h"
#include "t/lib/queue/log_helpers.h"

namespace hikyaku::queue {
namespace {

const std::vector<JournalRecord> kOneOfEach = {
    Completed{QueueId{1}},
    RecipientDone{QueueId{2}, 3, Outcome::kFailed, "5.1.1", "550 5.1.1 no such user", "mx.example.com"},
    Deferred{QueueId{3}, {0, 2, 70000}, 4, 1'795'557'600, "4.4.1", "connect to 192.0.2.1: Connection refused"},
    Deferred{QueueId{4}, {}, 1, -1, "", ""},
    Held{QueueId{5}, true, "by an operator"},
    Held{QueueId{5}, false, ""},
    BounceSent{QueueId{6}, {1}},
    Moved{QueueId{7}, Place{8, 9, 10, 11, 12, kMoved}},
    Checkpoint{LogPosition{13, 14}},
};

uint64_t test_nonce() { return 0x5eed; }

// Nothing when the journal is refused; `error` says why.
std::optional<std::vector<JournalRecord>> replay(Disk& disk, const std::string& folder, std::string* error = nullptr) {
  std::vector<JournalRecord> records;
  auto done = replay_journal(disk, folder, [&](const JournalRecord& record) { records.push_back(record); });
  if (!done && error != nullptr) *error = done.error().text;
  if (!done) return std::nullopt;
  return records;
}

std::vector<JournalRecord> completed(uint64_t first, uint64_t last) {
  std::vector<JournalRecord> records;
  // No byte of an id is zero, so that no cut goes unnoticed in a file that ends in zeros.
  for (uint64_t id = first; id <= last; ++id) records.push_back(Completed{QueueId{0x1112'1314'1516'1700 + id}});
  return records;
}

}  // namespace

TEST_CASE("each kind of journal record is read back as it was written") {
  for (const JournalRecord& record : kOneOfEach) {
    std::string bytes;
    append_journal_record(record, 7, 100, bytes);
    const size_t size = bytes.size();
    bytes += "more";
    const auto found = find_journal_record(bytes, 7);
    REQUIRE(found);
    CHECK(found->size == size);
    CHECK(found->durable_before == 100);
    CHECK((parse_journal_record(found->body) == record));
    CHECK(!find_journal_record(bytes, 8));
  }
}

TEST_CASE("the place of a message tells the length of its body, when it has one") {
  const JournalRecord with{Moved{QueueId{7}, Place{8, 9, 10, 11, 12, kHasBody, 768 << 20}}};
  const JournalRecord without{Moved{QueueId{7}, Place{8, 9, 10, 11, 12, 0, 0}}};
  std::string bytes, shorter;
  append_journal_record(with, 7, 100, bytes);
  append_journal_record(without, 7, 100, shorter);
  CHECK(bytes.size() == shorter.size() + sizeof(uint64_t));
  const auto found = find_journal_record(bytes, 7);
  REQUIRE(found);
  CHECK((parse_journal_record(found->body) == with));
}

TEST_CASE("a journal record cut short or with any bit changed is none") {
  for (const JournalRecord& record : kOneOfEach) {
    std::string bytes;
    append_journal_record(record, 7, 100, bytes);
    for (size_t length = 0; length < bytes.size(); ++length) CHECK(!find_journal_record(bytes.substr(0, length), 7));
    for (size_t i = 0; i < bytes.size() * 8; ++i) {
      std::string changed = bytes;
      changed[i / 8] = static_cast<char>(changed[i / 8] ^ (1 << (i % 8)));
      CHECK(!find_journal_record(changed, 7));
    }
  }
}

TEST_CASE("fields that do not fit a journal record's type are an error, not a crash") {
  for (const JournalRecord& record : kOneOfEach) {
    std::string bytes;
    append_journal_record(record, 7, 100, bytes);
    const std::string body = bytes.substr(kJournalRecordHeaderSize);
    for (size_t length = 0; length < body.size(); ++length) CHECK(!parse_journal_record(body.substr(0, length)));
    CHECK(!parse_journal_record(body + "x"));
    for (size_t i = 0; i < body.size(); ++i) {
      std::string changed = body;
      changed[i] = '\xff';
      (void)parse_journal_record(changed);
    }
  }
  CHECK(parse_journal_record(std::string(1, '\x63')).error().permanent);
}

TEST_CASE("an empty folder is an empty journal") {
  TemporaryFolder folder;
  RealDisk disk;
  CHECK((replay(disk, folder.path()) == std::vector<JournalRecord>{}));
}

TEST_CASE("a killed process loses nothing that it wrote") {
  TemporaryFolder folder;
  RealDisk disk;
  {
    JournalWriter writer(disk, folder.path());
    REQUIRE(writer.rotate({}));
    for (const JournalRecord& record : kOneOfEach) writer.append(record);
    REQUIRE(writer.write());
    writer.append(Completed{QueueId{99}});  // not written
  }
  CHECK((replay(disk, folder.path()) == kOneOfEach));
}

TEST_CASE("rotation keeps what is alive, and nothing else") {
  TemporaryFolder folder;
  RealDisk disk;
  JournalWriter writer(disk, folder.path());
  REQUIRE(writer.rotate(completed(1, 3)));
  writer.append(Completed{QueueId{4}});
  REQUIRE(writer.sync());
  CHECK(writer.growth() > 0);
  REQUIRE(writer.rotate(kOneOfEach));
  CHECK(writer.growth() == 0);
  writer.append(Completed{QueueId{5}});
  REQUIRE(writer.sync());
  auto expected = kOneOfEach;
  expected.push_back(Completed{QueueId{5}});
  CHECK((replay(disk, folder.path()) == expected));
  CHECK(disk.list(folder.path())->size() == 1);
  JournalWriter next(disk, folder.path());
  REQUIRE(next.rotate(completed(7, 7)));
  CHECK((replay(disk, folder.path()) == completed(7, 7)));
  CHECK(disk.list(folder.path()) == std::vector<std::string>{"0000000003"});
}

TEST_CASE("a power cut takes back at most what was not synced") {
  for (const uint64_t kept : {0, 1, 20, 30, 1000}) {
    TemporaryFolder folder;
    FaultyDisk disk;
    {
      JournalWriter writer(disk, folder.path());
      REQUIRE(writer.rotate({}));
      for (const JournalRecord& record : completed(1, 5)) writer.append(record);
      REQUIRE(writer.sync());
      for (const JournalRecord& record : completed(6, 9)) writer.append(record);
      REQUIRE(writer.write());
    }
    disk.cut_power(kept);
    const auto records = replay(disk, folder.path());
    REQUIRE(records.has_value());
    CHECK(records->size() == 5 + std::min<uint64_t>(4, kept / (kJournalRecordHeaderSize + 9)));
  }
}

TEST_CASE("a torn end at any byte is void, damage to what was durable is named by file and offset") {
  TemporaryFolder folder;
  RealDisk disk;
  JournalWriter writer(disk, folder.path());
  REQUIRE(writer.rotate(completed(1, 2)));
  writer.append(completed(3, 3)[0]);
  REQUIRE(writer.sync());
  writer.append(completed(4, 4)[0]);
  writer.append(completed(5, 5)[0]);
  REQUIRE(writer.sync());
  const std::string file = folder.path() + "/0000000001";
  const uint64_t size = kJournalRecordHeaderSize + 9;
  const auto offset = [&](uint64_t record) { return kJournalHeaderSize + record * size; };
  for (uint64_t record = 0; record < 5; ++record) {
    for (uint64_t at = offset(record); at < offset(record + 1); ++at) {
      INFO("byte " << at << " of record " << record);
      flip_bit(file, at, 7);
      std::string error;
      const auto records = replay(disk, folder.path(), &error);
      if (record < 3) {  // the last sync vouches for these
        CHECK(error == file + ", offset " + std::to_string(offset(record)) + ": damaged");
      } else {
        CHECK((records == completed(1, record)));
      }
      flip_bit(file, at, 7);
    }
  }
  for (uint64_t at = 0; at < kJournalHeaderSize; ++at) {
    flip_bit(file, at, 1);
    std::string error;
    CHECK(!replay(disk, folder.path(), &error));
    CHECK(error.starts_with(file));
    flip_bit(file, at, 1);
  }
}

TEST_CASE("whichever call fails, what was synced is replayed") {
  const uint64_t failures = GENERATE(uint64_t{1}, uint64_t{3}, UINT64_MAX);
  const uint64_t kept = GENERATE(uint64_t{0}, uint64_t{40}, UINT64_MAX);
  for (uint64_t call = 0; call < 40; ++call) {
    INFO("failing from call " << call << ", " << failures << " times, kept " << kept);
    TemporaryFolder folder;
    FaultyDisk disk;
    uint64_t synced = 0, appended = 0;
    {
      JournalWriter writer(disk, folder.path());
      REQUIRE(writer.rotate({}));
      disk.fail(call, failures);
      for (int turn = 0; turn < 12; ++turn) {
        if (!writer.usable() || turn % 4 == 3) {
          if (writer.rotate(completed(1, appended))) synced = appended;
        }
        ++appended;
        writer.append(completed(appended, appended)[0]);
        if (writer.write() && turn % 2 == 0 && writer.sync()) synced = appended;
      }
    }
    disk.cut_power(kept);
    const auto records = replay(disk, folder.path());
    REQUIRE(records.has_value());
    CHECK(records->size() >= synced);
    CHECK((records == completed(1, records->size())));
  }
}

TEST_CASE("a reply that looks like journal records is only a reply") {
  std::string forged;
  append_journal_record(Completed{QueueId{66}}, 1, 1000, forged);
  TemporaryFolder folder;
  RealDisk disk;
  JournalWriter writer(disk, folder.path());
  REQUIRE(writer.rotate({}));
  writer.append(Deferred{QueueId{1}, {}, 1, 0, "4.0.0", forged});
  REQUIRE(writer.sync());
  flip_bit(folder.path() + "/0000000001", kJournalHeaderSize + 1);  // now as if torn
  CHECK((replay(disk, folder.path()) == std::vector<JournalRecord>{}));
}

namespace {

const std::string kGolden = "t/lib/queue/golden/journal/0000000001";

std::string golden_journal() {
  TemporaryFolder folder;
  RealDisk disk;
  JournalWriter writer(disk, folder.path(), test_nonce);
  REQUIRE(writer.rotate(std::span(kOneOfEach).first(4)));
  for (const JournalRecord& record : std::span(kOneOfEach).subspan(4)) writer.append(record);
  REQUIRE(writer.sync());
  const auto written = os::read_file(folder.path() + "/0000000001");
  REQUIRE(written);
  // Without the reserve of zeros, but for some.
  return written->substr(0, written->find_last_not_of('\0') + 16);
}

}  // namespace

TEST_CASE("writes the golden journal anew, only for a new version", "[.write-golden]") {
  REQUIRE(os::replace_file(kGolden, golden_journal(), 0644));
}

TEST_CASE("a journal of version 1 is read as long as there are such files") {
  RealDisk disk;
  CHECK((replay(disk, "t/lib/queue/golden/journal") == kOneOfEach));
  CHECK((os::read_file(kGolden) == golden_journal()));
}

}  // namespace hikyaku::queue
