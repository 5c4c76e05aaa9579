// qmgr: the one scheduler.
#include "qmgr/manager.h"

#include <fmt/format.h>

#include <algorithm>

#include "os/clock.h"
#include "os/file_lock.h"
#include "util/error.h"

namespace hikyaku::qmgr {

namespace {

constexpr event::Duration kLockRetry = std::chrono::milliseconds(50);
// Between looks at whether an awaited worker still lives.
constexpr event::Duration kLook = std::chrono::milliseconds(50);
// What a power loss may forget: the completions of so long, and their messages are then sent twice
// (lib/queue/README.md, "The journal"). It is also how late a retry may start, and how soon a jump of the wall clock is
// noticed: no timer is set for a retry's time.
constexpr event::Duration kTick = std::chrono::milliseconds(200);
// The index is told what rests once in so many ticks, or when there is so much: a large transaction costs less for
// each message.
constexpr unsigned kTicksBetween = 5;
constexpr size_t kManyForIndex = 5000;

}  // namespace

Manager::Manager(service::Context& context)
    : context_(context),
      log_(disk_, "log"),
      ledger_(disk_, {}, log_),
      deliveries_(ledger_, context.logger(), read_config(context.settings())),
      workers_(deliveries_, log_, context.logger()),
      control_(ledger_, deliveries_, workers_),
      lock_retry_(context.loop(), [this] { open_when_unlocked(); }),
      tick_(context.loop(),
            [this] {
              look_at_clock();
              load_due();
              sync();
              reclaim();
              end_turn();
            }),
      go_on_(context.loop(), [this] { end_turn(); }),
      look_(context.loop(),
            [this] {
              workers_.look(os::wall_now(), context_.loop().now());
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
  const auto recovered = ledger_.recover();
  tell_damage();
  if (!recovered) return context_.fail("queue: " + recovered.error().text, util::kExitUnavailable);
  follower_.emplace(
      context_.loop(), context_.logger(), log_, ledger_.checkpoint(),
      [this](queue::LogEntry&& entry) { arrived(std::move(entry)); }, [this] { caught_up(); });
  reclaimer_.emplace(ledger_, disk_, "log", context_.logger(),
                     [this](const ipc::MoveRecords& batch) { return follower_->move_records(batch); });
  follower_->when_moved([this](const ipc::RecordsMoved* answer) {
    reclaimer_->answered(answer, context_.loop().now());
    turn_end_.schedule();
  });
}

void Manager::arrived(queue::LogEntry&& entry) {
  const auto report = entry.envelope.report_of;
  Message* message = ledger_.arrive(entry.id, entry.place, std::move(entry.envelope));
  if (message != nullptr && recovered_) deliveries_.admit(*message, os::wall_now());
  if (report && recovered_) deliveries_.reported(*report, os::wall_now());
}

void Manager::caught_up() {
  if (recovered_) {
    ledger_.followed(follower_->position());
    return turn_end_.schedule();
  }
  if (auto begun = ledger_.recovered(follower_->position()); !begun)
    return context_.fail("queue: " + begun.error().text, util::kExitUnavailable);
  if (auto called = workers_.call_roll(context_.loop().now()); !called)
    return context_.fail(called.error().text, util::kExitUnavailable);
  recovered_ = true;
  // admit() may complete a message and so remove it from the map: the ids are taken first, the oldest first.
  std::vector<queue::QueueId> ids;
  for (const auto& [id, message] : ledger_.messages()) ids.push_back(message.id);
  std::sort(ids.begin(), ids.end());
  const Time now = os::wall_now();
  (void)clock_.look(now, context_.loop().now());  // jumps count from here
  for (const queue::QueueId id : ids) deliveries_.admit(*ledger_.find(id), now);
  index_watch_.emplace(context_.loop(), ledger_.index_fd(), event::Watch::Interest::kRead,
                       [this] { on_index_progress(); });
  index_watch_->enable();
  load_due();
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
      return control_.on_frame(peer, frame);
    default:
      return false;
  }
}

void Manager::on_gone(ipc::Peer& peer) {
  workers_.on_gone(peer, os::wall_now(), context_.loop().now());
  control_.on_gone(peer);
  turn_end_.schedule();
}

// Everything that this turn changed is written before anyone is told of it.
void Manager::end_turn() {
  if (!recovered_ || ending_) return;
  deliveries_.wake(os::wall_now());
  if (control_.work(os::wall_now())) go_on_.set({});
  if (reclaimer_->work(follower_->position(), context_.loop().now())) go_on_.set({});
  if (auto written = ledger_.write(); !written) {
    context_.logger().error("queue: " + written.error().text);
    return sync();  // begins a new journal from memory
  }
  tell_damage();
  if (end_when_broken()) return;
  workers_.confirm_results();
  workers_.hand_out(context_.loop().now(), follower_->is_current());
  if (workers_.awaits_somebody() && !look_.armed()) look_.set(kLook);
  if (control_.owes_answers()) sync();
}

void Manager::sync() {
  if (ending_) return;
  tick_.set(kTick);
  workers_.tell_doubts(context_.loop().now());
  // Up to where messages were taken up: a new journal file knows nothing of those that are done, and what stands behind
  // its checkpoint is delivered again after a restart.
  ledger_.followed(follower_->position());
  if (ledger_.dirty() || control_.owes_answers()) {
    if (auto synced = ledger_.sync(); !synced) return context_.logger().error("queue: " + synced.error().text);
    control_.give_answers();
  }
  hand_over();
  for (const uint32_t segment : ledger_.freeable_segments()) {
    workers_.close_segment(segment);
    follower_->free_segment(segment);
  }
  for (const queue::QueueId id : ledger_.freeable_bodies()) follower_->free_body(id);
}

// Not while a worker of before may read a message that is not known to be in its hand.
void Manager::reclaim() {
  if (!workers_.awaits_somebody()) reclaimer_->look(context_.loop().now());
}

// After a sync, which the index must never be ahead of.
void Manager::hand_over() {
  if (ledger_.dirty()) return;
  const bool many = ledger_.waiting_for_index() >= kManyForIndex;
  if (++ticks_ < kTicksBetween && !many) return;
  ticks_ = 0;
  ledger_.hand_over();
}

void Manager::tell_damage() {
  for (const std::string& line : ledger_.take_damage()) context_.logger().error("queue: " + line);
}

// Of the index; what lasts is told once. What is permanent end_turn() meets.
void Manager::tell_trouble(const util::Error& error) {
  if (!error.permanent && std::exchange(told_trouble_, error.text) != error.text)
    context_.logger().error("queue: " + error.text);
  turn_end_.schedule();
}

// The next start sets a broken index aside. What was done for an operator is told, and is in the journal; what workers
// answered they tell the next qmgr, because an answer for a message that rests may have found none.
bool Manager::end_when_broken() {
  const auto failure = ledger_.index_failure();
  if (!failure) return false;
  if (auto synced = ledger_.sync(); synced)
    control_.give_answers();
  else
    context_.logger().error("queue: " + synced.error().text);
  ending_ = true;
  context_.fail("queue: " + failure->text, util::kExitTryAgain);
  return true;
}

void Manager::on_index_progress() {
  if (auto progress = ledger_.index_progress(); !progress) {
    tell_trouble(progress.error());
    if (progress.error().permanent) return;
  }
  if (const bool room = ledger_.has_room(); room != std::exchange(had_room_, room)) {
    context_.logger().warning(room ? "queue: the index has room again: new mail is taken"
                                   : "queue: the index has no room: new mail is refused until it has");
    follower_->tell_room(room);
  }
  load_due();
  turn_end_.schedule();
}

void Manager::look_at_clock() {
  const Time now = os::wall_now();
  if (const auto jump = clock_.look(now, context_.loop().now())) {
    context_.logger().warning(fmt::format("the clock was set by {} s: retries are planned anew",
                                          std::chrono::duration_cast<std::chrono::seconds>(*jump).count()));
    deliveries_.clock_jumped(*jump, now);
  }
  if (auto looked = deliveries_.look_for_late(now); !looked) tell_trouble(looked.error());
}

// What rests and is due comes back into memory, a slice at a time.
void Manager::load_due() {
  if (!recovered_) return;
  const auto more = deliveries_.load_due(os::wall_now());
  if (!more) return tell_trouble(more.error());
  if (*more) turn_end_.schedule();
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
    auto closed = ledger_.sync();
    if (closed) closed = ledger_.close();
    if (!closed) context_.logger().error("queue: " + closed.error().text);
  }
  context_.finish();
}

}  // namespace hikyaku::qmgr
