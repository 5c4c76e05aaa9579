// What the index costs: `lib-queue [.bench]`, with HIKYAKU_BENCH_FOLDER on a real disk and not in memory.
#include <sys/stat.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <random>

#include "t/lib/queue/index_helpers.h"

namespace hikyaku::queue {
namespace {

constexpr uint64_t kMessages = 1'000'000;
constexpr uint64_t kDomains = 10'000;

class Stopwatch {
 public:
  // Prints time and processor time since it was made, of one of `count`.
  void print(const char* what, uint64_t count) const {
    const double wall = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
    const double cpu = static_cast<double>(std::clock() - cpu_) / CLOCKS_PER_SEC;
    std::printf("%-44s %8.3f s  %9.0f/s  %6.1f CPU us each\n", what, wall, static_cast<double>(count) / wall,
                cpu * 1e6 / static_cast<double>(count));
    std::fflush(stdout);
  }

 private:
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  std::clock_t cpu_ = std::clock();
};

RestingMessage made(uint64_t id, int64_t due) {
  return resting(id, "domain" + std::to_string(id * 7919 % kDomains) + ".example", due, static_cast<uint8_t>(id * 31));
}

void apply(Index& index, std::vector<IndexChange>& changes) {
  if (auto applied = index.apply(changes); !applied) FAIL(applied.error().text);
  changes.clear();
}

void load(Index& index) {
  std::vector<IndexChange> changes;
  const Stopwatch watch;
  for (uint64_t id = 1; id <= kMessages; ++id) {
    changes.push_back(PutMessage{made(id, static_cast<int64_t>(1'000'000 + id / 100))});
    if (changes.size() == 10000) apply(index, changes);
  }
  REQUIRE(index.sync());
  watch.print("load 1,000,000 in due order, 10,000 at once", kMessages);
}

void print_size(const std::string& folder, const char* when) {
  struct stat facts {};
  REQUIRE(::stat((folder + "/data.mdb").c_str(), &facts) == 0);
  std::printf("%-44s %8.0f bytes a message\n", when, static_cast<double>(facts.st_size) / kMessages);
}

void reschedule(Index& index, size_t batch, bool in_order) {
  std::minstd_rand random(1);
  std::vector<IndexChange> changes;
  const uint64_t batches = std::max<uint64_t>(3, 60000 / (batch * 2));
  uint64_t next = 0;
  const Stopwatch watch;
  for (uint64_t n = 0; n < batches; ++n) {
    for (size_t i = 0; i < batch; ++i) {
      const uint64_t id = (in_order ? next++ : random()) % kMessages + 1;
      changes.push_back(PutMessage{made(id, static_cast<int64_t>(2'000'000 + n))});
    }
    apply(index, changes);
  }
  const std::string what =
      std::string("put again ") + (in_order ? "in order, " : "at random, ") + std::to_string(batch) + " at once";
  watch.print(what.c_str(), batches * batch);
}

}  // namespace

TEST_CASE("what the index costs", "[.bench]") {
  TemporaryFolder memory;
  const char* given = std::getenv("HIKYAKU_BENCH_FOLDER");
  const std::string folder = given != nullptr ? given : memory.path();
  RealDisk disk;
  {
    auto index = Index::open(disk, folder);
    REQUIRE(index);
    load(**index);
    print_size(folder, "file after the load");
  }
  const Stopwatch start;
  auto opened = Index::open(disk, folder);
  REQUIRE(opened);
  Index& index = **opened;
  std::vector<RestingMessage> due;
  DuePosition position;
  REQUIRE(index.next_due(2'000'000, 1, any_number, position, due));
  start.print("open, and the first that is due", 1);

  due.clear();
  position = {};
  const Stopwatch watch;
  REQUIRE(index.next_due(
      2'000'000, 1000,
      [](const std::string&) {
        return DueRoom{20, 20};
      },
      position, due));
  watch.print("next_due: 1,000 of 50 domains", due.size());
  due.clear();
  position = {};
  const Stopwatch wide;
  REQUIRE(index.next_due(
      2'000'000, 1000,
      [](const std::string&) {
        return DueRoom{1, 1};
      },
      position, due));
  wide.print("next_due: 1,000 of 1,000 domains", due.size());

  const Stopwatch scan;
  std::vector<RestingMessage> slice;
  uint64_t seen = 0;
  for (QueueId from{0};; from = QueueId{slice.back().id.value + 1}) {
    slice.clear();
    REQUIRE(index.list(from, 1000, slice));
    seen += slice.size();
    if (slice.size() < 1000) break;
  }
  scan.print("list all in slices of 1,000", seen);

  for (const size_t batch : {100, 1000, 10000}) {
    reschedule(index, batch, true);
    reschedule(index, batch, false);
  }
  std::vector<IndexChange> changes;
  const Stopwatch taking;
  for (uint64_t id = 1; id <= 100'000; ++id) {
    changes.push_back(TakeMessage{QueueId{id}});
    if (changes.size() == 1000) apply(index, changes);
  }
  taking.print("take in order, 1,000 at once", 100'000);
  const Stopwatch removing;
  for (uint64_t id = 1; id <= 100'000; ++id) {
    changes.push_back(RemoveMessage{QueueId{id}});
    if (changes.size() == 1000) apply(index, changes);
  }
  removing.print("remove in order, 1,000 at once", 100'000);
  print_size(folder, "file at the end");
}

}  // namespace hikyaku::queue
