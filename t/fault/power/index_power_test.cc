// Power cuts while the index is changed: it opens, every table tells the same, and it is a state that it had, at or
// after the last sync.
//
// FAULT_CUTS / 10 is the number of cuts (default 60), FAULT_SEED another run.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "t/fault/power/watched_writes.h"
#include "t/lib/queue/index_helpers.h"

namespace hikyaku::queue {
namespace {

constexpr IndexOptions kTinyIndex{.map_size = 16 << 20, .ballast = 4096};
constexpr int kCommits = 40;

uint64_t number_from(const char* name, uint64_t usual) {
  const char* text = std::getenv(name);
  return text == nullptr ? usual : std::strtoull(text, nullptr, 10);
}

std::vector<QueueId> taken_of(Index& index) {
  std::vector<QueueId> taken;
  REQUIRE(index.list_taken({}, SIZE_MAX, taken));
  return taken;
}

uint32_t commit_of(Index& index) {
  const auto position = index.position();
  REQUIRE(position);
  return position->journal;
}

// An index that is changed again and again; each commit is numbered by its position.
class IndexLife {
 public:
  IndexLife(const std::string& folder, Chance& chance, bool flushes_lie) : chance_(chance) {
    {
      auto made = Index::open(disk_, folder, kTinyIndex);
      REQUIRE(made);
      REQUIRE((*made)->sync());
    }
    writes_.emplace(folder + "/data.mdb", flushes_lie);
    auto index = Index::open(disk_, folder, kTinyIndex);
    REQUIRE(index);
    remember(**index);
    for (uint32_t commit = 1; commit <= kCommits; ++commit) {
      auto changes = some_changes();
      changes.push_back(IndexPosition{{commit, 0}, commit, 0});
      begun_.push_back(writes_->changes());
      REQUIRE((*index)->apply(changes));
      done_.push_back(writes_->changes());
      remember(**index);
      if (chance_() % 5 != 0) continue;
      REQUIRE((*index)->sync());
      synced_.emplace_back(writes_->changes(), commit);
    }
  }

  const WatchedWrites& writes() const { return *writes_; }
  // Commits that a cut after `at` changes may show: from `least` to `most`; up to `done` they had returned.
  uint32_t least(size_t at) const {
    uint32_t synced = 0;
    for (const auto& [since, commit] : synced_) synced = since <= at ? commit : synced;
    return std::max(synced, done(at) < 2 ? 0 : done(at) - 2);
  }
  uint32_t done(size_t at) const { return count(done_, at); }
  uint32_t most(size_t at) const { return count(begun_, at); }

  struct State {
    std::vector<RestingMessage> messages;
    std::vector<QueueId> taken;
  };
  const State& state(uint32_t commit) const { return states_.at(commit); }

 private:
  std::vector<IndexChange> some_changes() {
    std::vector<IndexChange> changes;
    for (uint64_t n = chance_() % 30; n > 0; --n) {
      const uint64_t id = 1 + chance_() % 200, what = chance_() % 6;
      const std::string domain = "d" + std::to_string(chance_() % 8) + ".example";
      if (what < 3) changes.push_back(PutMessage{resting(id, domain, static_cast<int64_t>(1000 + chance_() % 500))});
      if (what == 3) changes.push_back(TakeMessage{QueueId{id}});
      if (what == 4) changes.push_back(RemoveMessage{QueueId{id}});
      if (what == 5) changes.push_back(BlockDomain{domain, static_cast<int64_t>(chance_() % 3000)});
    }
    return changes;
  }
  static uint32_t count(const std::vector<size_t>& times, size_t at) {
    return static_cast<uint32_t>(std::upper_bound(times.begin(), times.end(), at) - times.begin());
  }
  void remember(Index& index) { states_.push_back({list_all(index), taken_of(index)}); }

