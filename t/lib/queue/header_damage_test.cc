// Segments whose header is not as it was written: what can be read is read, the rest is set aside, and the log goes on.
#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <set>

#include "os/file.h"
#include "queue/crc32c.h"
#include "queue/known_segment.h"
#include "queue/little_endian.h"
#include "queue/log_inspection.h"
#include "queue/record_reader.h"
#include "t/lib/queue/log_helpers.h"

namespace hikyaku::queue {
namespace {

constexpr uint64_t kCount = 40;

// Messages 1 to 40 in four segments; then the writer is killed, or ends in good order.
struct Filled {
  TemporaryFolder folder;
  FaultyDisk disk;
  std::vector<Message> messages;
  std::vector<Place> places;

  explicit Filled(bool orderly = false) {
    for (uint64_t id = 1; id <= kCount; ++id) messages.push_back(message(id, 1000));
    LogWriter writer = open();
    places = append_all(writer, messages);
    REQUIRE(writer.flush());
    if (orderly) REQUIRE(writer.close());
    REQUIRE(last() == 4);
  }

  LogWriter open() {
    auto writer = LogWriter::open(disk, folder.path(), small_log());
    if (!writer) FAIL(writer.error().text);
    return std::move(*writer);
  }
  uint32_t last() const { return places.back().segment; }
  std::string file(uint32_t number) const { return folder.path() + "/" + numbered_name("", number); }
  std::string damaged(uint32_t number) const { return folder.path() + "/" + numbered_name(kDamagedPrefix, number); }

