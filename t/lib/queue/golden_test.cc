// A log of version 1 is kept in golden/: it must be readable, and be written the same, until the version changes.
#include <catch2/catch.hpp>

#include "os/file.h"
#include "t/lib/queue/log_helpers.h"

namespace hikyaku::queue {
namespace {

const std::string kGolden = "t/lib/queue/golden/log";

const std::vector<Message> kMessages = {message(1'795'557'600'000'001, 40), message(1'795'557'600'000'002, 300)};

LogOptions golden_options() {
  LogOptions options = small_log();
  options.segment_size = 6 << 10;
  return options;
}

std::string golden_segment() {
  TemporaryFolder folder;
  RealDisk disk;
  auto writer = LogWriter::open(disk, folder.path(), golden_options());
  REQUIRE(writer);
  append_all(*writer, kMessages);
  REQUIRE(writer->flush());
  REQUIRE(writer->close());
  const auto written = os::read_file(folder.path() + "/0000000001");
  REQUIRE(written);
  return *written;
}

}  // namespace

TEST_CASE("writes the golden log anew, only for a new version", "[.write-golden]") {
  REQUIRE(os::replace_file(kGolden + "/0000000001", golden_segment(), 0644));
}

TEST_CASE("a log of version 1 is read as long as there are such files") {
  RealDisk disk;
  const Found found = read_log(disk, kGolden);
  CHECK(found.damage.empty());
  REQUIRE(ids(found) == std::vector<uint64_t>{kMessages[0].id, kMessages[1].id});
  CHECK(found.entries[0].place == Place{1, 0x1001, 4096, 135, 40, kEightBit});
  for (const Message& m : kMessages) CHECK(found.messages.at(m.id) == m.content);
  CHECK(found.entries[1].envelope.sender == "sender1795557600000002@example.com");
}

TEST_CASE("a log of version 1 is written byte for byte as before") {
  CHECK((os::read_file(kGolden + "/0000000001") == golden_segment()));
}

}  // namespace hikyaku::queue