  Chance& chance_;
  RealDisk disk_;
  std::optional<WatchedWrites> writes_;
  std::vector<State> states_;         // by commit
  std::vector<size_t> begun_, done_;  // changes of the file when commit n + 1 began, and had ended
  std::vector<std::pair<size_t, uint32_t>> synced_;
};

void write_file(const std::string& folder, const std::string& name, const std::string& content) {
  std::ofstream(folder + "/" + name, std::ios::binary) << content;
}

// In a process of its own, because LMDB may die of what a lying disk leaves.
bool keeps_promise_in_child(const std::string& folder, uint32_t least) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    RealDisk disk;
    const auto index = Index::open(disk, folder, kTinyIndex);
    const auto position = index ? (*index)->position() : std::unexpected(index.error());
    ::_exit(position && position->journal >= least ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

}  // namespace

TEST_CASE("a power cut at any moment leaves an index that is whole, as it was at or after the last sync") {
  const uint64_t wanted = number_from("FAULT_CUTS", 600) / 10;
  uint64_t cuts = 0, undone = 0;
  for (uint64_t life = number_from("FAULT_SEED", 1) << 32; cuts < wanted; ++life) {
    Chance chance(life);
    const TemporaryFolder folder;
    const IndexLife index(folder.path(), chance, false);
    REQUIRE(index.writes().changes() > kCommits);
    for (int n = 0; n < 20; ++n, ++cuts) {
      const size_t at = chance() % (index.writes().changes() + 1);
      INFO("life " << life << ", cut after change " << at);
      const TemporaryFolder after;
      write_file(after.path(), "data.mdb", index.writes().after_cut(at, chance));
      RealDisk disk;
      auto found = Index::open(disk, after.path(), kTinyIndex);
      if (!found) FAIL(found.error().text);
      const uint32_t commit = commit_of(**found);
      CHECK(commit >= index.least(at));
      REQUIRE(commit <= index.most(at));
      undone += commit < index.done(at);
      CHECK((list_all(**found) == index.state(commit).messages));
      CHECK((taken_of(**found) == index.state(commit).taken));
      check_whole(**found);
      change(**found, PutMessage{resting(999, "after.example", 1000)}, RemoveMessage{QueueId{1}});
      check_whole(**found);
    }
  }
  std::printf("power: %lu cuts of the index; in %lu the last commits were undone\n", static_cast<unsigned long>(cuts),
              static_cast<unsigned long>(undone));
}

TEST_CASE("a power cut while the index is made leaves none, or one that is whole") {
  Chance chance(number_from("FAULT_SEED", 1));
  const TemporaryFolder folder;
  const WatchedWrites writes(folder.path() + "/new-data.mdb");
  {
    RealDisk disk;
    REQUIRE(Index::open(disk, folder.path(), kTinyIndex));
  }
  REQUIRE(writes.changes() > 3);
  for (int n = 0; n < 100; ++n) {
    const size_t at = n % 4 == 0 ? writes.changes() : chance() % (writes.changes() + 1);
    INFO("cut after change " << at << " of " << writes.changes());
    const TemporaryFolder after;
    // It has its name only when all was flushed.
    const bool named = at == writes.changes() && chance() % 2 == 0;
    write_file(after.path(), named ? "data.mdb" : "new-data.mdb", writes.after_cut(at, chance));
    RealDisk disk;
    auto found = Index::open(disk, after.path(), kTinyIndex);
    if (!found) FAIL(found.error().text);
    CHECK(commit_of(**found) == 0);
    check_whole(**found);
  }
}

TEST_CASE("control: an index on a disk that lies about its flushes is found out") {
  Chance chance(7);
  const TemporaryFolder folder;
  const IndexLife index(folder.path(), chance, true);
  int broken = 0;
  for (int n = 0; n < 40; ++n) {
    const size_t at = index.writes().changes() / 2 + chance() % (index.writes().changes() / 2);
    const TemporaryFolder after;
    write_file(after.path(), "data.mdb", index.writes().after_cut(at, chance));
    broken += !keeps_promise_in_child(after.path(), index.least(at));
  }
  std::printf("power: 40 cuts of an index whose flushes lie; %d broke a promise\n", broken);
  CHECK(broken > 10);
}

}  // namespace hikyaku::queue