  std::vector<uint64_t> all_but(const std::set<uint32_t>& segments) const {
    std::vector<uint64_t> ids;
    for (size_t i = 0; i < places.size(); ++i)
      if (!segments.contains(places[i].segment)) ids.push_back(messages[i].id);
    return ids;
  }
  // What the readers see, while a writer runs and without one.
  std::vector<uint64_t> read(const LogWriter& writer) {
    const Found found = read_log(disk, folder.path(), writer.durable_end());
    CHECK(ids(read_log(disk, folder.path())) == ids(found));
    for (const Message& m : messages)
      if (found.messages.contains(m.id)) CHECK(found.messages.at(m.id) == m.content);
    return ids(found);
  }
};

// Header and first record: nothing tells the nonce any more.
void lose_front(const std::string& file) { overwrite(file, 0, std::string(kSegmentHeaderSize + 20, '\0')); }

}  // namespace

TEST_CASE("a header of which one bit has changed costs nothing, and is told by its byte and left as it is") {
  const bool orderly = GENERATE(true, false);
  const uint32_t number = GENERATE(uint32_t{1}, uint32_t{2}, uint32_t{4});
  // Magic, checksum, version, number, count of seals, nonce, highest id, a seal, and what is not used.
  const uint64_t byte = GENERATE(values<uint64_t>({0, 7, 8, 12, 17, 20, 24, 31, 32, 44, 50, 4095}));
  Filled log(orderly);
  INFO("segment " << number << ", byte " << byte);
  flip_bit(log.file(number), byte, 4);
  const auto before = os::read_file(log.file(number));
  CHECK(ids(read_log(log.disk, log.folder.path())) == log.all_but({}));
  LogWriter writer = log.open();
  CHECK(writer.damage() == std::vector<Damage>{{log.file(number), byte, 1}});
  CHECK(writer.set_aside().empty());
  CHECK(writer.highest_id() == kCount);
  CHECK(log.read(writer) == log.all_but({}));
  CHECK(read_log(log.disk, log.folder.path(), writer.durable_end()).damage.empty());  // the writer tells of it
  CHECK(before->substr(0, kSegmentHeaderSize) == os::read_file(log.file(number))->substr(0, kSegmentHeaderSize));
}

TEST_CASE("a header of which more is damaged costs nothing either while records tell the nonce") {
  const bool orderly = GENERATE(true, false);
  const auto numbers = GENERATE(values<std::vector<uint32_t>>({{1}, {2}, {4}, {3, 4}, {1, 2, 3, 4}}));
  const int how = GENERATE(0, 1, 2, 3);
  Filled log(orderly);
  INFO("segment " << numbers[0] << ", " << numbers.size() << " of them, damaged in way " << how);
  std::vector<Damage> damage;
  for (const uint32_t number : numbers) {
    const std::string file = log.file(number);
    if (how == 0) flip_bit(file, 24), flip_bit(file, 25);                       // the nonce
    if (how == 1) overwrite(file, 0, std::string(512, '\0'));                   // the sector with all that is used
    if (how == 2) overwrite(file, 0, std::string(kSegmentHeaderSize, '\xff'));  // all
    if (how == 3) overwrite(file, 0, encode_segment_header({9, 77, 5, {}}));    // that of another segment
    damage.push_back({file, 0, kSegmentHeaderSize});
  }
  CHECK(ids(read_log(log.disk, log.folder.path())) == log.all_but({}));
  LogWriter writer = log.open();
  CHECK(writer.damage() == damage);
  CHECK(writer.set_aside().empty());
  CHECK(log.read(writer) == log.all_but({}));
  CHECK(writer.durable_end().segment == 5);
  CHECK(writer.highest_id() >= kCount);
  // The next start finds the same.
  LogWriter again = log.open();
  CHECK(again.damage() == damage);
  CHECK(log.read(again) == log.all_but({}));
}

TEST_CASE("without its first record too, a segment is read by what is left of its header if records bear it out") {
  Filled log;
  const uint32_t number = GENERATE(uint32_t{1}, uint32_t{2}, uint32_t{3});  // in the last one, nothing vouches for it
  overwrite(log.file(number), 512, std::string(kSegmentHeaderSize - 512, 'x'));
  flip_bit(log.file(number), kSegmentHeaderSize + 20);
  LogWriter writer = log.open();
  CHECK(writer.set_aside().empty());
  const auto first = std::ranges::find(log.places, number, &Place::segment);
  auto wanted = log.all_but({});
  wanted.erase(wanted.begin() + (first - log.places.begin()));
  CHECK(log.read(writer) == wanted);
}

TEST_CASE("a segment that nobody can tell the nonce of is set aside, and everything else goes on") {
  const bool orderly = GENERATE(true, false);
  const auto numbers = GENERATE(values<std::vector<uint32_t>>({{1}, {2}, {4}, {3, 4}, {1, 2, 3, 4}}));
  Filled log(orderly);
  INFO("segment " << numbers[0] << ", " << numbers.size() << " of them");
  const std::set<uint32_t> lost(numbers.begin(), numbers.end());
  std::vector<std::string> names;
  std::vector<Damage> damage;
  for (const uint32_t number : numbers) {
    lose_front(log.file(number));
    names.push_back(log.damaged(number));
    damage.push_back({log.file(number), 0, kSmallSegment});
  }
  // A reader that comes before the writer passes over it, and says so once.
  const Found early = read_log(log.disk, log.folder.path());
  CHECK(ids(early) == log.all_but(lost));
  CHECK(early.damage == damage);

  LogWriter writer = log.open();
  CHECK(writer.set_aside() == names);
  CHECK(writer.damage() == damage);
  CHECK(log.read(writer) == log.all_but(lost));
  CHECK(read_log(log.disk, log.folder.path(), writer.durable_end()).damage.empty());
  for (const std::string& name : names) CHECK(std::filesystem::file_size(name) == kSmallSegment);
  // Neither its number nor its ids are given again, and it is no spare.
  CHECK(writer.durable_end().segment == 5);
  CHECK(writer.new_id(1).value > kCount);
  for (const uint32_t number : writer.old_segments()) REQUIRE(writer.free_segment(number));
  REQUIRE(writer.close());
  LogWriter again = log.open();
  CHECK(again.durable_end().segment == 6);
  CHECK(again.set_aside().empty());
  CHECK(again.new_id(1).value > kCount);
  for (const std::string& name : names) CHECK(std::filesystem::exists(name));
  // Whoever knows the nonce finds what is whole.
  std::map<uint32_t, uint64_t> nonces;
  for (const Place& place : log.places) nonces[place.segment] = place.nonce;
  const std::set<uint64_t> firsts = [&] {
    std::set<uint64_t> ids;
    for (const uint32_t number : numbers)
      ids.insert(log.messages[std::ranges::find(log.places, number, &Place::segment) - log.places.begin()].id);
    return ids;
  }();
  LogReader reader(log.disk, log.folder.path());
  std::set<uint32_t> asked;
  reader.ask_for_nonces([&](uint32_t number) {
    CHECK(asked.insert(number).second);
    return nonces.contains(number) ? std::optional(nonces.at(number)) : std::nullopt;
  });
  std::set<uint64_t> read;
  std::vector<LogEntry> entries;
  std::vector<Damage> told;
  for (LogPosition at;; entries.clear()) {
    const auto next = reader.read_entries(at, again.durable_end(), 5, entries, told);
    REQUIRE(next);
    for (const LogEntry& entry : entries) read.insert(entry.id.value);
    if (entries.empty()) break;
    at = *next;
  }
  CHECK(asked == lost);
  REQUIRE(told.size() == numbers.size());
  for (size_t i = 0; i < numbers.size(); ++i) CHECK((told[i].file == names[i] && told[i].offset == kSegmentHeaderSize));
  for (size_t i = 0; i < kCount; ++i) {
    const uint64_t id = log.messages[i].id;
    CHECK(read.contains(id) == (lost.contains(log.places[i].segment) && !firsts.contains(id)));  // the others are freed
  }
  std::vector<uint64_t> found;
  const auto reports = inspect_log(log.disk, log.folder.path(), nonces, [&](int, const LogEntry& entry) {
    found.push_back(entry.id.value);
    return util::Result<void>();
  });
  REQUIRE(reports);
  for (const uint32_t number : numbers) {
    const auto report =
        std::ranges::find(*reports, log.damaged(number), [](const SegmentReport& one) { return one.file; });
    REQUIRE(report != reports->end());
    CHECK((report->readable && !report->intact()));
    const auto in = [&](const Place& place) { return place.segment == number; };
    CHECK(report->messages == static_cast<uint64_t>(std::ranges::count_if(log.places, in)) - 1);
  }
}

TEST_CASE("a record of a segment that was set aside is read by its place") {
  Filled log;
  lose_front(log.file(2));
  LogWriter writer = log.open();
  REQUIRE(writer.set_aside().size() == 1);
  LogReader reader(log.disk, log.folder.path());
  CHECK(reader.set_aside() == std::vector<uint32_t>{2});
  const auto place = std::ranges::find(log.places, 2u, &Place::segment) + 1;
  const Message& message = log.messages[static_cast<size_t>(place - log.places.begin())];
  const auto file = reader.open_segment(2);
  REQUIRE(file);
  CHECK(read_record(file->get(), QueueId{message.id}, *place)->content == message.content);
}

TEST_CASE("ids of a last segment that is lost are not given again, whatever the clock says") {
  for (const bool with_records : {true, false}) {
    TemporaryFolder folder;
    FaultyDisk disk;
    const std::string file = folder.path() + "/0000000001";
    uint64_t highest = 0;
    {
      auto writer = LogWriter::open(disk, folder.path(), small_log());
      REQUIRE(writer);
      const auto now = disk.last_write(disk.open(file, Access::kRead)->get());
      const std::vector<Message> group = {message(writer->new_id(*now).value)};
      highest = writer->new_id(*now).value;  // of a message that was never stored
      append_all(*writer, group);
      REQUIRE(writer->flush());
    }
    overwrite(file, 0, std::string(kSegmentHeaderSize + (with_records ? 0 : 20), '\0'));
    // The power fails before there is another header: the next start comes to the same.
    disk.fail(2, UINT64_MAX);
    (void)LogWriter::open(disk, folder.path(), small_log());
    disk.stop_failing();
    auto writer = LogWriter::open(disk, folder.path(), small_log());
    REQUIRE(writer);
    CHECK(writer->new_id(0).value > highest);
    CHECK(writer->new_id(0).value < highest + uint64_t{2} * 86'400'000'000);
  }
}

TEST_CASE("what an earlier life left in a segment's file is never mail, however much of its header is lost") {
  const int how = GENERATE(0, 1, 2);
  Filled log;
  LogWriter writer = log.open();
  for (const uint32_t number : writer.old_segments()) REQUIRE(writer.free_segment(number));
  REQUIRE(writer.close());
  LogWriter again = log.open();  // begins in a file that was full of mail
  const uint32_t recycled = again.durable_end().segment;
  const auto bytes = os::read_file(log.file(recycled));
  REQUIRE(bytes->find("sender") != std::string::npos);
  const std::string old_header = encode_segment_header({1, log.places[0].nonce, 0, {}});
  if (how == 0) overwrite(log.file(recycled), 0, std::string(kSegmentHeaderSize, '\0'));
  if (how == 1) overwrite(log.file(recycled), 0, old_header);
  if (how == 2) overwrite(log.file(recycled), 0, old_header.substr(0, 512) + std::string(512, 'x'));
  CHECK(read_log(log.disk, log.folder.path()).entries.empty());
  LogWriter last = log.open();
  CHECK(last.set_aside() == std::vector<std::string>{log.damaged(recycled)});
  CHECK(log.read(last).empty());
}

TEST_CASE("a seal that stood in a lost header stands in the next one") {
  TemporaryFolder folder;
  FaultyDisk disk;
  const std::vector<Message> good = {message(1001)}, bad = {message(1002)}, later = {message(1003)};
  {
    auto writer = LogWriter::open(disk, folder.path(), small_log());
    REQUIRE(writer);
    append_all(*writer, good);
    REQUIRE(writer->flush());
    append_all(*writer, bad);
    disk.fail(1);  // the fdatasync: segment 1 gets no end mark, and its seal stands in segment 2
    REQUIRE(!writer->flush());
    append_all(*writer, later);
    REQUIRE(writer->flush());
  }
  overwrite(folder.path() + "/0000000002", 0, std::string(kSegmentHeaderSize, 'x'));
  auto writer = LogWriter::open(disk, folder.path(), small_log());
  REQUIRE(writer);
  // The refused message may come, as after a crash: nothing knows better. But it ends where it ends.
  const Found found = read_log(disk, folder.path(), writer->durable_end());
  CHECK(ids(found) == std::vector<uint64_t>{1001, 1002, 1003});
  CHECK(found.damage.empty());
  const auto header = know_segment(disk, folder.path() + "/0000000003", 3);
  REQUIRE(header);
  CHECK(header->header->seals.size() == 2);
}

TEST_CASE("a segment of another version is refused by writer and reader, and not set aside") {
  Filled log;
  std::string header = os::read_file(log.file(2))->substr(0, kSegmentHeaderSize);
  store(&header[12], kLogVersion + 1);
  store(&header[8], crc32c(std::string_view(header).substr(12)));
  overwrite(log.file(2), 0, header);
  const auto writer = LogWriter::open(log.disk, log.folder.path(), small_log());
  REQUIRE(!writer);
  CHECK(writer.error().text == log.file(2) + ": segment of version 2, this program reads version 1");
  CHECK(std::filesystem::exists(log.file(2)));
  LogReader reader(log.disk, log.folder.path());
  std::vector<LogEntry> entries;
  std::vector<Damage> damage;
  CHECK(reader.read_entries({}, {}, 100, entries, damage).error().text == writer.error().text);
}

namespace {

// The first block of every file cannot be read.
class BadSectors : public FaultyDisk {
 public:
  bool bad = false;
  util::Result<size_t> pread(int fd, std::span<char> buffer, uint64_t offset) override {
    if (bad && offset < kSegmentHeaderSize) return util::temporary("pread: Input/output error");
    return FaultyDisk::pread(fd, buffer, offset);
  }
};

}  // namespace

TEST_CASE("a header that the disk does not read is told by the first record, and without one it is not judged") {
  TemporaryFolder folder;
  BadSectors disk;
  const std::vector<Message> group = {message(1), message(2)};
  {
    auto writer = LogWriter::open(disk, folder.path(), small_log());
    REQUIRE(writer);
    append_all(*writer, group);
    REQUIRE(writer->flush());
  }
  disk.bad = true;
  const std::string file = folder.path() + "/0000000001";
  const auto known = know_segment(disk, file, 1);
  REQUIRE(known);
  CHECK(known->by_records);
  flip_bit(file, kSegmentHeaderSize + 20);
  const auto writer = LogWriter::open(disk, folder.path(), small_log());
  REQUIRE(!writer);
  CHECK(writer.error() == util::Error{file + ": pread: Input/output error", false});
  CHECK(std::filesystem::exists(file));
}

TEST_CASE("setting aside can fail at any call, or the power with it, and the next start does it") {
  for (uint64_t call = 0; call < 12; ++call) {
    for (const bool cut : {true, false}) {
      INFO("failing from call " << call << (cut ? ", then the power" : ""));
      Filled log;
      lose_front(log.file(2));
      lose_front(log.file(4));
      log.disk.fail(call, UINT64_MAX);
      (void)LogWriter::open(log.disk, log.folder.path(), small_log());
      log.disk.stop_failing();
      if (cut) log.disk.cut_power();
      LogWriter writer = log.open();
      CHECK(log.read(writer) == log.all_but({2, 4}));
      CHECK((std::filesystem::exists(log.damaged(2)) && std::filesystem::exists(log.damaged(4))));
      CHECK(writer.new_id(1).value > kCount);
      CHECK(writer.durable_end().segment > 4);
    }
  }
}

TEST_CASE("a reader beside a writer whose current segment is lost goes on with all others") {
  Filled log;
  LogWriter writer = log.open();
  const uint32_t current = writer.durable_end().segment;
  const std::vector<Message> group = {message(1001)};
  append_all(writer, group);
  REQUIRE(writer.flush());
  lose_front(log.file(current));
  LogReader reader(log.disk, log.folder.path());
  std::vector<LogEntry> entries;
  std::vector<Damage> damage;
  const auto end = reader.read_entries({}, writer.durable_end(), 100, entries, damage);
  REQUIRE(end);
  CHECK(*end <= writer.durable_end());
  CHECK(entries.size() == kCount);
  CHECK(damage == std::vector<Damage>{{log.file(current), 0, kSmallSegment}});
  CHECK(reader.is_unreadable(current));
  CHECK_FALSE(reader.is_unreadable(1));
  damage.clear();
  REQUIRE(reader.read_entries(*end, writer.durable_end(), 100, entries, damage));
  CHECK(damage.empty());
}

}  // namespace hikyaku::queue
