// Commits, in line and in the thread.
#include "cleanup/committer.h"

#include <utility>

#include "os/clock.h"

namespace hikyaku::cleanup {

Committer::Committer(event::Loop& loop, Group& group, Callbacks callbacks)
    : loop_(loop),
      group_(group),
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
  if (under_way_ || group_.empty()) return;
  size_ = group_.size();
  const auto [act, wait] = policy_.decide(size_, os::monotonic_now());
  switch (act) {
    case CommitPolicy::Act::kInLine:
      return commit_in_line();
    case CommitPolicy::Act::kInThread:
      return commit_in_thread();
    case CommitPolicy::Act::kWait:
      if (!gathering_.armed()) gathering_.set(wait);
  }
}

void Committer::commit_in_line() {
  group_.begin();
  group_.flush();
  end(false);
}

void Committer::commit_in_thread() {
  under_way_ = true;
  group_.begin();
  thread_.start([this] { group_.flush(); });
}

void Committer::end(bool in_thread) {
  under_way_ = false;
  gathering_.cancel();
  statistics_.add(size_.messages, group_.took(), in_thread);
  policy_.flushed(size_, group_.took(), callbacks_.waiting(), os::monotonic_now());
  ipc::Appended appended;
  if (group_.end(appended)) callbacks_.stored(appended);
  callbacks_.ended();
}

void Committer::commit_now() {
  while (under_way_ || !group_.empty()) {
    if (under_way_) {
      thread_.wait();
      end(true);
    } else {
      size_ = group_.size();
      commit_in_line();
    }
  }
}

}  // namespace hikyaku::cleanup
