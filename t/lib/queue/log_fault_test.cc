// The log in bad times: torn tails, changed bits, failing calls, power cuts.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cerrno>
#include <set>

#include "queue/record_reader.h"
#include "t/lib/queue/log_helpers.h"

namespace hikyaku::queue {
namespace {

// Three groups in the first segment, the last of two messages; then the writer is killed.
struct Killed {
  std::vector<Message> messages = {message(1), message(2), message(3), message(4, 60), message(5, 60)};
  std::vector<Place> places;
  std::string segment;

  Killed(Disk& disk, const std::string& folder) {
    auto writer = LogWriter::open(disk, folder, small_log());
    REQUIRE(writer);
    for (const auto& [first, count] : {std::pair{0, 1}, {1, 2}, {3, 2}}) {
      const std::vector<Message> group(messages.begin() + first, messages.begin() + first + count);
      for (const Place& place : append_all(*writer, group)) places.push_back(place);
      REQUIRE(writer->flush());
    }
    segment = folder + "/" + numbered_name("", places[0].segment);
  }
};

uint64_t size_of(const Place& place) { return kRecordHeaderSize + place.envelope_length + place.content_length; }

}  // namespace

TEST_CASE("a tail torn at any byte of the last record is void, and all before it stays") {
  TemporaryFolder folder;
  FaultyDisk disk;
  const Killed log(disk, folder.path());
  const Place& last = log.places[4];
  for (uint64_t kept = 0; kept < size_of(last); ++kept) {
    // From the back, so that each round finds the record whole up to there.
    const uint64_t torn_at = last.offset + size_of(last) - 1 - kept;
    overwrite(log.segment, torn_at, std::string(1, '\xee'));
    const Found found = read_log(disk, folder.path());
    CHECK(ids(found) == std::vector<uint64_t>{1, 2, 3, 4});
    CHECK(found.damage.empty());
  }
  auto writer = LogWriter::open(disk, folder.path(), small_log());
  REQUIRE(writer);
  CHECK(writer->damage().empty());
  CHECK(ids(read_log(disk, folder.path())) == std::vector<uint64_t>{1, 2, 3, 4});
}

TEST_CASE("a record that only the torn group's own later records follow is torn, not damaged") {
  TemporaryFolder folder;
  FaultyDisk disk;
  const Killed log(disk, folder.path());
  flip_bit(log.segment, log.places[3].offset + 20);
  const Found found = read_log(disk, folder.path());
  CHECK(ids(found) == std::vector<uint64_t>{1, 2, 3});
  CHECK(found.damage.empty());
}

TEST_CASE("a bit changed in what was durable is named by file and offset, and loses no other message") {
  TemporaryFolder folder;
  FaultyDisk disk;
  const Killed log(disk, folder.path());
  const Place& hit = log.places[1];
  for (uint64_t at = hit.offset; at < hit.offset + kRecordHeaderSize + hit.envelope_length; ++at) {
    flip_bit(log.segment, at, static_cast<int>(at % 8));
    const Found found = read_log(disk, folder.path());
    CHECK(ids(found) == std::vector<uint64_t>{1, 3, 4, 5});
    CHECK(found.damage == std::vector<Damage>{{log.segment, hit.offset, size_of(hit)}});
    flip_bit(log.segment, at, static_cast<int>(at % 8));
  }
  flip_bit(log.segment, hit.offset + kRecordHeaderSize + hit.envelope_length + 5);  // content
  auto writer = LogWriter::open(disk, folder.path(), small_log());
  REQUIRE(writer);
  CHECK(writer->damage() == std::vector<Damage>{{log.segment, hit.offset, size_of(hit)}});
}

TEST_CASE("a changed bit in an older segment is told, and the messages behind it are read") {
  TemporaryFolder folder;
  FaultyDisk disk;
  const Killed log(disk, folder.path());
  REQUIRE(LogWriter::open(disk, folder.path(), small_log()));
  flip_bit(log.segment, log.places[4].offset + 1);  // the last record: now nothing vouches for it but the seal
  const Found found = read_log(disk, folder.path());
  CHECK(ids(found) == std::vector<uint64_t>{1, 2, 3, 4});
  CHECK(found.damage == std::vector<Damage>{{log.segment, log.places[4].offset, size_of(log.places[4])}});
}

TEST_CASE("content with a changed bit is noticed before the final dot") {
  TemporaryFolder folder;
  FaultyDisk disk;
  const Killed log(disk, folder.path());
  LogReader reader(disk, folder.path());
  auto fd = reader.open_segment(log.places[0].segment);
  REQUIRE(fd);
  const uint64_t start = log.places[0].offset + kRecordHeaderSize + log.places[0].envelope_length;
  for (uint64_t at = start; at < start + log.places[0].content_length; ++at) {
    flip_bit(log.segment, at);
    auto head = read_head(fd->get(), QueueId{1}, log.places[0]);
    REQUIRE(head);
    char byte = 0;
    for (uint64_t i = 0; read_content(fd->get(), log.places[0], i, {&byte, 1}) == size_t{1}; ++i) {
      CHECK(!head->check.intact());
      head->check.extend({&byte, 1});
    }
    CHECK(!head->check.intact());
    flip_bit(log.segment, at);
  }
}

namespace {

// Sends groups until `groups` of them are done, whatever fails. What was acknowledged and what was refused is
// remembered.
struct Traffic {
  std::set<uint64_t> acknowledged;
  std::set<uint64_t> refused;  // answered 451: must not appear
  std::set<uint64_t> unknown;  // no answer was given
  uint64_t next = 1;

