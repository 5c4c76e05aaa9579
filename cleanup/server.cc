// cleanup: the one writer of the log.
#include "cleanup/server.h"

#include <fmt/format.h>

#include <algorithm>

#include "os/file_lock.h"
#include "util/error.h"

namespace hikyaku::cleanup {

namespace {

constexpr const char* kFolder = "log";
constexpr const char* kLock = "log/lock";
constexpr event::Duration kLockRetry = std::chrono::milliseconds(50);
constexpr event::Duration kBackgroundStep = std::chrono::milliseconds(5);
constexpr event::Duration kBackgroundRest = std::chrono::milliseconds(200);
// A larger group would make the small messages in it wait for the disk too long.
constexpr uint64_t kMostGroupBytes = 8 << 20;
// Room for many messages of one turn, so that they are read, written and flushed together.
constexpr size_t kInput = 1 << 20;
constexpr size_t kEnvelopeRoom = 4 << 20;

}  // namespace

Server::Server(service::Context& context)
    : context_(context),
      config_(read_config(context.settings())),
      lock_retry_(context.loop(), [this] { open_when_unlocked(); }),
      bodies_(disk_, kFolder),
      refusals_(context.logger()),
      commit_(context.loop(), [this] { commit(); }),
      background_(context.loop(), [this] { background(); }) {
  if (context.listeners().size() != 1)
    throw util::StartupError("cleanup needs exactly one socket", util::kExitSoftware);
  open_when_unlocked();
}

// A predecessor that is still ending holds the lock; two writers must never meet.
void Server::open_when_unlocked() {
  auto lock = os::try_lock(kLock);
  if (!lock) return context_.fail(lock.error().text, util::kExitUnavailable);
  if (!*lock) return lock_retry_.set(kLockRetry);
  lock_ = std::move(*lock);
  auto writer = queue::LogWriter::open(disk_, kFolder);
  if (!writer) return context_.fail(writer.error().text, util::kExitUnavailable);
  writer_.emplace(std::move(*writer));
  for (const queue::Damage& damage : writer_->damage())
    context_.logger().error(
        fmt::format("queue: {}: {} bytes at offset {} are damaged", damage.file, damage.length, damage.offset));
  if (writer_->start_trouble())
    context_.logger().error("queue: new mail is refused until there is space: " + writer_->start_trouble()->text);
  if (auto removed = bodies_.remove_unfinished(); !removed)
    return context_.fail(removed.error().text, util::kExitUnavailable);
  incoming_.emplace(disk_, *writer_, bodies_, refusals_);
  group_.emplace(*writer_, bodies_, refusals_, context_.logger());
  mover_.emplace(disk_, kFolder, *writer_, context_.logger());
  listen();
  background_.set({});
  context_.ready();
}

void Server::listen() {
  ipc::Server::Callbacks callbacks{
      .arrived = [](ipc::Peer&) {},
      .frame = [this](ipc::Peer& peer, ipc::Frame& frame) { return on_frame(peer, frame); },
      .gone = [this](ipc::Peer& peer, const std::string&) { on_gone(peer); }};
  const ipc::ChannelLimits limits{.frame = config_.most_bytes + kEnvelopeRoom, .input = kInput, .output = 64 << 20};
  server_.emplace(context_.loop(), std::move(context_.listeners().front().fd), ipc::hello_of(ipc::Role::kCleanup),
                  std::move(callbacks), limits);
}

bool Server::on_frame(ipc::Peer& peer, ipc::Frame& frame) {
  bool well_formed = true;
  const bool understood = ipc::dispatch<ipc::Submit, ipc::BodyDone, ipc::BeginBody, ipc::BodyDropped, ipc::Follow,
                                        ipc::FreeSegment, ipc::FreeBody, ipc::IndexRoom, ipc::MoveRecords>(
      frame, [&](const auto& message) { well_formed = take(peer, message); });
  return understood && well_formed;
}

// False: the envelope is malformed.
bool Server::take(ipc::Peer& peer, const ipc::Submit& submit) {
  if (!group_->add(config_, peer, submit)) return false;
  if (group_->empty()) return true;
  peer.channel->hold();
  if (std::find(held_.begin(), held_.end(), &peer) == held_.end()) held_.push_back(&peer);
  commit_soon();
  return true;
}

bool Server::take(ipc::Peer& peer, const ipc::BodyDone& done) {
  auto body = incoming_->take(peer, done.request);
  if (!body) return false;
  group_->add(peer, done, std::move(*body));
  commit_soon();
  return true;
}

bool Server::take(ipc::Peer& peer, const ipc::BodyDropped& dropped) {
  incoming_->drop(peer, dropped.request);  // or it was refused meanwhile
  return true;
}

bool Server::take(ipc::Peer& peer, const ipc::Follow&) {
  const auto end = writer_->durable_end();
  peer.channel->send(ipc::Appended{end.segment, end.offset, end.segment, end.offset, {}});
  followers_.push_back(&peer);
  return true;
}

bool Server::take(ipc::Peer&, const ipc::FreeSegment& freed) {
  if (auto done = writer_->free_segment(freed.segment); !done) context_.logger().warning("queue: " + done.error().text);
  return true;
}

bool Server::take(ipc::Peer&, const ipc::IndexRoom& room) {
  refusals_.set_index_room(room.has_room);
  return true;
}

bool Server::take(ipc::Peer& peer, const ipc::MoveRecords& asked) {
  if (peer.hello.role != ipc::Role::kQmgr) return false;
  mover_->take(peer, asked);
  commit_.schedule();
  return true;
}

bool Server::take(ipc::Peer&, const ipc::FreeBody& freed) {
  if (auto done = bodies_.free(freed.id); !done) context_.logger().warning("queue: " + done.error().text);
  return true;
}

void Server::commit_soon() {
  if (group_->bytes() >= kMostGroupBytes)
    commit();
  else
    commit_.schedule();
}

void Server::commit() {
  mover_->add_to(*group_);
  if (group_->empty()) return;
  ipc::Appended appended;
  const bool stored = group_->commit(appended);
  if (stored) tell_followers(appended);
  mover_->committed(stored);
  for (ipc::Peer* peer : held_) peer->channel->release();
  held_.clear();
}

void Server::tell_followers(const ipc::Appended& appended) {
  for (ipc::Peer* follower : followers_) follower->channel->send(appended);
}

void Server::on_gone(ipc::Peer& peer) {
  // The group may point into this peer's memory: it goes to the disk before that ends.
  mover_->forget(peer);
  commit();
  if (incoming_) incoming_->drop_all_of(peer);
  if (std::erase(followers_, &peer) > 0) refusals_.set_index_room(true);  // the next one says it if it is not so
  std::erase(held_, &peer);
}

// Spare segments are made while nobody waits for the disk.
void Server::background() {
  const auto more = writer_->background_step();
  background_.set(more && *more ? kBackgroundStep : kBackgroundRest);
  if (mover_->is_waiting()) commit_.schedule();
}

void Server::drain(event::Duration) {
  commit();
  if (incoming_) incoming_->drop_all();
  if (writer_)
    if (auto closed = writer_->close(); !closed) context_.logger().warning("queue: " + closed.error().text);
  context_.finish();
}

}  // namespace hikyaku::cleanup
