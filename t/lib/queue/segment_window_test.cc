// A view into a segment: what it reads, and what it does not.
#include "queue/segment_window.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "os/file.h"
#include "queue/segment_scan.h"
#include "t/lib/queue/log_helpers.h"

namespace hikyaku::queue {
namespace {

// How far was read, and how much at once at the most.
class WatchedDisk : public RealDisk {
 public:
  util::Result<size_t> pread(int fd, std::span<char> buffer, uint64_t offset) override {
    furthest = std::max(furthest, offset + buffer.size());
    longest = std::max<uint64_t>(longest, buffer.size());
    return RealDisk::pread(fd, buffer, offset);
  }
  uint64_t furthest = 0;
  uint64_t longest = 0;
};

struct OpenFile {
  explicit OpenFile(std::string_view content) {
    const std::string path = folder.path() + "/file";
    REQUIRE(os::replace_file(path, content, 0600));
    fd = std::move(*disk.open(path, Access::kRead));
  }
  TemporaryFolder folder;
  WatchedDisk disk;
  os::UniqueFd fd;
};

}  // namespace

TEST_CASE("a window shows what is there, whatever the chunk") {
  const std::string content = "0123456789";
  for (const uint64_t chunk : {1, 3, 10, 100}) {
    OpenFile file(content);
    SegmentWindow window(file.disk, file.fd.get(), content.size(), chunk);
    for (uint64_t offset = 0; offset <= 12; ++offset)
      for (uint64_t length = 0; length <= 12; ++length)
        CHECK(window.at(offset, length).value() == content.substr(std::min<uint64_t>(offset, 10), length));
  }
}

TEST_CASE("a window reads nothing beyond its end, wherever it is asked to look") {
  OpenFile file(std::string(5000, 'x'));
  for (const uint64_t offset : {uint64_t{0}, uint64_t{900}, uint64_t{1000}, uint64_t{1001}, UINT64_MAX}) {
    SegmentWindow window(file.disk, file.fd.get(), 1000, 100);
    REQUIRE(window.at(offset, 200));
    REQUIRE(window.at(offset, UINT64_MAX));
  }
  CHECK(file.disk.furthest <= 1000);
  SegmentWindow window(file.disk, file.fd.get(), 1000, 100);
  REQUIRE(find_record(window, 1, 999, 0, Depth::kFull));
  CHECK(file.disk.furthest <= 1000);
}

TEST_CASE("a window takes no memory for a length that is a lie") {
  OpenFile file(std::string(250, 'x'));
  SegmentWindow window(file.disk, file.fd.get(), UINT64_MAX, 100);
  CHECK(window.at(0, uint64_t{1} << 60).value() == std::string(250, 'x'));
  CHECK(file.disk.longest <= 100);
}

TEST_CASE("a damaged length behind a seal that is a lie too is damage, and no 4 GiB are taken for it") {
  TemporaryFolder folder;
  WatchedDisk disk;
  RecordHeader lie;
  lie.nonce = 7;
  lie.envelope_length = UINT32_MAX;
  RecordHeaderBytes bytes;
  encode_record_header(lie, {}, bytes);
  REQUIRE(os::replace_file(folder.path() + "/0000000001",
                           encode_segment_header({1, 7, 0, {}}) + std::string(bytes.data(), bytes.size()), 0600));
  REQUIRE(os::replace_file(folder.path() + "/0000000002",
                           encode_segment_header({2, 8, 0, {{1, uint64_t{1} << 40, false}}}), 0600));
  const Found found = read_log(disk, folder.path());
  CHECK(found.entries.empty());
  CHECK(found.damage == std::vector<Damage>{{folder.path() + "/0000000001", kSegmentHeaderSize,
                                             (uint64_t{1} << 40) - kSegmentHeaderSize}});
  CHECK(disk.longest <= 1 << 20);
}

}  // namespace hikyaku::queue
