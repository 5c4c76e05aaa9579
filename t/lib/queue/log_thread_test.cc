// Flushes in a thread: the log keeps all its promises, and nothing of it is shared that need not be.
#include <algorithm>
#include <catch2/catch.hpp>
#include <set>
#include <thread>

#include "queue/body_files.h"
#include "t/lib/queue/log_helpers.h"

namespace hikyaku::queue {
namespace {

// As cleanup does it: the group goes to another thread, and this one only gathers what comes next.
util::Result<void> flush_in_thread(LogWriter& writer, std::vector<Message>& next, uint64_t first) {
  util::Result<void> flushed;
  std::jthread thread([&] { flushed = writer.flush(); });
  next.clear();
  for (uint64_t id = first; id < first + 5; ++id) next.push_back(message(id, 1000));
  thread.join();
  return flushed;
}

struct Told {
  std::set<uint64_t> stored, refused;
};

// Ten groups over several segments; what was told of each message.
Told write_groups(LogWriter& writer) {
  Told told;
  std::vector<Message> group, next;
  for (uint64_t id = 1; id <= 5; ++id) group.push_back(message(id, 1000));
  for (uint64_t first = 6; first <= 51; first += 5) {
    append_all(writer, group);
    const auto flushed = flush_in_thread(writer, next, first);
    for (const Message& one : group) {
      if (flushed) told.stored.insert(one.id);
      if (!flushed && writer.usable()) told.refused.insert(one.id);
    }
    group.swap(next);
  }
  return told;
}

}  // namespace

TEST_CASE(
    "whichever call fails in the thread, what was acknowledged survives a power cut, and what was refused is void") {
  for (uint64_t call = 0; call < 60; ++call) {
    for (const uint64_t failures : {1, 4}) {
      CAPTURE(call, failures);
      TemporaryFolder folder;
      FaultyDisk disk;
      Told told;
      {
        auto writer = LogWriter::open(disk, folder.path(), small_log());
        REQUIRE(writer);
        disk.fail(call, failures);
        told = write_groups(*writer);
        disk.stop_failing();
      }
      disk.cut_power(call % 2 == 0 ? 0 : 700);
      REQUIRE(LogWriter::open(disk, folder.path(), small_log()));
      const std::vector<uint64_t> order = ids(read_log(disk, folder.path()));
      const std::set<uint64_t> found(order.begin(), order.end());
      CHECK(std::ranges::includes(found, told.stored));
      for (const uint64_t id : told.refused) CHECK_FALSE(found.contains(id));
    }
  }
}

TEST_CASE("many bodies are flushed at a time, and whichever call fails, only the durable ones keep their names") {
  constexpr uint64_t kCount = 12;
  for (uint64_t call = 0; call < 2 * kCount + 1; ++call) {
    CAPTURE(call);
    TemporaryFolder folder;
    FaultyDisk disk;
    BodyFiles files(disk, folder.path());
    std::vector<os::UniqueFd> open;
    std::vector<BodyFiles::Finished> finished;
    for (uint64_t n = 1; n <= kCount; ++n) {
      auto fd = files.begin(QueueId{n});
      REQUIRE(fd);
      REQUIRE(write_fully(disk, fd->get(), "a body", 0));
      finished.push_back({QueueId{n}, QueueId{100 + n}, fd->get(), 6});
      open.push_back(std::move(*fd));
    }
    disk.fail(call);
    std::jthread([&] { files.make_durable(finished); }).join();
    disk.stop_failing();
    std::vector<QueueId> durable;
    for (const auto& file : finished)
      if (file.durable) durable.push_back(file.id);
    // A rename or a flush that fails is one body's trouble; the folder's, which is the last call, is everybody's.
    CHECK(durable.size() == (call < 2 * kCount ? kCount - 1 : 0));
    finished.clear();
    open.clear();
    REQUIRE(disk.sync_folder(folder.path()));
    disk.cut_power();
    CHECK(list_bodies(disk, folder.path()) == durable);
  }
}

}  // namespace hikyaku::queue
