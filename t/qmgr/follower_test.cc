// Following the log: every message once, by hint or by reading, and segments that are told to a cleanup that comes
// back.
#include "qmgr/follower.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <memory>

#include "net/socket.h"
#include "t/qmgr/small_queue.h"

using namespace hikyaku;
using namespace hikyaku::qmgr;

namespace {

// The follower finds cleanup by a path relative to the queue directory.
struct WorkingFolder {
  WorkingFolder() {
    REQUIRE(::getcwd(before, sizeof before) != nullptr);
    REQUIRE(::chdir(folder.path().c_str()) == 0);
    REQUIRE(::mkdir("private", 0700) == 0);
  }
  ~WorkingFolder() { (void)!::chdir(before); }
  queue::TemporaryFolder folder;
  char before[4096];
};

struct Fixture {
  void start_cleanup() {
    auto fd = net::listen_unix("private/cleanup");
    if (!fd) FAIL(fd.error().text);
    cleanup = std::make_unique<ipc::Server>(
        loop, std::move(*fd), ipc::hello_of(ipc::Role::kCleanup),
        ipc::Server::Callbacks{.arrived = [](ipc::Peer&) {},
                               .frame = [this](ipc::Peer& peer, ipc::Frame& frame) { return told(peer, frame); },
                               .gone = [](ipc::Peer&, const std::string&) {}});
  }
  bool told(ipc::Peer& peer, ipc::Frame& frame) {
    return ipc::dispatch<ipc::Follow, ipc::FreeSegment, ipc::MoveRecords>(frame, [&]<class M>(const M& message) {
      if constexpr (std::same_as<M, ipc::Follow>) {
        const auto end = queue.writer().durable_end();
        peer.channel->send(ipc::Appended{end.segment, end.offset, end.segment, end.offset, {}});
      } else if constexpr (std::same_as<M, ipc::MoveRecords>) {
        peer.channel->send(ipc::RecordsMoved{message.batch, true, {queue::QueueId{message.batch}}});
      } else {
        freed.push_back(message.segment);
      }
    });
  }
  void start_follower() {
    follower = std::make_unique<Follower>(
        loop, logger, queue.reader(), queue::LogPosition{},
        [this](queue::LogEntry&& entry) { arrived.push_back(entry.id); }, [this] { ++caught_up; });
  }
  void run_until(const std::function<bool()>& done) {
    event::Timer guard(loop, [&] {
      loop.stop();
      FAIL_CHECK("it did not happen");
    });
    guard.set(std::chrono::seconds(3));
    loop.after_every_turn([&] {
      if (done()) loop.stop();
    });
    loop.run();
    loop.after_every_turn({});
  }
  // Tells of a new message, with it as a hint or without.
  queue::QueueId append(bool with_hint) {
    const auto before = queue.writer().durable_end();
    const auto id = queue.write(envelope());
    const auto end = queue.writer().durable_end();
    std::string bytes;
    queue::append_envelope(envelope(), bytes);
    ipc::Appended appended{before.segment, before.offset, end.segment, end.offset, {}};
    if (with_hint) appended.entries.push_back({id, {}, bytes});
    cleanup->each([&](ipc::Peer& peer) { peer.channel->send(appended); });
    return id;
  }

  WorkingFolder folder;
  SmallQueue queue;
  event::Loop loop;
  log::Logger logger{"hikyaku/qmgr", "host", os::UniqueFd(::memfd_create("log", MFD_CLOEXEC))};
  std::unique_ptr<ipc::Server> cleanup;
  std::unique_ptr<Follower> follower;
  std::vector<queue::QueueId> arrived;
  std::vector<uint32_t> freed;
  int caught_up = 0;
};

}  // namespace

TEST_CASE("every message comes once and in order, whether it is read or told") {
  Fixture f;
  std::vector<queue::QueueId> written{f.queue.write(envelope()), f.queue.write(envelope())};
  f.start_cleanup();
  f.start_follower();
  f.run_until([&] { return f.caught_up > 0; });
  CHECK(f.arrived == written);
  for (const bool with_hint : {true, false, true, true, false}) {
    written.push_back(f.append(with_hint));
    f.run_until(
        [&] { return f.arrived.size() == written.size() && f.follower->position() == f.queue.writer().durable_end(); });
  }
  // Two in one turn.
  written.push_back(f.append(true));
  written.push_back(f.append(true));
  f.run_until([&] { return f.arrived.size() == written.size(); });
  CHECK(f.arrived == written);
}

TEST_CASE("what was written while cleanup was away is read when it is back") {
  Fixture f;
  f.start_cleanup();
  f.start_follower();
  f.run_until([&] { return f.caught_up > 0; });
  f.cleanup.reset();
  const std::vector<queue::QueueId> written{f.queue.write(envelope()), f.queue.write(envelope())};
  f.start_cleanup();
  f.run_until([&] { return f.arrived.size() == 2; });
  CHECK(f.arrived == written);
}

TEST_CASE("the log is known to its end only while cleanup is there and all of it was given") {
  Fixture f;
  f.queue.write(envelope());
  f.start_follower();
  CHECK_FALSE(f.follower->is_current());
  f.start_cleanup();
  f.run_until([&] { return f.follower->is_current(); });
  CHECK(f.arrived.size() == 1);
  f.cleanup.reset();
  f.run_until([&] { return !f.follower->is_current(); });
  f.queue.write(envelope());
  f.start_cleanup();
  f.run_until([&] { return f.follower->is_current(); });
  CHECK(f.arrived.size() == 2);
}

TEST_CASE("a segment to be freed is told to a cleanup that comes back, as long as it is there") {
  Fixture f;
  const uint32_t existing = f.queue.writer().durable_end().segment;
  f.start_follower();
  f.follower->free_segment(existing);
  f.follower->free_segment(existing + 1000);
  f.start_cleanup();
  f.run_until([&] { return f.freed.size() == 1; });
  CHECK(f.freed == std::vector<uint32_t>{existing});
  f.cleanup.reset();
  f.start_cleanup();
  f.run_until([&] { return f.freed.size() == 2; });
  CHECK(f.freed == std::vector<uint32_t>{existing, existing});
}

TEST_CASE("records to copy are asked for while cleanup is there, and its death is an answer too") {
  Fixture f;
  f.start_follower();
  std::vector<uint64_t> answers;
  f.follower->when_moved([&](const ipc::RecordsMoved* answer) { answers.push_back(answer ? answer->batch : 0); });
  CHECK_FALSE(f.follower->move_records({1, {}}));
  f.start_cleanup();
  f.run_until([&] { return f.caught_up > 0; });
  CHECK(f.follower->move_records({7, {}}));
  f.run_until([&] { return !answers.empty(); });
  CHECK(answers == std::vector<uint64_t>{7});
  f.cleanup.reset();
  f.run_until([&] { return answers.size() == 2; });
  CHECK(answers.back() == 0);
}
