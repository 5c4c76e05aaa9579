// The log in good times: groups, segments, spares, following.
#include <catch2/catch.hpp>
#include <filesystem>

#include "queue/record_reader.h"
#include "t/lib/queue/log_helpers.h"

namespace hikyaku::queue {
namespace {

LogWriter open_log(Disk& disk, const std::string& folder) {
  auto writer = LogWriter::open(disk, folder, small_log());
  if (!writer) FAIL(writer.error().text);
  return std::move(*writer);
}

}  // namespace

TEST_CASE("messages of several groups are read back in order, byte for byte") {
  TemporaryFolder folder;
  FaultyDisk disk;
  disk.shorten_writes(GENERATE(uint64_t{1} << 40, uint64_t{7}));
  LogWriter writer = open_log(disk, folder.path());
  const std::vector<Message> first = {message(1), message(2, 0), message(3, 3000)}, second = {message(4)};
  append_all(writer, first);
  REQUIRE(writer.flush());
  append_all(writer, second);
  REQUIRE(writer.flush());
  const Found found = read_log(disk, folder.path(), writer.durable_end());
  CHECK(ids(found) == std::vector<uint64_t>{1, 2, 3, 4});
  for (const Message& m : {first[0], first[1], first[2], second[0]}) CHECK(found.messages.at(m.id) == m.content);
  CHECK(found.end == writer.durable_end());
  CHECK(found.damage.empty());
}

TEST_CASE("append tells the place at which the message is found after the flush") {
  TemporaryFolder folder;
  FaultyDisk disk;
  LogWriter writer = open_log(disk, folder.path());
  const std::vector<Message> messages = {message(1), message(2, 9000), message(3, 9000), message(4)};
  const auto places = append_all(writer, messages);
  REQUIRE(writer.flush());
  const Found found = read_log(disk, folder.path(), writer.durable_end());
  REQUIRE(found.entries.size() == 4);
  for (size_t i = 0; i < 4; ++i) CHECK(found.entries[i].place == places[i]);
  CHECK(places[1].segment != places[2].segment);
}

TEST_CASE("nothing is seen before the flush, and a follower goes on from where it was") {
  TemporaryFolder folder;
  FaultyDisk disk;
  LogWriter writer = open_log(disk, folder.path());
  LogReader reader(disk, folder.path());
  LogPosition at;
  for (uint64_t id = 1; id <= 60; ++id) {
    const std::vector<Message> group = {message(2 * id, 900), message(2 * id + 1, 10)};
    append_all(writer, group);
    std::vector<LogEntry> entries;
    std::vector<Damage> damage;
    REQUIRE(reader.read_entries(at, writer.durable_end(), 10, entries, damage));
    CHECK(entries.empty());
    REQUIRE(writer.flush());
    const auto next = reader.read_entries(at, writer.durable_end(), 10, entries, damage);
    REQUIRE(next);
    at = *next;
    REQUIRE(entries.size() == 2);
    CHECK(entries[0].id == QueueId{2 * id});
    CHECK(entries[1].id == QueueId{2 * id + 1});
    CHECK(damage.empty());
  }
  CHECK(at.segment > 3);
}

TEST_CASE("a message larger than a segment gets a segment of its own") {
  TemporaryFolder folder;
  FaultyDisk disk;
  LogWriter writer = open_log(disk, folder.path());
  const std::vector<Message> messages = {message(1), message(2, 5 * kSmallSegment), message(3)};
  append_all(writer, messages);
  REQUIRE(writer.flush());
  const Found found = read_log(disk, folder.path());
  CHECK(ids(found) == std::vector<uint64_t>{1, 2, 3});
  CHECK(found.messages.at(2) == messages[1].content);
  CHECK(found.entries[2].place.segment == found.entries[1].place.segment + 1);
}

TEST_CASE("after an orderly end and after a killed writer all is there, and ids go on growing") {
  TemporaryFolder folder;
  FaultyDisk disk;
  const bool orderly = GENERATE(true, false);
  uint64_t last = 0;
  for (int run = 0; run < 4; ++run) {
    LogWriter writer = open_log(disk, folder.path());
    const QueueId id = writer.new_id(run == 2 ? 5 : 1000);  // the clock goes back once
    CHECK(id.value > last);
    last = id.value;
    const std::vector<Message> group = {message(id.value)};
    append_all(writer, group);
    REQUIRE(writer.flush());
    if (orderly) REQUIRE(writer.close());
  }
  const Found found = read_log(disk, folder.path());
  CHECK(ids(found) == std::vector<uint64_t>{1000, 1001, 1002, 1003});
  CHECK(found.damage.empty());
}

TEST_CASE("an id is never given twice, though its message was freed long ago") {
  TemporaryFolder folder;
  FaultyDisk disk;
  {
    LogWriter writer = open_log(disk, folder.path());
    const std::vector<Message> group = {message(writer.new_id(7777).value)};
    append_all(writer, group);
    REQUIRE(writer.flush());
  }
  for (int run = 0; run < 3; ++run) {
    LogWriter writer = open_log(disk, folder.path());
    for (const uint32_t number : writer.old_segments()) REQUIRE(writer.free_segment(number));
    CHECK(writer.highest_id() == 7777);
  }
  LogWriter writer = open_log(disk, folder.path());
  CHECK(writer.new_id(1) == QueueId{7778});
  CHECK(writer.old_segments().empty());
}

TEST_CASE("daemons that start again and again without mail do not fill the folder") {
  TemporaryFolder folder;
  FaultyDisk disk;
  for (int run = 0; run < 10; ++run) open_log(disk, folder.path());
  CHECK(disk.list(folder.path())->size() <= 4);
}

TEST_CASE("the records of a recycled segment are never seen again") {
  TemporaryFolder folder;
  FaultyDisk disk;
  LogOptions options = small_log();
  options.spares = 5;
  auto opened = LogWriter::open(disk, folder.path(), options);
  REQUIRE(opened);
  LogWriter& writer = *opened;
  for (uint64_t id = 1; id <= 40; ++id) {
    const std::vector<Message> group = {message(id, 1500)};
    const auto places = append_all(writer, group);
    REQUIRE(writer.flush());
    for (const uint32_t number : writer.old_segments()) {
      LogReader reader(disk, folder.path());
      auto fd = reader.open_segment(number);
      REQUIRE(fd);
      REQUIRE(writer.free_segment(number));
    }
    // All records have the same size, so that in a recycled segment an old one stands wherever the new ones end.
    for (const uint64_t seen : ids(read_log(disk, folder.path()))) CHECK(seen + 11 > id);
    CHECK(read_log(disk, folder.path()).entries.back().id.value == id);
    CHECK(read_log(disk, folder.path()).entries.back().place == places[0]);
  }
}

TEST_CASE("a place in a recycled segment is refused before the first byte of content") {
  TemporaryFolder folder;
  FaultyDisk disk;
  LogWriter writer = open_log(disk, folder.path());
  const std::vector<Message> old = {message(1)};
  const Place place = append_all(writer, old)[0];
  REQUIRE(writer.flush());
  LogReader reader(disk, folder.path());
  auto fd = reader.open_segment(place.segment);
  REQUIRE(fd);
  CHECK(read_head(fd->get(), QueueId{1}, place));
  CHECK(read_head(fd->get(), QueueId{2}, place).error().permanent);
  Place wrong = place;
  wrong.offset += 1;
  CHECK(read_head(fd->get(), QueueId{1}, wrong).error().permanent);
  wrong = place;
  wrong.nonce += 1;
  CHECK(check_record(fd->get(), QueueId{1}, wrong).error().permanent);
  wrong = place;
  wrong.offset = 1 << 30;
  CHECK(check_record(fd->get(), QueueId{1}, wrong).error().permanent);
}

TEST_CASE("a record is read for a copy only when all of it is whole, and the copy is told by its flag") {
  TemporaryFolder folder;
  FaultyDisk disk;
  LogWriter writer = open_log(disk, folder.path());
  const std::vector<Message> messages{message(1, 500), message(2, 300)};
  const auto places = append_all(writer, messages);
  REQUIRE(writer.flush());
  const auto open = [&] { return std::move(*disk.open(folder.path() + "/0000000001", Access::kRead)); };
  const auto record = read_record(open().get(), QueueId{1}, places[0]);
  REQUIRE(record);
  CHECK(record->content == messages[0].content);
  CHECK(record->envelope == messages[0].envelope);
  CHECK(read_record(open().get(), QueueId{2}, places[0]).error().permanent);

  const std::string_view content = record->content;
  const Place copied = writer.append(QueueId{1}, places[0].flags | kMoved, record->envelope, std::span(&content, 1));
  REQUIRE(writer.flush());
  CHECK(copied.is_later_than(places[0]));
  CHECK_FALSE(places[0].is_later_than(copied));
  CHECK_FALSE(copied.is_later_than(copied));
  LogReader reader(disk, folder.path());
  std::vector<LogEntry> entries;
  std::vector<Damage> damage;
  REQUIRE(reader.read_entries({}, writer.durable_end(), 10, entries, damage));
  REQUIRE(entries.size() == 3);
  CHECK((entries[0].place.flags & kMoved) == 0);
  CHECK(entries[2].id == QueueId{1});
  CHECK(entries[2].place == copied);
  CHECK(read_record(open().get(), QueueId{1}, copied)->content == messages[0].content);

  // In the last byte of the content.
  flip_bit(folder.path() + "/0000000001", places[0].offset + record_size(places[0]) - 1);
  CHECK(read_record(open().get(), QueueId{1}, places[0]).error().permanent);
  CHECK(read_head(open().get(), QueueId{1}, places[0]));
}

TEST_CASE("the current segment is not freed, and freeing twice does no harm") {
  TemporaryFolder folder;
  FaultyDisk disk;
  LogWriter writer = open_log(disk, folder.path());
  CHECK(!writer.free_segment(writer.durable_end().segment));
  const std::vector<Message> messages = {message(1, 9000), message(2, 9000)};
  append_all(writer, messages);
  REQUIRE(writer.flush());
  REQUIRE(writer.old_segments() == std::vector<uint32_t>{1});
  CHECK(writer.free_segment(1));
  CHECK(writer.free_segment(1));
  CHECK(ids(read_log(disk, folder.path())) == std::vector<uint64_t>{2});
}

TEST_CASE("spares are made in the background until there are enough") {
  TemporaryFolder folder;
  FaultyDisk disk;
  LogWriter writer = open_log(disk, folder.path());
  int steps = 0;
  for (;;) {
    const auto more = writer.background_step();
    REQUIRE(more);
    if (!*more) break;
    REQUIRE(++steps < 20);
  }
  const auto names = disk.list(folder.path());
  CHECK(*names == std::vector<std::string>{"0000000001", "reserve", "spare-0000000003", "spare-0000000005"});
}

TEST_CASE("room is told to be missing when no segment can be reserved") {
  TemporaryFolder folder;
  FaultyDisk disk;
  LogWriter writer = open_log(disk, folder.path());
  disk.fail(0, UINT64_MAX);
  CHECK(!writer.has_room(100));
  disk.stop_failing();
  CHECK(writer.has_room(100));
  CHECK(writer.has_room(10 * kSmallSegment));  // this disk has more than its reserve
  CHECK(!writer.has_room(uint64_t{1} << 60));
}

TEST_CASE("unfinished files and spares of another size are removed at start") {
  TemporaryFolder folder;
  FaultyDisk disk;
  const auto make = [&](const std::string& name, uint64_t size) {
    auto fd = disk.open(folder.path() + "/" + name, Access::kCreateNew);
    REQUIRE(fd);
    REQUIRE(disk.preallocate(fd->get(), size));
  };
  make("new-0000000003", 100);
  make("spare-0000000004", 100);
  make("spare-0000000005", kSmallSegment);
  make("README", 5);
  { LogWriter writer = open_log(disk, folder.path()); }
  std::vector<std::string> names;
  const auto all = disk.list(folder.path());
  for (const auto& name : *all) {
    if (!name.ends_with(".gone")) names.push_back(name);
  }
  CHECK(names == std::vector<std::string>{"0000000001", "README", "reserve"});
}

}  // namespace hikyaku::queue
