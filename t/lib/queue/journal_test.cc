// qmgr's journal: what is written is replayed, whatever stops the writer.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cerrno>
#include <filesystem>

#include "os/file.h"
#include "t/lib/queue/journal_helpers.h"

namespace hikyaku::queue {
namespace {

uint64_t test_nonce() { return 0x5eed; }

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
  CHECK(disk.list(folder.path()) == std::vector<std::string>{"0000000002", "reserve"});
  JournalWriter next(disk, folder.path());
  REQUIRE(next.rotate(completed(7, 7)));
  CHECK((replay(disk, folder.path()) == completed(7, 7)));
  CHECK(disk.list(folder.path()) == std::vector<std::string>{"0000000003", "reserve"});
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

TEST_CASE("a journal closed in good order says so, and takes nothing more") {
  TemporaryFolder folder;
  FaultyDisk disk;
  {
    JournalWriter writer(disk, folder.path());
    CHECK(writer.close());  // nothing was begun
    REQUIRE(writer.rotate(completed(1, 1)));
    writer.append(completed(2, 2)[0]);
    REQUIRE(writer.close());
    CHECK_FALSE(writer.usable());
    CHECK(writer.close());
  }
  disk.cut_power();
  CHECK((replay(disk, folder.path()) == completed(1, 2)));
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

namespace {

// A disk with no space but that of the reserve, once it is full.
class TightDisk : public RealDisk {
 public:
  explicit TightDisk(const std::string& folder) : reserve_(folder + "/reserve") {}
  void fill() { full_ = true; }
  void make_space() { full_ = false; }
  uint64_t reserved() const { return std::filesystem::exists(reserve_) ? std::filesystem::file_size(reserve_) : 0; }

  util::Result<void> preallocate(int fd, uint64_t length) override {
    if (!full_) return RealDisk::preallocate(fd, length);
    if (given_up_ > 0) {
      --given_up_;
      return RealDisk::preallocate(fd, length);
    }
    return util::system_error("allocate space", ENOSPC);
  }
  util::Result<void> unlink(const std::string& path) override {
    if (path == reserve_ && reserved() > 0) ++given_up_;
    return RealDisk::unlink(path);
  }

 private:
  std::string reserve_;
  bool full_ = false;
  int given_up_ = 0;
};

}  // namespace

TEST_CASE("on a full disk a new journal file takes the place of the reserve, which comes back when there is space") {
  TemporaryFolder folder;
  TightDisk disk(folder.path());
  JournalWriter writer(disk, folder.path());
  REQUIRE(writer.rotate(completed(1, 3)));
  CHECK(disk.reserved() >= kJournalReserve);
  disk.fill();
  JournalWriter next(disk, folder.path());  // as after a restart
  REQUIRE(next.rotate(completed(1, 3)));
  CHECK(disk.reserved() == 0);
  for (const JournalRecord& record : completed(4, 5)) next.append(record);
  REQUIRE(next.sync());
  CHECK_FALSE(next.rotate(completed(1, 5)));  // there was one reserve
  CHECK(next.usable());
  CHECK((replay(disk, folder.path()) == completed(1, 5)));
  disk.make_space();
  for (uint64_t id = 6; id < 100 && disk.reserved() == 0; ++id) {
    next.append(completed(id, id)[0]);
    REQUIRE(next.sync());
  }
  CHECK(disk.reserved() >= kJournalReserve);
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
