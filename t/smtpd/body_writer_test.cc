// A body on its way into its file: before the file is there, after it, and when the disk is full.
#include "smtpd/body_writer.h"

#include <catch2/catch.hpp>

#include "queue/crc32c.h"
#include "t/lib/queue/faulty_disk.h"

using namespace hikyaku;
using smtpd::BodyWriter;

TEST_CASE("what comes before the file is kept, then written, then the rest") {
  queue::TemporaryFolder folder;
  queue::FaultyDisk disk;
  disk.shorten_writes(1000);
  BodyWriter writer(disk);
  std::string all;
  for (int i = 0; i < 10; ++i) {
    const std::string piece(700 + i, static_cast<char>('a' + i));
    writer.append(piece);
    all += piece;
    CHECK(writer.waiting() == (i < 5 ? all.size() : 0));
    if (i != 4) continue;
    auto file = disk.open(folder.path() + "/body", queue::Access::kCreateWriteOnly);
    REQUIRE(file);
    writer.open(std::move(*file));
    CHECK(writer.waiting() == 0);
  }
  CHECK_FALSE(writer.failure());
  CHECK(writer.length() == all.size());
  CHECK(writer.crc() == queue::crc32c(all));
  CHECK((queue::read_whole(disk, folder.path() + "/body") == all));
}

TEST_CASE("after a write that fails, the file is closed and nothing more is kept") {
  queue::TemporaryFolder folder;
  queue::FaultyDisk disk;
  BodyWriter writer(disk);
  auto file = disk.open(folder.path() + "/body", queue::Access::kCreateWriteOnly);
  REQUIRE(file);
  writer.open(std::move(*file));
  writer.append("some");
  disk.fail(0);
  writer.append("more");
  REQUIRE(writer.failure());
  CHECK_FALSE(writer.is_open());
  writer.append("and more");
  CHECK(writer.waiting() == 0);
  CHECK(writer.length() == 4);
}
