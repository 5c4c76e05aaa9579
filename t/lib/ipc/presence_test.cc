// Signs of life: who is alive, who died, who left.
#include "ipc/presence.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <filesystem>
#include <optional>

#include "os/file_lock.h"

using namespace hikyaku;
using namespace hikyaku::ipc;

namespace {

struct Folder {
  Folder() { REQUIRE(::mkdtemp(path.data()) != nullptr); }
  ~Folder() { std::filesystem::remove_all(path); }
  std::vector<ProcessName> present() const { return processes_present(path).value(); }
  std::string path = "/tmp/hikyaku-presence-XXXXXX";
};

const ProcessName kName{0x12ab, 345};

}  // namespace

TEST_CASE("a worker is alive as long as it holds its sign, and is forgotten after that") {
  Folder folder;
  std::optional<Presence> worker(std::in_place, folder.path, kName);
  CHECK(folder.present() == std::vector<ProcessName>{kName});
  CHECK(is_alive(folder.path, kName));
  CHECK(is_alive(folder.path, kName));
  worker.reset();
  CHECK(folder.present() == std::vector<ProcessName>{kName});  // it did not say that it leaves
  CHECK_FALSE(is_alive(folder.path, kName));
  CHECK(folder.present().empty());
  CHECK_FALSE(is_alive(folder.path, kName));
}

TEST_CASE("a worker that leaves in order leaves no sign") {
  Folder folder;
  Presence worker(folder.path, kName);
  worker.leave();
  CHECK(folder.present().empty());
  CHECK_FALSE(is_alive(folder.path, kName));
}

TEST_CASE("a process that is killed is dead at once") {
  Folder folder;
  int ready[2];
  REQUIRE(::pipe2(ready, O_CLOEXEC) == 0);
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const Presence worker(folder.path, kName);
    (void)!::write(ready[1], "x", 1);
    ::pause();
    ::_exit(0);
  }
  char byte;
  REQUIRE(::read(ready[0], &byte, 1) == 1);
  CHECK(is_alive(folder.path, kName));
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  CHECK_FALSE(is_alive(folder.path, kName));
  ::close(ready[0]);
  ::close(ready[1]);
}

TEST_CASE("files with other names are nobody's sign") {
  Folder folder;
  for (const char* name : {"x-1", "12ab", "12ab-", "-3", "12ab-3x", "12ab-0", "12ab--3", "123456789012345678-5x"})
    REQUIRE(os::lock_own(folder.path + "/" + name));
  CHECK(folder.present().empty());
}

TEST_CASE("without the folder nothing is said of anybody") {
  CHECK_FALSE(processes_present("/nonexistent/workers"));
  CHECK_THROWS_AS(Presence("/nonexistent/workers", kName), util::StartupError);
}

TEST_CASE("a sign that cannot be looked at is taken for one of life") {
  Folder folder;
  REQUIRE(::symlink("/dev/null", (folder.path + "/12ab-345").c_str()) == 0);
  CHECK(is_alive(folder.path, kName));
}
