// Workers that live and are not connected: what qmgr must wait for. Pure.
//
// At its start qmgr does not know what the workers of before have in hand, so that it hands out nothing until each of
// them has told, or is dead. When a connection breaks later it does know, and only that work waits. There is no time
// after which it gives up: work in the hand of somebody who lives is never given to another one.
#pragma once

#include <chrono>
#include <map>
#include <vector>

#include "ipc/presence.h"

namespace hikyaku::qmgr {

class RollCall {
 public:
  using Monotonic = std::chrono::steady_clock::time_point;
  // The operator is told of one who is late, and again from time to time.
  static constexpr auto kLate = std::chrono::seconds(10);
  static constexpr auto kAgain = std::chrono::minutes(1);

  enum class Hand { kUnknown, kKnown };

  void await(ipc::ProcessName name, Hand hand, Monotonic now) {
    awaited_.insert_or_assign(name, Awaited{hand, now + kLate});
  }
  // It has come, or it is dead.
  void settled(ipc::ProcessName name) { awaited_.erase(name); }

  bool empty() const { return awaited_.empty(); }
  // Nobody is left who may have in hand what is about to be handed out.
  bool complete() const;
  std::vector<ipc::ProcessName> awaited() const;
  // Those of whom the operator is to be told now.
  std::vector<ipc::ProcessName> late(Monotonic now);

 private:
  struct Awaited {
    Hand hand;
    Monotonic told_at;  // when the operator is told next
  };
  std::map<ipc::ProcessName, Awaited> awaited_;
};

}  // namespace hikyaku::qmgr
