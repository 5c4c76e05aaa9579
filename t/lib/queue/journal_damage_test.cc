// A journal that is not as it was written: what is whole is heard, and the rest is told.
#include <catch2/catch.hpp>

#include "os/file.h"
#include "queue/crc32c.h"
#include "queue/little_endian.h"
#include "t/lib/queue/journal_helpers.h"

namespace hikyaku::queue {

TEST_CASE("a changed bit costs the record that it is in, and the place is told") {
  const bool closed = GENERATE(false, true);
  TemporaryFolder folder;
  RealDisk disk;
  JournalWriter writer(disk, folder.path());
  REQUIRE(writer.rotate(completed(1, 2)));
  writer.append(completed(3, 3)[0]);
  REQUIRE(writer.sync());
  writer.append(completed(4, 4)[0]);
  writer.append(completed(5, 5)[0]);
  if (closed)
    REQUIRE(writer.close());
  else
    REQUIRE(writer.sync());
  const std::string file = folder.path() + "/0000000001";
  const uint64_t size = kJournalRecordHeaderSize + 9;
  for (uint64_t bit = kJournalHeaderSize * 8; bit < (kJournalHeaderSize + 5 * size) * 8; ++bit) {
    INFO("bit " << bit);
    const uint64_t record = (bit / 8 - kJournalHeaderSize) / size;
    flip_bit(file, bit / 8, bit % 8);
    JournalReplay told;
    const auto records = replay(disk, folder.path(), &told);
    auto others = completed(1, 5);
    others.erase(others.begin() + static_cast<ptrdiff_t>(record));
    CHECK((records == others));
    const std::vector<Damage> place{{file, kJournalHeaderSize + record * size, size}};
    // The last sync vouches for the first three, the end mark for all.
    const bool was_durable = record < 3 || closed;
    CHECK(told.damage == (was_durable ? place : std::vector<Damage>{}));
    CHECK(told.torn == (was_durable ? std::vector<Damage>{} : place));
    flip_bit(file, bit / 8, bit % 8);
  }
  JournalReplay told;
  CHECK((replay(disk, folder.path(), &told) == completed(1, 5)));
  CHECK(told.whole());
}

TEST_CASE("one changed bit in a journal's header is found and costs nothing, more cost the file, and both are told") {
  TemporaryFolder folder;
  RealDisk disk;
  JournalWriter writer(disk, folder.path());
  REQUIRE(writer.rotate(kOneOfEach));
  const std::string file = folder.path() + "/0000000001";
  for (uint64_t bit = 0; bit < kJournalHeaderSize * 8; ++bit) {
    INFO("bit " << bit);
    flip_bit(file, bit / 8, bit % 8);
    JournalReplay told;
    CHECK((replay(disk, folder.path(), &told) == kOneOfEach));
    CHECK(told.damage == std::vector<Damage>{{file, 0, kJournalHeaderSize}});
    flip_bit(file, bit / 8, bit % 8);
  }
  flip_bit(file, 20, 1);
  flip_bit(file, 33, 5);
  JournalReplay told;
  CHECK((replay(disk, folder.path(), &told) == std::vector<JournalRecord>{}));
  REQUIRE(told.damage.size() == 1);
  CHECK(told.damage[0].file == file);
}

TEST_CASE("a journal of another version is refused, not taken for damage") {
  TemporaryFolder folder;
  RealDisk disk;
  std::string header = encode_journal_header({1, 7, kJournalHeaderSize});
  store(&header[12], kJournalVersion + 1);
  store(&header[8], crc32c(std::string_view(header).substr(12)));
  const std::string file = folder.path() + "/0000000001";
  REQUIRE(os::replace_file(file, header, 0600));
  for (const uint64_t flipped : {0, 8, 12, 20, 39}) {  // also one that is damaged
    for (int round = 0; round < 2; ++round) {
      const auto refused = replay_journal(disk, folder.path(), [](const JournalRecord&) {});
      REQUIRE_FALSE(refused);
      CHECK(refused.error().permanent);
      CHECK(refused.error().text.find("version 2") != std::string::npos);
      flip_bit(file, flipped, 2);
    }
  }
}

TEST_CASE("a checkpoint that rests on a lost record is not heard, so that the log is read from an earlier one") {
  struct Case {
    const char* what;
    uint64_t lost;  // record
    std::vector<LogPosition> heard;
  };
  // The records: in the snapshot a checkpoint and a place, then two checkpoints with a place before each.
  const std::vector<JournalRecord> records = {Checkpoint{{1, 0x1111}},
                                              Moved{QueueId{0x1111}, Place{1, 2, 3, 4, 5, 0}},
                                              Moved{QueueId{0x2222}, Place{1, 2, 9, 4, 5, 0}},
                                              Checkpoint{{2, 0x2222}},
                                              Moved{QueueId{0x3333}, Place{2, 2, 3, 4, 5, 0}},
                                              Checkpoint{{3, 0x3333}},
                                              Completed{QueueId{0x1111}}};
  const auto row = GENERATE(values<Case>({
      {"nothing", 99, {{1, 0x1111}, {2, 0x2222}, {3, 0x3333}}},
      {"a place in the snapshot", 1, {}},
      {"a place that was synced", 2, {{1, 0x1111}}},
      {"a place in the unsynced tail", 4, {{1, 0x1111}, {2, 0x2222}}},
      {"a checkpoint", 3, {{1, 0x1111}}},
      {"what stands behind all checkpoints", 6, {{1, 0x1111}, {2, 0x2222}, {3, 0x3333}}},
  }));
  INFO(row.what);
  TemporaryFolder folder;
  RealDisk disk;
  JournalWriter writer(disk, folder.path());
  REQUIRE(writer.rotate(std::span(records).first(2)));
  std::vector<uint64_t> offsets{kJournalHeaderSize};
  for (const JournalRecord& record : records) {
    std::string bytes;
    append_journal_record(record, 0, 0, bytes);
    offsets.push_back(offsets.back() + bytes.size());
  }
  for (const JournalRecord& record : std::span(records).subspan(2, 2)) writer.append(record);
  REQUIRE(writer.sync());
  for (const JournalRecord& record : std::span(records).subspan(4)) writer.append(record);
  REQUIRE(writer.write());
  if (row.lost < records.size()) flip_bit(folder.path() + "/0000000001", offsets[row.lost] + 20);
  std::vector<LogPosition> checkpoints;
  size_t others = 0;
  const auto heard = replay(disk, folder.path());
  REQUIRE(heard.has_value());
  for (const JournalRecord& record : *heard) {
    if (const auto* checkpoint = std::get_if<Checkpoint>(&record))
      checkpoints.push_back(checkpoint->position);
    else
      ++others;
  }
  CHECK(checkpoints == row.heard);
  const bool lost_another = row.lost < records.size() && !std::holds_alternative<Checkpoint>(records[row.lost]);
  CHECK(others == (lost_another ? 3u : 4u));
}

TEST_CASE("a damaged journal file is set aside when the next one begins, and stays") {
  TemporaryFolder folder;
  RealDisk disk;
  {
    JournalWriter writer(disk, folder.path());
    REQUIRE(writer.rotate(completed(1, 3)));
  }
  JournalWriter next(disk, folder.path());
  next.set_aside(1);
  REQUIRE(next.rotate(completed(1, 3)));
  REQUIRE(next.rotate(completed(1, 3)));
  CHECK(disk.list(folder.path()) == std::vector<std::string>{"0000000003", "damaged-0000000001", "reserve"});
}

}  // namespace hikyaku::queue
