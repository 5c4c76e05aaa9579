// LMDB ends a process that meets what cannot be: then the next start is told, whatever an inspection finds.
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <csignal>
#include <filesystem>
#include <fstream>

#include "queue/disk.h"
#include "queue/index.h"
#include "t/lib/queue/faulty_disk.h"

using namespace hikyaku;
using namespace hikyaku::queue;

namespace {

RestingMessage resting(uint64_t id) {
  RestingMessage message{.id = QueueId{id},
                         .place = {},
                         .arrival = 0,
                         .sender = "a@example.com",
                         .recipients = 1,
                         .common = {},
                         .differing = {}};
  message.common = {.step = RestStep::kWaiting, .attempts = 1, .next_attempt = 100, .domain = "example.net"};
  return message;
}

// Puts and removes messages, each with a commit, so that pages become free.
util::Result<void> change(Index& index, uint64_t from) {
  for (uint64_t id = from; id < from + 40; ++id) {
    const std::vector<IndexChange> changes{PutMessage{resting(id)}, RemoveMessage{QueueId{id > 20 ? id - 20 : id}}};
    if (auto applied = index.apply(changes); !applied) return applied;
  }
  return {};
}

// The signal that ended a process of its own which opened the index and changed it; 0 when none did.
int signal_of_change(const std::string& folder) {
  const pid_t child = ::fork();
  if (child == 0) {
    for (const int one : {SIGABRT, SIGSEGV, SIGBUS}) ::signal(one, SIG_DFL);
    for (const int fd : {STDOUT_FILENO, STDERR_FILENO}) ::close(fd);
    RealDisk disk;
    auto index = Index::open(disk, folder);
    if (index) (void)change(**index, 1000);
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

void flip(const std::string& file, size_t bit) {
  std::fstream stream(file, std::ios::in | std::ios::out | std::ios::binary);
  stream.seekg(static_cast<std::streamoff>(bit / 8));
  const int byte = stream.get();
  stream.seekp(static_cast<std::streamoff>(bit / 8));
  stream.put(static_cast<char>(byte ^ (1 << (bit % 8))));
}

}  // namespace

TEST_CASE("where LMDB gives up, the index is marked, and the next start sets it aside") {
  TemporaryFolder folder;
  RealDisk disk;
  {
    auto index = Index::open(disk, folder.path());
    REQUIRE(index);
    REQUIRE(change(**index, 1));
    REQUIRE((*index)->sync());
  }
  const std::string file = folder.path() + "/" + std::string(kIndexFile);
  const std::string kept = folder.path() + "/kept";
  std::filesystem::copy_file(file, kept);
  const size_t pages = std::filesystem::file_size(file) / 4096;
  int ended = 0;
  for (size_t page = 2; page < pages && ended < 3; ++page)
    for (size_t byte = 16; byte < 24 && ended < 3; ++byte) {
      CAPTURE(page, byte);
      std::filesystem::copy_file(kept, file, std::filesystem::copy_options::overwrite_existing);
      std::filesystem::remove(folder.path() + "/lock.mdb");
      std::filesystem::remove(folder.path() + "/broken");
      flip(file, (page * 4096 + byte) * 8 + 1);
      if (signal_of_change(folder.path()) != SIGABRT) continue;
      ++ended;
      CHECK(std::filesystem::exists(folder.path() + "/broken"));
      auto index = Index::open(disk, folder.path());
      REQUIRE(index);
      CHECK((*index)->is_new());
      index->reset();
      for (const auto& each : std::filesystem::directory_iterator(folder.path()))
        if (each.path().filename().string().starts_with("damaged-")) std::filesystem::remove(each.path());
    }
  CHECK(ended > 0);
}
