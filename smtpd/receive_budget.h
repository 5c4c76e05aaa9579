// How much content may be in this process's memory, over all sessions: when it is spent, most sockets are not read
// until some of it is gone. Pure.
#pragma once

#include <cstddef>
#include <functional>
#include <set>
#include <unordered_map>
#include <utility>

namespace hikyaku::smtpd {

// Of one process, bytes.
inline constexpr size_t kReceiveBudget = 64 << 20;

// Names a session.
using Receiver = const void*;

class ReceiveBudget {
 public:
  // While the budget is spent, so many of those that hold the most go on: they are the nearest to their end, which is
  // what frees memory. Some, because a client may leave its message half sent.
  static constexpr size_t kGoOn = 8;

  // `freed` is called when some of it is gone after it was spent. Who holds less than `small` is read all the same:
  // mail of usual size must not wait for clients that leave theirs half sent. So all sessions together hold at most
  // `limit`, and `small` and one read each.
  explicit ReceiveBudget(std::function<void()> freed, size_t limit = kReceiveBudget, size_t small = 16 << 10)
      : freed_(std::move(freed)), limit_(limit), small_(small) {}

  // `who` holds so many bytes of a message that is being received.
  void receiving(Receiver who, size_t bytes);
  // Bytes of whole messages that wait for their answer; they go by themselves.
  void submitted(size_t bytes) { used_ += bytes; }
  void answered(size_t bytes) { change(used_ - bytes); }

  size_t used() const { return used_; }
  bool spent() const { return used_ > limit_; }
  // Whether its socket may be read.
  bool may_receive(Receiver who) const;

 private:
  using Part = std::pair<size_t, Receiver>;

  void change(size_t used);

  std::function<void()> freed_;
  size_t limit_, small_;
  size_t used_ = 0;
  std::unordered_map<Receiver, size_t> parts_;
  std::set<Part, std::greater<>> by_size_;
};

}  // namespace hikyaku::smtpd