  void run(LogWriter& writer, int groups) {
    for (int i = 0; i < groups; ++i) {
      std::vector<Message> group;
      for (size_t size : {100, 4000, 3000}) group.push_back(message(next++, size));
      append_all(writer, group);
      const bool durable = writer.flush().has_value();
      for (const Message& m : group) (durable ? acknowledged : writer.usable() ? refused : unknown).insert(m.id);
    }
  }

  void check(const Found& found) const {
    for (const uint64_t id : acknowledged) CHECK(found.messages.contains(id));
    for (const auto& [id, content] : found.messages) {
      CHECK(!refused.contains(id));
      CHECK(content == message(id, content.size()).content);
    }
    CHECK(found.damage.empty());
  }
};

}  // namespace

TEST_CASE("whichever call fails, no acknowledged message is lost and no refused one appears") {
  const uint64_t failures = GENERATE(uint64_t{1}, uint64_t{2}, uint64_t{5});
  const bool power_cut = GENERATE(false, true);
  const uint64_t kept = GENERATE(uint64_t{0}, uint64_t{300}, UINT64_MAX);
  for (uint64_t call = 0; call < 45; ++call) {
    INFO("failing calls " << call << " to " << call + failures - 1 << ", power cut " << power_cut << ", kept " << kept);
    TemporaryFolder folder;
    FaultyDisk disk;
    Traffic traffic;
    {
      auto writer = LogWriter::open(disk, folder.path(), small_log());
      REQUIRE(writer);
      disk.fail(call, failures);
      traffic.run(*writer, 6);
      disk.stop_failing();
      traffic.check(read_log(disk, folder.path(), writer->durable_end()));
    }
    if (power_cut) disk.cut_power(kept);
    auto writer = LogWriter::open(disk, folder.path(), small_log());
    if (!writer) FAIL(writer.error().text);
    traffic.check(read_log(disk, folder.path(), writer->durable_end()));
    traffic.run(*writer, 3);
    traffic.check(read_log(disk, folder.path()));
    CHECK(writer->highest_id() == traffic.next - 1);
  }
}

TEST_CASE("a power cut in the middle of anything loses no acknowledged message") {
  for (uint64_t call = 0; call < 40; ++call) {
    for (const uint64_t kept : {uint64_t{0}, uint64_t{1000}}) {
      INFO("from call " << call << " on nothing works, kept " << kept);
      TemporaryFolder folder;
      FaultyDisk disk;
      Traffic traffic;
      disk.fail(call, UINT64_MAX);
      {
        auto writer = LogWriter::open(disk, folder.path(), small_log());
        if (writer) traffic.run(*writer, 6);
      }
      disk.cut_power(kept);
      auto writer = LogWriter::open(disk, folder.path(), small_log());
      if (!writer) FAIL(writer.error().text);
      traffic.check(read_log(disk, folder.path()));
    }
  }
}

TEST_CASE("recovery itself can fail at any call, and the next one finds all") {
  for (uint64_t call = 0; call < 14; ++call) {
    TemporaryFolder folder;
    FaultyDisk disk;
    Traffic traffic;
    {
      auto writer = LogWriter::open(disk, folder.path(), small_log());
      REQUIRE(writer);
      traffic.run(*writer, 3);
    }
    INFO("failing call " << call);
    disk.fail(call, 1);
    {
      auto writer = LogWriter::open(disk, folder.path(), small_log());
      disk.stop_failing();
      if (writer) traffic.run(*writer, 1);
    }
    disk.cut_power(call % 2 == 0 ? 0 : UINT64_MAX);
    auto writer = LogWriter::open(disk, folder.path(), small_log());
    if (!writer) FAIL(writer.error().text);
    traffic.check(read_log(disk, folder.path(), writer->durable_end()));
  }
}

namespace {

// A disk on which no new space can be had, once it is full.
class NoSpace : public RealDisk {
 public:
  bool full = false;

