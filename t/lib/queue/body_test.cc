// Bodies in files of their own: how the log speaks of them, and that none is named before it is durable.
#include <catch2/catch.hpp>
#include <filesystem>

#include "os/file.h"
#include "queue/body_files.h"
#include "queue/body_reader.h"
#include "queue/crc32c.h"
#include "queue/log_inspection.h"
#include "t/lib/queue/log_helpers.h"

namespace hikyaku::queue {
namespace {

constexpr QueueId kName{0x5eed'0000'0001}, kId{0x5eed'0000'0002};

std::string sample(size_t size) {
  std::string bytes;
  for (size_t i = 0; bytes.size() < size; ++i) bytes += "line " + std::to_string(i) + "\r\n";
  bytes.resize(size);
  return bytes;
}

BodyReference reference_to(const std::string& body) { return {body.size(), crc32c(body)}; }

// Writes a body as smtpd and cleanup do it together; what is durable of it.
util::Result<void> write_body(Disk& disk, const std::string& folder, QueueId id, const std::string& body) {
  BodyFiles files(disk, folder);
  auto fd = files.begin(kName);
  if (!fd) return std::unexpected(fd.error());
  if (auto written = write_fully(disk, fd->get(), body, 0); !written) {
    files.drop(kName);
    return written;
  }
  BodyFiles::Finished finished{kName, id, fd->get(), body.size()};
  files.make_durable(std::span(&finished, 1));
  return finished.durable;
}

Place append_big(LogWriter& writer, QueueId id, const Message& head, const BodyReference& reference) {
  const std::string bytes = encode_body_reference(reference);
  const std::string_view pieces[] = {bytes, head.content};
  Place place = writer.append(id, kHasBody, head.envelope, pieces);
  place.body_length = reference.length;
  REQUIRE(writer.flush());
  return place;
}

util::Result<std::string> read_message(LogReader& reader, QueueId id, const Place& place) {
  const auto segment = reader.open_segment(place.segment);
  REQUIRE(segment);
  const auto body = reader.open_body(id);
  auto message = MessageReader::open(segment->get(), body ? body->get() : -1, id, place);
  if (!message) return std::unexpected(message.error());
  std::string content, buffer(1000, '\0');
  for (;;) {
    const auto length = message->next(buffer);
    if (!length) return std::unexpected(length.error());
    if (*length == 0) return content;
    content.append(buffer, 0, *length);
  }
}

}  // namespace

TEST_CASE("a reference to a body is read back as it was written, and not with any bit changed") {
  for (const BodyReference& reference : {BodyReference{0, 0}, BodyReference{1, 0xffffffff},
                                         BodyReference{UINT64_MAX, 7}, BodyReference{768 << 20, 0x12345678}}) {
    const std::string bytes = encode_body_reference(reference);
    REQUIRE(bytes.size() == kBodyReferenceSize);
    CHECK(parse_body_reference(bytes + "content") == reference);
    CHECK_FALSE(parse_body_reference(bytes.substr(1)));
    for (size_t bit = 0; bit < 8 * bytes.size(); ++bit) {
      std::string changed = bytes;
      changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
      CHECK_FALSE(parse_body_reference(changed));
    }
  }
}

TEST_CASE("bodies have names of their own, which nothing else in the folder has") {
  CHECK(parse_body_name(body_name(kId)) == kId);
  CHECK(parse_unfinished_body_name(unfinished_body_name(kId)) == kId);
  for (const char* other : {"0000000001", "spare-0000000001", "new-0000000001", "lock", "body-", "body-1",
                            "body-AAAAAAAAAAA", "new-body-"}) {
    CAPTURE(other);
    CHECK_FALSE(parse_body_name(other));
    CHECK_FALSE(parse_unfinished_body_name(other));
  }
  CHECK_FALSE(parse_body_name(unfinished_body_name(kId)));
  for (const std::string& name : {body_name(kId), unfinished_body_name(kId)})
    for (const std::string_view prefix : {"", "spare-", "new-"}) CHECK_FALSE(parse_numbered_name(prefix, name));
}

TEST_CASE("a place tells what is sent of a message, with a body and without") {
  Place place{1, 2, 3, 4, 500, kEightBit, 0};
  CHECK(place.head_length() == 500);
  CHECK(place.message_size() == 500);
  place.flags |= kHasBody;
  place.body_length = 1000;
  CHECK(place.head_length() == 500 - kBodyReferenceSize);
  CHECK(place.message_size() == 1500 - kBodyReferenceSize);
  place.content_length = 3;  // by somebody who means us no good
  CHECK(place.message_size() == 1000);
}

TEST_CASE("a message is read over both its parts, also after a restart") {
  TemporaryFolder folder;
  FaultyDisk disk;
  const std::string body = sample(100'000);
  const Message head = message(kId.value);
  {
    auto writer = LogWriter::open(disk, folder.path(), small_log());
    REQUIRE(writer);
    REQUIRE(write_body(disk, folder.path(), kId, body));
    append_big(*writer, kId, head, reference_to(body));
  }
  disk.cut_power();
  auto writer = LogWriter::open(disk, folder.path(), small_log());
  REQUIRE(writer);
  LogReader reader(disk, folder.path());
  std::vector<LogEntry> entries;
  std::vector<Damage> damage;
  REQUIRE(reader.read_entries({}, writer->durable_end(), 10, entries, damage));
  REQUIRE(entries.size() == 1);
  CHECK(damage.empty());
  CHECK(entries[0].place.message_size() == head.content.size() + body.size());
  CHECK(reader.bodies() == std::vector<QueueId>{kId});
  const auto content = read_message(reader, kId, entries[0].place);
  REQUIRE(content);
  CHECK((*content == head.content + body));
}

TEST_CASE("a body that was changed, is short or is missing is told, and never read to its end") {
  TemporaryFolder folder;
  RealDisk disk;
  const std::string body = sample(100'000);
  auto writer = LogWriter::open(disk, folder.path(), small_log());
  REQUIRE(writer);
  REQUIRE(write_body(disk, folder.path(), kId, body));
  const Place place = append_big(*writer, kId, message(kId.value), reference_to(body));
  LogReader reader(disk, folder.path());
  const std::string file = folder.path() + "/" + body_name(kId);
  CHECK_FALSE(inspect_body(disk, folder.path(), kId, reference_to(body)));

  const auto told = [&] {
    const auto damage = inspect_body(disk, folder.path(), kId, reference_to(body));
    REQUIRE(damage);
    CHECK(damage->file == file);
    CHECK_FALSE(read_message(reader, kId, place));
    return std::pair(damage->offset, damage->length);
  };
  flip_bit(file, 77'777);
  CHECK(told() == std::pair<uint64_t, uint64_t>(0, body.size()));
  flip_bit(file, 77'777);
  std::filesystem::resize_file(file, 60'000);
  CHECK(told() == std::pair<uint64_t, uint64_t>(60'000, body.size() - 60'000));
  std::filesystem::remove(file);
  CHECK(told() == std::pair<uint64_t, uint64_t>(0, body.size()));
}

TEST_CASE("a record whose reference is damaged is told as damage, and those behind it are read") {
  TemporaryFolder folder;
  RealDisk disk;
  auto writer = LogWriter::open(disk, folder.path(), small_log());
  REQUIRE(writer);
  const Place big = append_big(*writer, kId, message(kId.value), {1000, 1});
  const std::vector<Message> behind{message(kId.value + 1)};
  append_all(*writer, behind);
  REQUIRE(writer->flush());
  flip_bit(folder.path() + "/0000000001", big.offset + kRecordHeaderSize + big.envelope_length + 9);
  LogReader reader(disk, folder.path());
  std::vector<LogEntry> entries;
  std::vector<Damage> damage;
  REQUIRE(reader.read_entries({}, writer->durable_end(), 10, entries, damage));
  REQUIRE(entries.size() == 1);
  CHECK(entries[0].id.value == kId.value + 1);
  REQUIRE(damage.size() == 1);
  CHECK(damage[0].offset == big.offset);
}

TEST_CASE("whichever call fails, a body that is told as durable is there after a power cut, and no other is left") {
  const std::string body = sample(20'000);
  for (uint64_t call = 0; call < 8; ++call) {
    CAPTURE(call);
    TemporaryFolder folder;
    FaultyDisk disk;
    disk.fail(call);
    const auto durable = write_body(disk, folder.path(), kId, body);
    disk.stop_failing();
    if (!durable) {
      const auto left = RealDisk().list(folder.path());
      REQUIRE(left);
      // A file whose removal failed too is removed by the next start, or by qmgr's.
      for (const std::string& name : *left) CHECK((name.ends_with(".gone") || !parse_body_name(name)));
      continue;
    }
    disk.cut_power();
    CHECK_FALSE(inspect_body(disk, folder.path(), kId, reference_to(body)));
  }
}

TEST_CASE("several bodies share one sync of the folder, and one that is not as announced does not hurt the others") {
  TemporaryFolder folder;
  FaultyDisk disk;
  BodyFiles files(disk, folder.path());
  const std::string body = sample(5000);
  std::vector<os::UniqueFd> open;
  std::vector<BodyFiles::Finished> finished;
  for (uint64_t n = 0; n < 3; ++n) {
    auto fd = files.begin(QueueId{kName.value + n});
    REQUIRE(fd);
    REQUIRE(write_fully(disk, fd->get(), body, 0));
    const uint64_t announced = body.size() + (n == 1 ? 1 : 0);
    finished.push_back({QueueId{kName.value + n}, QueueId{kId.value + 10 + n}, fd->get(), announced});
    open.push_back(std::move(*fd));
  }
  files.make_durable(finished);
  CHECK(finished[0].durable);
  CHECK_FALSE(finished[1].durable);
  CHECK(finished[2].durable);
  finished.clear();
  open.clear();
  disk.cut_power();
  LogReader reader(disk, folder.path());
  CHECK(reader.bodies() == std::vector<QueueId>{{kId.value + 10}, {kId.value + 12}});
}

TEST_CASE("what was being written is removed at the next start, and ids of bodies are not given again") {
  TemporaryFolder folder;
  RealDisk disk;
  {
    BodyFiles files(disk, folder.path());
    REQUIRE(files.begin(QueueId{5000}));
    REQUIRE(write_body(disk, folder.path(), QueueId{4000}, "body"));
  }
  auto writer = LogWriter::open(disk, folder.path(), small_log());
  REQUIRE(writer);
  CHECK(writer->new_id(1).value == 5001);
  BodyFiles files(disk, folder.path());
  REQUIRE(files.remove_unfinished());
  CHECK(highest_body_id(disk, folder.path()) == 4000);
  REQUIRE(files.free(QueueId{4000}));
  REQUIRE(files.free(QueueId{4000}));  // as often as it is asked for
  CHECK(highest_body_id(disk, folder.path()) == 0);
}

TEST_CASE("whoever gets a new body's descriptor can only write it") {
  TemporaryFolder folder;
  RealDisk disk;
  auto fd = BodyFiles(disk, folder.path()).begin(kName);
  REQUIRE(fd);
  REQUIRE(os::pwrite_all(fd->get(), "bytes", 0));
  std::string buffer(5, '\0');
  CHECK_FALSE(os::read_at(fd->get(), buffer, 0));
}

}  // namespace hikyaku::queue
