// An index at rest, looked at as a whole by a process of its own: what is whole is found, what is broken is told.
#include "queue/index_inspection.h"

#include <filesystem>
#include <random>

#include "os/file.h"
#include "t/lib/queue/index_helpers.h"
#include "t/lib/queue/log_helpers.h"

namespace hikyaku::queue {
namespace {

constexpr uint64_t kPage = 4096;

// Of several domains and groups, some held, taken or with recipients that differ.
std::vector<RestingMessage> fill(Disk& disk, const TemporaryFolder& folder, uint64_t count) {
  auto index = open_index(disk, folder);
  std::vector<RestingMessage> all;
  std::vector<IndexChange> changes;
  for (uint64_t id = 1; id <= count; ++id) {
    RestingMessage message =
        resting(id, "d" + std::to_string(id % 7) + ".test", 1'000'000 + 10 * static_cast<int64_t>(id));
    message.held = id % 5 == 0;
    if (id % 3 == 0) {
      message.recipients = 3;
      message.differing = {{1, message.common}};
      message.differing[0].rest.step = RestStep::kDone;
    }
    all.push_back(message);
    changes.push_back(PutMessage{std::move(message)});
  }
  for (uint64_t id = 4; id <= count; id += 11) changes.push_back(TakeMessage{QueueId{id}});
  changes.push_back(BlockDomain{"d1.test", 5'000'000});
  changes.push_back(IndexPosition{{3, 0}, 5, 1234});
  REQUIRE(index->apply(changes));
  REQUIRE(index->sync());
  check_whole(*index);
  return all;
}

struct Inspected {
  IndexReport report;
  std::vector<RestingMessage> messages;
};

Inspected inspect(const TemporaryFolder& folder) {
  Inspected found;
  found.report =
      inspect_index(folder.path(), [&](const RestingMessage& message) { found.messages.push_back(message); });
  return found;
}

std::string data_of(const TemporaryFolder& folder) { return folder.path() + "/data.mdb"; }

void write_file(const std::string& file, const std::string& bytes) { REQUIRE(os::replace_file(file, bytes)); }

}  // namespace

TEST_CASE("a whole index is intact, gives each message as it was put, and is not changed") {
  TemporaryFolder folder;
  FaultyDisk disk;
  const auto all = fill(disk, folder, 300);
  const auto before = read_whole(disk, data_of(folder));
  std::filesystem::remove(folder.path() + "/lock.mdb");
  const Inspected found = inspect(folder);
  CHECK(found.report.problems == std::vector<std::string>());
  CHECK((found.messages == all));
  CHECK(found.report.messages == 300);
  CHECK(found.report.file == data_of(folder));
  CHECK(found.report.map_size == kSmallIndex.map_size);
  CHECK(found.report.used > 10 * kPage);
  CHECK((found.report.position == IndexPosition{{3, 0}, 5, 1234}));
  CHECK(read_whole(disk, data_of(folder)) == before);
  CHECK_FALSE(std::filesystem::exists(folder.path() + "/lock.mdb"));
  CHECK(inspect_index(folder.path(), {}).messages == 300);  // also when nobody wants them
}

TEST_CASE("no index is none, and a file that is none is told") {
  TemporaryFolder folder;
  FaultyDisk disk;
  CHECK(inspect(folder).report.file.empty());
  write_file(data_of(folder), std::string(10 * kPage, 'x'));
  const Inspected nonsense = inspect(folder);
  REQUIRE(nonsense.report.problems.size() == 1);
  CHECK_THAT(nonsense.report.problems[0], Catch::Contains("cannot be opened"));
  write_file(data_of(folder), "");
  CHECK_FALSE(inspect(folder).report.intact());
}

TEST_CASE("an index that was cut short ends only the process that reads it") {
  TemporaryFolder folder;
  FaultyDisk disk;
  fill(disk, folder, 300);
  std::filesystem::resize_file(data_of(folder), 4 * kPage);
  const Inspected found = inspect(folder);
  CHECK_FALSE(found.report.intact());
  CHECK(found.report.file == data_of(folder));
}

// Whatever bit it is: a message is as it was put, or is not given; one that is not given is told of.
TEST_CASE("one changed bit anywhere in an index is told, or has changed nothing") {
  TemporaryFolder folder;
  FaultyDisk disk;
  const auto all = fill(disk, folder, 60);
  const std::string whole = read_whole(disk, data_of(folder)).value();
  std::mt19937_64 random(20261125);
  size_t told = 0;
  for (int round = 0; round < 300; ++round) {
    std::string changed = whole;
    const size_t offset = random() % changed.size();
    changed[offset] = static_cast<char>(changed[offset] ^ (1 << random() % 8));
    overwrite(data_of(folder), 0, changed);
    const Inspected found = inspect(folder);
    INFO("offset " << offset);
    for (const RestingMessage& message : found.messages) CHECK((std::ranges::find(all, message) != all.end()));
    if (found.report.intact()) CHECK(found.messages.size() == all.size());
    told += found.report.intact() ? 0 : 1;
  }
  CHECK(told > 30);
}

}  // namespace hikyaku::queue
