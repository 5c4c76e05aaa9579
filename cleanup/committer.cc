// Commits, in line and in the thread.
#include "cleanup/committer.h"

#include <utility>

#include "os/clock.h"

namespace hikyaku::cleanup {

Committer::Committer(event::Loop& loop, Group& group, Callbacks callbacks)
    : group_(group),
      callbacks_(std::move(callbacks)),
      turn_end_(loop, [this] { decide(); }),
      gathering_(loop, [this] { decide(); }),
      thread_(loop, [this] { end(true); }) {}

void Committer::added() {
  if (group_.bytes() >= kMostGroupBytes)
    decide();
  else
    turn_end_.schedule();
}

void Committer::decide() {
  if (under_way_) return;
  if (group_.empty()) callbacks_.starting();
  if (group_.empty()) return;
  const auto [act, wait] = policy_.decide(group_.size(), os::monotonic_now());
  switch (act) {
    case CommitPolicy::Act::kInLine:
      return commit_in_line();
    case CommitPolicy::Act::kInThread:
      return commit_in_thread();
    case CommitPolicy::Act::kWait:
      if (!gathering_.armed()) gathering_.set(wait);
  }
}

void Committer::begin() {
  callbacks_.starting();
  size_ = group_.size();
  group_.begin();
}

void Committer::commit_in_line() {
  begin();
  group_.flush();
  end(false);
}

void Committer::commit_in_thread() {
  begin();
  under_way_ = true;
  thread_.start([this] { group_.flush(); });
}

void Committer::end(bool in_thread) {
  under_way_ = false;
  gathering_.cancel();
  statistics_.add(size_.messages, group_.took(), in_thread);
  policy_.flushed(size_, group_.took(), callbacks_.waiting(), os::monotonic_now());
  ipc::Appended appended;
  const bool stored = group_.end(appended);
  if (stored) callbacks_.stored(appended);
  callbacks_.ended(stored);
}

void Committer::commit_now() {
  while (under_way_ || !group_.empty()) {
    if (under_way_) {
      thread_.wait();
      end(true);
    } else {
      commit_in_line();
    }
  }
}

}  // namespace hikyaku::cleanup
