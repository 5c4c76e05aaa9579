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
  for (const std::string& file : writer_->set_aside())
    context_.logger().error(fmt::format(
        "queue: {}: set aside, because nothing tells its records without the header; what journal and index "
        "know of it is still delivered, and `hikyaku queue salvage` may take out the rest",
        file));
  if (writer_->start_trouble())
    context_.logger().error("queue: new mail is refused until there is space: " + writer_->start_trouble()->text);
  if (auto removed = bodies_.remove_unfinished(); !removed)
    return context_.fail(removed.error().text, util::kExitUnavailable);
  incoming_.emplace(disk_, *writer_, bodies_, refusals_);
  group_.emplace(*writer_, bodies_, refusals_, context_.logger());
  mover_.emplace(disk_, kFolder, *writer_, context_.logger());
  try {
    start_committer();
  } catch (const util::StartupError& error) {
    return context_.fail(error.what(), error.exit_code());
  }
  listen();
  background_.set({});
  context_.ready();
}

void Server::start_committer() {
  committer_.emplace(context_.loop(), *group_,
                     Committer::Callbacks{.starting = [this] { mover_->add_to(*group_); },
                                          .stored = [this](const auto& appended) { tell_followers(appended); },
                                          .ended = [this](bool stored) { group_ended(stored); },
                                          .waiting = [this] { return deferred_.messages(); }});
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

// All frames wait, not only those with messages: nothing of the log may be asked meanwhile, and what a peer sends keeps
// its order.
bool Server::on_frame(ipc::Peer& peer, ipc::Frame& frame) {
  if (!committer_->under_way()) return handle(peer, frame);
  deferred_.add(peer, frame, kMostGroupBytes);
  return true;
}

bool Server::handle(ipc::Peer& peer, ipc::Frame& frame) {
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
  if (!handling_deferred_) {
    peer.channel->hold();
    if (std::find(held_.begin(), held_.end(), &peer) == held_.end()) held_.push_back(&peer);
  }
  committer_->added();
  return true;
}

bool Server::take(ipc::Peer& peer, const ipc::BodyDone& done) {
  auto body = incoming_->take(peer, done.request);
  if (!body) return false;
  group_->add(peer, done, std::move(*body));
  committer_->added();
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
  committer_->added();
  return true;
}

bool Server::take(ipc::Peer&, const ipc::FreeBody& freed) {
  if (auto done = bodies_.free(freed.id); !done) context_.logger().warning("queue: " + done.error().text);
  return true;
}

void Server::group_ended(bool stored) {
  mover_->committed(stored);
  for (ipc::Peer* peer : held_) peer->channel->release();
  held_.clear();
  deferred_.release();
  if (background_due_) background();
  if (!handling_deferred_) handle_deferred();  // else it is, and this group was full of what had waited
}

void Server::handle_deferred() {
  handling_deferred_ = true;
  while (!deferred_.empty() && !committer_->under_way()) {
    const DeferredFrames::Deferred& first = deferred_.take_first();
    ipc::Peer& from = *first.from;
    ipc::Frame frame{first.type, first.payload, {}};  // its bytes go when a commit ends, which may be in handle()
    if (!handle(from, frame)) from.channel->reject(frame.type);
  }
  handling_deferred_ = false;
  if (deferred_.empty()) deferred_.resume_reading();
}

void Server::tell_followers(const ipc::Appended& appended) {
  for (ipc::Peer* follower : followers_) follower->channel->send(appended);
}

void Server::on_gone(ipc::Peer& peer) {
  // The group may point into this peer's memory: it goes to the disk before that ends.
  committer_->commit_now();
  mover_->forget(peer);
  if (incoming_) incoming_->drop_all_of(peer);
  if (std::erase(followers_, &peer) > 0) refusals_.set_index_room(true);  // the next one says it if it is not so
  std::erase(held_, &peer);
  deferred_.forget(peer);
}

// Spare segments are made while nobody waits for the disk.
void Server::background() {
  background_due_ = committer_->under_way();
  if (background_due_) return;  // when it has ended
  const auto more = writer_->background_step();
  background_.set(more && *more ? kBackgroundStep : kBackgroundRest);
  if (mover_->is_waiting()) committer_->added();
}

void Server::drain(event::Duration) {
  if (committer_) committer_->commit_now();
  if (incoming_) incoming_->drop_all();
  if (writer_)
    if (auto closed = writer_->close(); !closed) context_.logger().warning("queue: " + closed.error().text);
  if (committer_ && !committer_->statistics().empty()) context_.logger().info(committer_->statistics().text());
  context_.finish();
}

}  // namespace hikyaku::cleanup
