// Which job goes out next: destinations, each with a window and two lanes, so that retries never stand before new mail.
// Pure: it is told what is ready and what ended, and asked for work when a slot is free.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "queue/queue_id.h"
#include "smtp/route.h"

namespace hikyaku::qmgr {

using smtp::NextHop;

enum class Lane : uint8_t { kFirst, kRetry };

// Recipients of one message that have the same next hop and go in one transaction.
struct Task {
  queue::QueueId id;
  std::vector<uint32_t> recipients;  // indices in the envelope
  Lane lane = Lane::kFirst;
};

struct WindowRule {
  unsigned initial = 5;  // connections' worth of jobs, as Postfix's initial_destination_concurrency
  unsigned most = 20;    // smtp_destination_concurrency_limit
  // Jobs for each connection's worth: the next message is at hand when one ends, so that its commands share a segment
  // with the end of the one before.
  unsigned jobs_each = 4;
};

class Destination {
 public:
  Destination(NextHop hop, const WindowRule& rule) : hop_(std::move(hop)), window_(rule.initial) {}
  const NextHop& hop() const { return hop_; }

 private:
  friend class Scheduler;

  NextHop hop_;
  std::deque<Task> first_, retry_;
  unsigned window_;       // connections' worth
  unsigned in_hand_ = 0;  // jobs
  unsigned retries_in_hand_ = 0;
  bool listed_ = false;
};

class Scheduler {
 public:
  explicit Scheduler(WindowRule rule) : rule_(rule) {}
  void set_rule(WindowRule rule) { rule_ = rule; }

  Destination& destination(const NextHop& hop);
  void add(Destination& destination, Task task);
  // Puts a task back in front, uncounted: it was not attempted.
  void put_back(Destination& destination, Task task);

  struct Pick {
    Destination* destination = nullptr;
    Task task;
  };
  // The next task, destinations taking turns; nothing when no destination may have more in hand.
  std::optional<Pick> next();

  // A task that came another way is in hand, whatever the window says; ended() follows.
  void begun(Destination& destination, Lane lane);

  enum class Ended {
    kAnswered,     // the next hop answered, whatever it said
    kUnreachable,  // no connection came about
    kNotTried,
  };
  // A task that next() gave, or begun() told of, has ended. An answer opens the window by one, up to the limit; trouble
  // halves it.
  void ended(Destination& destination, Lane lane, Ended how);

  size_t waiting() const { return waiting_; }
  // Tasks in one of the lanes to this next hop.
  size_t waiting(const NextHop& hop, Lane lane) const;
  // Forgets destinations that have nothing to do, when there are many: without a relayhost every recipient's domain is
  // one. References to them are void after it, but for the one to `keep`.
  void forget_idle(const Destination* keep);

 private:
  void list(Destination& destination);
  unsigned most_in_hand(const Destination& destination) const {
    return std::min(destination.window_, rule_.most) * rule_.jobs_each;  // a reload may have lowered the limit
  }
  std::optional<Task> take(Destination& destination);

  WindowRule rule_;
  std::unordered_map<std::string, std::unique_ptr<Destination>> destinations_;
  std::deque<Destination*> ready_;  // those with a task that may go
  size_t waiting_ = 0;
};

}  // namespace hikyaku::qmgr