  util::Result<void> preallocate(int fd, uint64_t length) override {
    if (full) return util::system_error("allocate space", ENOSPC);
    return RealDisk::preallocate(fd, length);
  }
};

}  // namespace

TEST_CASE("a full disk stops no start: the last segment with mail can be freed, and then there is room") {
  TemporaryFolder folder;
  NoSpace disk;
  Traffic traffic;
  {
    auto writer = LogWriter::open(disk, folder.path(), small_log());
    REQUIRE(writer);
    traffic.run(*writer, 1);
  }
  disk.full = true;
  auto writer = LogWriter::open(disk, folder.path(), small_log());
  if (!writer) FAIL(writer.error().text);
  CHECK(writer->usable());  // with a segment that takes no mail
  CHECK_FALSE(writer->start_trouble().has_value());
  CHECK_FALSE(writer->has_room(100));
  CHECK(writer->durable_end().segment > 1);
  traffic.check(read_log(disk, folder.path(), writer->durable_end()));
  for (const uint32_t segment : writer->old_segments()) REQUIRE(writer->free_segment(segment));
  CHECK(writer->has_room(100));
  Traffic later;
  later.next = traffic.next;
  later.run(*writer, 1);
  later.check(read_log(disk, folder.path(), writer->durable_end()));
}

TEST_CASE(
    "starts on a full disk, again and again and without the reserve, lose nothing and go on when there is space") {
  const bool reserve_lost = GENERATE(false, true);
  TemporaryFolder folder;
  NoSpace disk;
  Traffic traffic;
  {
    auto writer = LogWriter::open(disk, folder.path(), small_log());
    REQUIRE(writer);
    traffic.run(*writer, 3);
  }
  disk.full = true;
  if (reserve_lost) REQUIRE(disk.unlink(folder.path() + "/reserve"));
  for (int start = 0; start < 5; ++start) {
    auto writer = LogWriter::open(disk, folder.path(), small_log());
    if (!writer) FAIL(writer.error().text);
    CHECK_FALSE(writer->has_room(100));
    traffic.check(read_log(disk, folder.path(), writer->durable_end()));
    CHECK(writer->usable() == !writer->start_trouble().has_value());
    CHECK(writer->usable() == (!reserve_lost && start == 0));
  }
  auto writer = LogWriter::open(disk, folder.path(), small_log());
  REQUIRE(writer);
  disk.full = false;
  REQUIRE(writer->has_room(100));
  traffic.run(*writer, 2);
  CHECK(writer->usable());
  traffic.check(read_log(disk, folder.path(), writer->durable_end()));
  CHECK(writer->highest_id() == traffic.next - 1);
}

TEST_CASE("a log that nothing can be written to is unusable, and usable again when the disk is") {
  TemporaryFolder folder;
  FaultyDisk disk;
  auto writer = LogWriter::open(disk, folder.path(), small_log());
  REQUIRE(writer);
  const LogPosition end = writer->durable_end();
  disk.fail(0, UINT64_MAX);
  Traffic traffic;
  for (int i = 0; i < 400; ++i) {
    traffic.run(*writer, 1);
    CHECK(!writer->usable());
    CHECK(writer->durable_end() == end);
  }
  CHECK(traffic.acknowledged.empty());
  disk.stop_failing();
  traffic.run(*writer, 2);
  CHECK(writer->usable());
  CHECK(traffic.acknowledged.size() == 6);
  traffic.check(read_log(disk, folder.path(), writer->durable_end()));
}

TEST_CASE("what a failed flush left stays void when the segment after it is freed") {
  TemporaryFolder folder;
  FaultyDisk disk;
  Traffic traffic;
  auto writer = LogWriter::open(disk, folder.path(), small_log());
  REQUIRE(writer);
  const std::vector<Message> good = {message(1001)}, bad = {message(1002)},
                             later = {message(1003, 9000), message(1004, 9000)};
  append_all(*writer, good);
  REQUIRE(writer->flush());
  append_all(*writer, bad);
  disk.fail(1);  // the fdatasync: the bytes are all there
  REQUIRE(!writer->flush());
  CHECK(writer->usable());
  append_all(*writer, later);
  REQUIRE(writer->flush());
  REQUIRE(writer->old_segments() == std::vector<uint32_t>{1, 2});
  REQUIRE(writer->free_segment(2));
  CHECK(ids(read_log(disk, folder.path())) == std::vector<uint64_t>{1001, 1004});
  auto again = LogWriter::open(disk, folder.path(), small_log());
  REQUIRE(again);
  CHECK(ids(read_log(disk, folder.path())) == std::vector<uint64_t>{1001, 1004});
}

TEST_CASE("a segment that is freed, and used again when the power fails, is never found half changed") {
  for (uint64_t call = 0; call < 60; ++call) {
    INFO("from call " << call << " on nothing works");
    TemporaryFolder folder;
    FaultyDisk disk;
    disk.fail(call, UINT64_MAX);
    if (auto writer = LogWriter::open(disk, folder.path(), small_log())) {
      for (uint64_t id = 1; id <= 6; ++id) {
        const std::vector<Message> group = {message(id, 9000)};
        append_all(*writer, group);
        (void)writer->flush();
        for (const uint32_t number : writer->old_segments()) (void)writer->free_segment(number);
      }
    }
    disk.cut_power(UINT64_MAX);
    auto writer = LogWriter::open(disk, folder.path(), small_log());
    if (!writer) FAIL(writer.error().text);
    CHECK(read_log(disk, folder.path(), writer->durable_end()).damage.empty());
  }
}

}  // namespace hikyaku::queue
