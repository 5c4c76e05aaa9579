// What the tests of qmgr's peers share: workers and an operator before a small queue.
#pragma once

#include <sys/mman.h>
#include <catch2/catch.hpp>

#include <optional>
#include <string>

#include "qmgr/control.h"
#include "qmgr/workers.h"
#include "t/qmgr/remote_end.h"
#include "t/qmgr/small_queue.h"

namespace hikyaku::qmgr {

using std::chrono::seconds;

inline const Time kNow{seconds{kArrival}};

inline Config small_config() {
  Config config;
  config.relayhost = NextHop{"relay.example.com", 25, true};
  return config;
}

struct Desk {
  queue::QueueId admit(size_t recipients = 1) {
    Message& message = queue.add(envelope(recipients));
    const queue::QueueId id = message.id;
    deliveries.admit(message, kNow);
    return id;
  }
  template <class M>
  bool tell(RemoteEnd& worker, const M& message) {
    std::string storage;
    ipc::Frame frame = frame_of(message, storage);
    return workers.on_frame(worker.peer, frame, kNow, turn);
  }
  template <class M>
  bool ask(RemoteEnd& command, const M& message) {
    std::string storage;
    ipc::Frame frame = frame_of(message, storage);
    const bool understood = control.on_frame(command.peer, frame);
    while (control.work(kNow)) continue;
    return understood;
  }
  ipc::Results results(const ipc::Deliver& job, ipc::Outcome outcome) {
    ipc::Results made{.number = ++number, .job = job.job, .id = job.id, .recipients = {}};
    for (const ipc::JobRecipient& recipient : job.recipients)
      made.recipients.push_back(
          {.index = recipient.index, .outcome = outcome, .status = "2.0.0", .remote_mta = "mx", .text = "ok"});
    return made;
  }

  // A worker's sign of life.
  ipc::Presence alive(const RemoteEnd& worker) { return {folder.path(), ipc::name_of(worker.peer.hello)}; }

  SmallQueue queue;
  queue::TemporaryFolder folder;
  event::Loop loop;
  log::Logger logger{"hikyaku/qmgr", "host", os::UniqueFd(::memfd_create("log", MFD_CLOEXEC))};
  Deliveries deliveries{queue.ledger(), logger, small_config()};
  Workers workers{deliveries, queue.reader(), logger, folder.path()};
  Control control{queue.ledger(), deliveries, workers};
  event::Monotonic turn = std::chrono::steady_clock::now();
  uint64_t number = 0;
};

}  // namespace hikyaku::qmgr
