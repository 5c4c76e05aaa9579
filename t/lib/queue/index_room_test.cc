// The index when its map or the disk is full.
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>

#include "queue/index.h"
#include "t/lib/queue/index_helpers.h"

namespace hikyaku::queue {

TEST_CASE("a full map takes no more mail, and removals make room again") {
  TemporaryFolder folder;
  RealDisk disk;
  auto index = open_index(disk, folder, {.map_size = 8 << 20, .ballast = 64 << 10});
  uint64_t put = 0;
  util::Result<void> applied;
  while (applied && put < 100000) {
    std::vector<IndexChange> changes;
    for (uint64_t n = 1; n <= 20; ++n) changes.push_back(PutMessage{resting(put + n, "a.example", 1000)});
    applied = index->apply(changes);
    if (applied) put += 20;
  }
  REQUIRE_FALSE(applied);
  CHECK_FALSE(applied.error().permanent);
  CHECK(index->messages() == put);
  const double fullest = index->used();
  CHECK(fullest > 0.5);
  // Far apart, so that each copies pages of its own.
  const uint64_t step = put / 100;
  for (uint64_t n = 0; n < 100; n += 10) {
    std::vector<IndexChange> removals;
    for (uint64_t m = n; m < n + 10; ++m) removals.push_back(RemoveMessage{QueueId{m * step + 1}});
    REQUIRE(index->apply(removals));
  }
  for (uint64_t id = 1; id <= put; ++id) change(*index, RemoveMessage{QueueId{id}});
  CHECK(index->used() < fullest / 4);
  CHECK(index->has_room());
  change(*index, PutMessage{resting(1, "a.example", 1000)});
  check_whole(*index);
}

TEST_CASE("has_room turns false at nine tenths of the map") {
  TemporaryFolder folder;
  RealDisk disk;
  auto index = open_index(disk, folder, {.map_size = 32 << 20, .ballast = 64 << 10});
  uint64_t id = 0;
  while (index->has_room() && id < 1'000'000) {
    std::vector<IndexChange> changes;
    for (int n = 0; n < 500; ++n) changes.push_back(PutMessage{resting(++id, "a.example", 1000)});
    REQUIRE(index->apply(changes));
  }
  CHECK(index->used() >= 0.9);
  CHECK(index->used() < 0.93);
  change(*index, PutMessage{resting(++id, "a.example", 1000)});  // what is in the queue already still finds room
}

TEST_CASE("in a map that is full to 95 % mail is refused, nothing else is, and mail goes on after removals") {
  TemporaryFolder folder;
  RealDisk disk;
  auto index = open_index(disk, folder, {.map_size = 32 << 20, .ballast = 64 << 10});
  uint64_t put = 0;
  for (util::Result<void> applied; applied && put < 1'000'000;) {
    std::vector<IndexChange> changes;
    for (uint64_t n = 1; n <= 50; ++n) changes.push_back(PutMessage{resting(put + n, "a.example", 1000)});
    applied = index->apply(changes);
    if (applied) put += 50;
  }
  CHECK_FALSE(index->has_room());
  CHECK(index->used() >= 0.9);
  CHECK(index->used() <= 0.96);
  bool refused = false;
  for (uint64_t n = 1; n < 1000 && !refused; ++n) {  // to the edge, one at a time
    const IndexChange one = PutMessage{resting(put + n, "a.example", 1000)};
    refused = !index->apply(std::span(&one, 1));
  }
  CHECK(refused);
  // What makes no message more still works.
  change(*index, TakeMessage{QueueId{1}});
  change(*index, BlockDomain{"a.example", 5000});
  change(*index, RemoveMessage{QueueId{1}});
  for (uint64_t first = 2; first <= put / 4; first += 50) {
    std::vector<IndexChange> removals;
    for (uint64_t id = first; id < first + 50; ++id) removals.push_back(RemoveMessage{QueueId{id}});
    REQUIRE(index->apply(removals));
  }
  CHECK(index->has_room());
  change(*index, PutMessage{resting(put + 1, "a.example", 1000)});
  check_whole(*index);
}

namespace {

// The disk is "full" at the size that the index's file has.
class FullDisk {
 public:
  explicit FullDisk(const std::string& file) {
    struct stat facts {};
    REQUIRE(::stat(file.c_str(), &facts) == 0);
    before_signal_ = std::signal(SIGXFSZ, SIG_IGN);
    REQUIRE(::getrlimit(RLIMIT_FSIZE, &before_) == 0);
    const rlimit full{static_cast<rlim_t>(facts.st_size), before_.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_FSIZE, &full) == 0);
  }
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, before_signal_);
  }

 private:
  rlimit before_{};
  void (*before_signal_)(int) = nullptr;
};

}  // namespace

TEST_CASE("a full disk is an error that changes nothing and ends with the shortage") {
  TemporaryFolder folder;
  RealDisk disk;
  auto index = open_index(disk, folder);
  std::vector<IndexChange> changes;
  for (uint64_t id = 1; id <= 5000; ++id) changes.push_back(PutMessage{resting(id, "a.example", 1000)});
  REQUIRE(index->apply(changes));
  changes.clear();
  for (uint64_t id = 5001; id <= 10000; ++id) changes.push_back(PutMessage{resting(id, "a.example", 1000)});
  {
    const FullDisk full(folder.path() + "/data.mdb");
    const auto applied = index->apply(changes);
    REQUIRE_FALSE(applied);
    CHECK_FALSE(applied.error().permanent);
    CHECK(index->messages() == 5000u);
  }
  REQUIRE(index->apply(changes));
  CHECK(index->messages() == 10000u);
  check_whole(*index);
}

TEST_CASE("the ballast is given up at once and taken back when there is room") {
  TemporaryFolder folder;
  RealDisk disk;
  auto index = open_index(disk, folder);
  struct stat facts {};
  const std::string ballast = folder.path() + "/ballast";
  REQUIRE(::stat(ballast.c_str(), &facts) == 0);
  CHECK(facts.st_size == 64 << 10);
  index->give_up_ballast();
  CHECK_FALSE(index->has_room());
  CHECK(::stat(ballast.c_str(), &facts) != 0);
  change(*index, PutMessage{resting(1, "a.example", 1000)});
  CHECK(index->has_room());
  CHECK(::stat(ballast.c_str(), &facts) == 0);
}

}  // namespace hikyaku::queue
