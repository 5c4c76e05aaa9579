// qmgr: the one scheduler.
#include "qmgr/manager.h"

#include <algorithm>

#include "os/clock.h"
#include "os/file_lock.h"
#include "util/error.h"

namespace hikyaku::qmgr {

namespace {

constexpr event::Duration kLockRetry = std::chrono::milliseconds(50);
// What a power loss may forget: the completions of so long, and their messages are then sent twice
// (lib/queue/README.md, "The journal"). It is also how late a retry may start, and how soon a jump of the wall clock is
// noticed: no timer is set for a retry's time.
constexpr event::Duration kTick = std::chrono::milliseconds(200);

}  // namespace

Manager::Manager(service::Context& context)
    : context_(context),
      log_(disk_, "log"),
      ledger_(disk_, "journal", log_),
      deliveries_(ledger_, context.logger(), read_config(context.settings())),
      workers_(deliveries_, log_, context.logger()),
      control_(ledger_, deliveries_, workers_),
      lock_retry_(context.loop(), [this] { open_when_unlocked(); }),
      tick_(context.loop(),
            [this] {
              sync();
              end_turn();
            }),
      turn_end_(context.loop(), [this] { end_turn(); }) {
  if (context.listeners().size() != 1) throw util::StartupError("qmgr needs exactly one socket", util::kExitSoftware);
  open_when_unlocked();
}

// A predecessor that is still ending holds the lock; two schedulers must never meet.
void Manager::open_when_unlocked() {
  auto lock = os::try_lock("journal/lock");
  if (!lock) return context_.fail(lock.error().text, util::kExitUnavailable);
  if (!*lock) return lock_retry_.set(kLockRetry);
  lock_ = std::move(*lock);
  if (auto recovered = ledger_.recover(); !recovered)
    return context_.fail("queue: " + recovered.error().text, util::kExitUnavailable);
  for (const std::string& line : ledger_.take_damage()) context_.logger().error("queue: " + line);
  follower_.emplace(
      context_.loop(), context_.logger(), log_, ledger_.checkpoint(),
      [this](queue::LogEntry&& entry) {
        Message* message = ledger_.arrive(entry.id, entry.place, std::move(entry.envelope));
        if (message != nullptr && recovered_) deliveries_.admit(*message, os::wall_now());
      },
      [this] { caught_up(); });
}

void Manager::caught_up() {
  if (recovered_) {
    ledger_.followed(follower_->position());
    return turn_end_.schedule();
  }
  if (auto begun = ledger_.recovered(follower_->position()); !begun)
    return context_.fail("queue: " + begun.error().text, util::kExitUnavailable);
  recovered_ = true;
  // admit() may complete a message and so remove it from the map: the ids are taken first, the oldest first.
  std::vector<queue::QueueId> ids;
  for (const auto& [id, message] : ledger_.messages()) ids.push_back(message.id);
  std::sort(ids.begin(), ids.end());
  const Time now = os::wall_now();
  for (const queue::QueueId id : ids) deliveries_.admit(*ledger_.find(id), now);
  listen();
  tick_.set(kTick);
  context_.ready();
  turn_end_.schedule();
}

void Manager::listen() {
  server_.emplace(
      context_.loop(), std::move(context_.listeners().front().fd), ipc::hello_of(ipc::Role::kQmgr),
      ipc::Server::Callbacks{.arrived = [](ipc::Peer&) {},
                             .frame = [this](ipc::Peer& peer, ipc::Frame& frame) { return on_frame(peer, frame); },
                             .gone = [this](ipc::Peer& peer, const std::string&) { on_gone(peer); }},
      ipc::ChannelLimits{.frame = 8 << 20, .input = 64 << 10, .output = size_t{1} << 30});
}

bool Manager::on_frame(ipc::Peer& peer, ipc::Frame& frame) {
  turn_end_.schedule();
  switch (peer.hello.role) {
    case ipc::Role::kSmtpClient:
    case ipc::Role::kBounce:
      return workers_.on_frame(peer, frame, os::wall_now(), context_.loop().now());
    case ipc::Role::kControl:
      return control_.on_frame(peer, frame, os::wall_now());
    default:
      return false;
  }
}

void Manager::on_gone(ipc::Peer& peer) {
  workers_.on_gone(peer, os::wall_now());
  control_.on_gone(peer);
  turn_end_.schedule();
}

// Everything that this turn changed is written before anyone is told of it.
void Manager::end_turn() {
  if (!recovered_) return;
  deliveries_.wake(os::wall_now());
  if (auto written = ledger_.write(); !written) {
    context_.logger().error("queue: " + written.error().text);
    return sync();  // begins a new journal from memory
  }
  workers_.confirm_results();
  workers_.hand_out(context_.loop().now());
  if (control_.owes_answers()) sync();
}

void Manager::sync() {
  tick_.set(kTick);
  // Up to where messages were taken up: a new journal file knows nothing of those that are done, and what stands behind
  // its checkpoint is delivered again after a restart.
  ledger_.followed(follower_->position());
  if (ledger_.dirty() || control_.owes_answers()) {
    if (auto synced = ledger_.sync(); !synced) return context_.logger().error("queue: " + synced.error().text);
    control_.give_answers();
  }
  for (const uint32_t segment : ledger_.freeable_segments()) {
    workers_.close_segment(segment);
    follower_->free_segment(segment);
  }
  for (const queue::QueueId id : ledger_.freeable_bodies()) follower_->free_body(id);
}

void Manager::reload(const config::Settings& settings) {
  try {
    deliveries_.set_config(read_config(settings));
  } catch (const util::StartupError& error) {
    context_.logger().error(error.what());  // the settings in force stay
  }
}

void Manager::drain(event::Duration) {
  if (recovered_) {
    ledger_.followed(follower_->position());
    if (auto synced = ledger_.sync(); !synced) context_.logger().error("queue: " + synced.error().text);
  }
  context_.finish();
}

}  // namespace hikyaku::qmgr
