// The writer's thread, and what the loop sees of it.
#include "queue/index_writer.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <span>
#include <system_error>
#include <unordered_set>

#include "os/signals_blocked.h"

namespace hikyaku::queue {
namespace {

// One transaction: large enough that pages are shared, small enough that it ends soon and its pages fit in memory.
constexpr size_t kMostAtOnce = 10000;
constexpr size_t kRemovalsAtOnce = 64;  // when there is no room

}  // namespace

IndexWriter::IndexWriter(Index& index) : index_(index), event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!event_) throw util::StartupError(std::string("index: eventfd: ") + strerror(errno), util::kExitTryAgain);
  const os::SignalsBlocked blocked;
  try {
    thread_ = std::thread([this] { run(); });
  } catch (const std::system_error& error) {
    throw util::StartupError(std::string("index: thread: ") + error.what(), util::kExitTryAgain);
  }
}

IndexWriter::~IndexWriter() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  thread_.join();
}

// ---- the loop's side ---------------------------------------------------------------------------------------------

uint64_t IndexWriter::add(IndexChange change) {
  adding_.push_back(std::move(change));
  return ++added_;
}

void IndexWriter::hand_over(bool sync) {
  {
    const std::lock_guard lock(mutex_);
    if (handed_over_.empty())
      handed_over_.swap(adding_);
    else
      std::ranges::move(adding_, std::back_inserter(handed_over_));
    adding_.clear();
    commit_wanted_ = true;
    sync_wanted_ = sync_wanted_ || sync;
  }
  wake_.notify_one();
}

IndexWriter::Progress IndexWriter::progress() {
  uint64_t count = 0;
  (void)!::read(event_.get(), &count, sizeof count);  // not readable: no news
  const std::lock_guard lock(mutex_);
  return told_;
}

// ---- the thread --------------------------------------------------------------------------------------------------

void IndexWriter::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [&] { return stop_ || commit_wanted_; });
    if (stop_) return;
    commit_wanted_ = false;
    const bool sync = std::exchange(sync_wanted_, false);
    std::ranges::move(handed_over_, std::back_inserter(working_));
    handed_over_.clear();
    lock.unlock();
    made_.trouble = commit_all();
    if (sync) {  // also of what was committed before a failure
      if (auto synced = index_.sync(); synced)
        made_.durable = made_.committed;
      else if (!made_.trouble || synced.error().permanent)
        made_.trouble = synced.error();
    }
    tell(made_);
    lock.lock();
  }
}

std::optional<util::Error> IndexWriter::commit_all() {
  size_t done = 0;
  std::optional<util::Error> trouble;
  while (done < working_.size() && !trouble) {
    const auto piece = std::span(working_).subspan(done, std::min(kMostAtOnce, working_.size() - done));
    if (auto applied = index_.apply(piece); !applied) {
      trouble = applied.error();
      break;
    }
    done += piece.size();
    made_.committed += piece.size();
    tell(made_);
  }
  working_.erase(working_.begin(), working_.begin() + static_cast<std::ptrdiff_t>(done));
  if (trouble && !trouble->permanent) {
    index_.give_up_ballast();
    remove_first();
  }
  return trouble;
}

// There is no room: removals make some, a few at a time. Each copies the pages on its way before it frees any, so a few
// go through where many do not. What else was to be done with a message that is removed is not done any more, and
// removing it again does nothing.
void IndexWriter::remove_first() {
  std::vector<IndexChange> removals;
  std::unordered_set<uint64_t> removed;
  for (const IndexChange& change : working_)
    if (std::holds_alternative<RemoveMessage>(change)) removals.push_back(change);
  size_t most = kRemovalsAtOnce;
  for (size_t done = 0; done < removals.size() && most > 0;) {
    const auto piece = std::span(removals).subspan(done, std::min(most, removals.size() - done));
    if (!index_.apply(piece)) {
      most /= 2;
      continue;
    }
    for (const IndexChange& change : piece) removed.insert(message_of(change)->value);
    done += piece.size();
  }
  for (IndexChange& change : working_)
    if (const auto id = message_of(change); id && removed.contains(id->value)) change = RemoveMessage{*id};
}

void IndexWriter::tell(const Progress& progress) {
  {
    const std::lock_guard lock(mutex_);
    told_ = progress;
  }
  const uint64_t one = 1;
  (void)!::write(event_.get(), &one, sizeof one);  // cannot fail: the counter is read long before it is full
}

}  // namespace hikyaku::queue
