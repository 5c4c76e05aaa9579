// The index's writer: what it reports, what a full disk and a kill leave.
#include "queue/index_writer.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/file.h"
#include "t/lib/queue/index_helpers.h"

namespace hikyaku::queue {
namespace {

// Waits for news until they are as wanted.
template <class Wanted>
IndexWriter::Progress wait_until(IndexWriter& writer, Wanted wanted) {
  for (;;) {
    const IndexWriter::Progress progress = writer.progress();
    if (wanted(progress)) return progress;
    pollfd poll_for{writer.fd(), POLLIN, 0};
    if (::poll(&poll_for, 1, 20000) != 1) FAIL("no progress");
  }
}

IndexWriter::Progress wait_committed(IndexWriter& writer) {
  return wait_until(writer, [&](const auto& p) { return p.committed == writer.added(); });
}

}  // namespace

TEST_CASE("the writer tells what is committed and, when asked for, durable") {
  TemporaryFolder folder;
  RealDisk disk;
  auto index = open_index(disk, folder);
  IndexWriter writer(*index);
  CHECK((writer.progress() == IndexWriter::Progress{}));
  CHECK(writer.add(PutMessage{resting(1, "a.example", 10)}) == 1);
  CHECK(writer.add(PutMessage{resting(2, "a.example", 10)}) == 2);
  CHECK(index->messages() == 0u);  // nothing is done before it is handed over
  writer.commit_now();
  CHECK((wait_committed(writer) == IndexWriter::Progress{2, 0, {}}));
  CHECK(index->messages() == 2u);
  writer.add(RemoveMessage{QueueId{1}});
  writer.sync_now();
  CHECK((wait_until(writer, [](const auto& p) { return p.durable == 3; }) == IndexWriter::Progress{3, 3, {}}));
  CHECK((due_ids(*index, 10) == std::vector<uint64_t>{2}));
}

TEST_CASE("what was not handed over is dropped at the end, and what was is whole or missing") {
  TemporaryFolder folder;
  RealDisk disk;
  auto index = open_index(disk, folder);
  {
    IndexWriter writer(*index);
    writer.add(PutMessage{resting(1, "a.example", 10)});
    writer.commit_now();
    wait_committed(writer);
    writer.add(PutMessage{resting(2, "a.example", 10)});
  }
  CHECK(index->messages() == 1u);
}

TEST_CASE("a listing in slices goes on while the writer writes, and sees what stays") {
  TemporaryFolder folder;
  RealDisk disk;
  auto index = open_index(disk, folder);
  IndexWriter writer(*index);
  const uint64_t count = 20000;
  for (uint64_t id = 1; id <= count; ++id) writer.add(PutMessage{resting(id * 2, "a.example", 10)});
  writer.commit_now();
  wait_committed(writer);
  std::vector<RestingMessage> listed;
  uint64_t next_new = 1;
  for (size_t before = 1; before != listed.size();) {
    before = listed.size();
    REQUIRE(index->list(QueueId{listed.empty() ? 0 : listed.back().id.value + 1}, 500, listed));
    for (int n = 0; n < 50; ++n, next_new += 2) writer.add(PutMessage{resting(next_new, "b.example", 10)});
    writer.commit_now();
  }
  std::erase_if(listed, [](const RestingMessage& message) { return message.id.value % 2 == 1; });
  CHECK(listed.size() == count);
  wait_committed(writer);
  check_whole(*index);
}

TEST_CASE("when the map is full the writer removes first, keeps the rest and makes it later") {
  TemporaryFolder folder;
  RealDisk disk;
  auto index = open_index(disk, folder, {.map_size = 8 << 20, .ballast = 64 << 10});
  IndexWriter writer(*index);
  uint64_t id = 0;
  IndexWriter::Progress progress;
  while (!progress.trouble && id < 100000) {
    for (int n = 0; n < 100; ++n) writer.add(PutMessage{resting(++id, "a.example", 10)});
    const uint64_t added = writer.added();
    writer.commit_now();
    progress = wait_until(writer, [&](const auto& p) { return p.committed == added || p.trouble; });
  }
  REQUIRE(progress.trouble);
  CHECK_FALSE(progress.trouble->permanent);
  CHECK_FALSE(index->has_room());
  // One that is not written yet and one that is: both are gone, and neither comes back.
  writer.add(RemoveMessage{QueueId{id}});
  for (uint64_t gone = 1; gone <= 2000; ++gone) writer.add(RemoveMessage{QueueId{gone}});
  while (progress.committed < writer.added()) {
    const auto before = progress;
    writer.commit_now();
    progress = wait_until(writer, [&](const auto& p) { return p.committed > before.committed || p.trouble; });
  }
  CHECK(index->messages() == id - 2001);
  CHECK((index->find(QueueId{id}).value() == std::optional<RestingMessage>()));
  CHECK((index->find(QueueId{1}).value() == std::optional<RestingMessage>()));
  CHECK(index->find(QueueId{id - 1})->has_value());
  check_whole(*index);
}

namespace {

// Each step puts three messages, takes one of them and removes an older one.
std::vector<IndexChange> step_changes(uint64_t step) {
  std::vector<IndexChange> changes;
  for (uint64_t n = 0; n < 3; ++n)
    changes.push_back(PutMessage{resting(step * 3 + n + 1, "d" + std::to_string(step % 7) + ".example", 10)});
  changes.push_back(TakeMessage{QueueId{step * 3 + 1}});
  if (step >= 5) changes.push_back(RemoveMessage{QueueId{(step - 5) * 3 + 2}});
  changes.push_back(IndexPosition{{1, step}, 1, 1});
  return changes;
}

// Writes step after step, and tells of each that is committed by a byte, until it is killed.
[[noreturn]] void write_until_killed(const std::string& folder, uint64_t first, int tell) {
  RealDisk disk;
  auto index = Index::open(disk, folder, kSmallIndex);
  if (!index) ::_exit(1);
  IndexWriter writer(**index);
  uint64_t told = 0;
  for (uint64_t step = first; step < first + 100000; ++step) {
    for (IndexChange& change : step_changes(step)) writer.add(std::move(change));
    const uint64_t number = writer.added();
    writer.commit_now();
    while (writer.progress().committed < number) {
      pollfd poll_for{writer.fd(), POLLIN, 0};
      ::poll(&poll_for, 1, -1);
    }
    if (::write(tell, "x", 1) == 1) ++told;
  }
  ::_exit(2);
}

}  // namespace

TEST_CASE("a killed writer leaves all that it told of, and no change by half") {
  TemporaryFolder folder;
  RealDisk disk;
  uint64_t steps = 0;  // known to be made
  for (int kill_after : {1, 2, 3, 17, 40, 8, 25, 5, 60, 33}) {
    int ends[2];
    REQUIRE(::pipe(ends) == 0);
    os::UniqueFd from(ends[0]), to(ends[1]);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) write_until_killed(folder.path(), steps, to.get());
    to.reset();
    char byte = 0;
    for (int n = 0; n < kill_after; ++n) REQUIRE(::read(from.get(), &byte, 1) == 1);
    REQUIRE(::kill(child, SIGKILL) == 0);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFSIGNALED(status));
    steps += static_cast<uint64_t>(kill_after);
    while (::read(from.get(), &byte, 1) == 1) ++steps;
    auto index = open_index(disk, folder);
    check_whole(*index);
    const auto position = index->position();
    REQUIRE(position);
    const uint64_t made = position->checkpoint.offset + 1;
    CHECK(made >= steps);
    CHECK(made <= steps + 1);  // perhaps one more, of which the byte was not written
    steps = made;
    CHECK(index->messages() == made * 3 - (made > 5 ? made - 5 : 0));
  }
}

}  // namespace hikyaku::queue
