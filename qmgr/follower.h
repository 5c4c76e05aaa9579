// Follows the log: reads, or is told by cleanup, what has become durable.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ipc/peer.h"
#include "log/logger.h"
#include "queue/log_reader.h"

namespace hikyaku::qmgr {

class Follower {
 public:
  // `entry` gets every message once, in the order of the log; `caught_up` is called when all that is durable has been
  // given.
  Follower(event::Loop& loop, log::Logger& logger, queue::LogReader& log, queue::LogPosition from,
           std::function<void(queue::LogEntry&&)> entry, std::function<void()> caught_up);

  queue::LogPosition position() const { return position_; }
  // cleanup is there, and all that it, or one before it, has stored was given: what was not will never be there.
  bool is_current() const { return knows_end_ && position_ >= durable_end_; }
  // cleanup frees it now, or when it is there again.
  void free_segment(uint32_t number);
  // cleanup takes new mail only while there is room for it.
  void tell_room(bool has_room);
  void free_body(queue::QueueId id);
  // Has cleanup copy records; false when it is not there. `answered` hears of it, or nullptr when cleanup has gone.
  bool move_records(const ipc::MoveRecords& batch);
  void when_moved(std::function<void(const ipc::RecordsMoved*)> answered) { when_moved_ = std::move(answered); }

 private:
  void on_up(ipc::Channel& channel);
  bool on_frame(ipc::Frame& frame);
  bool take(const ipc::Appended& appended);
  bool take_hint(const ipc::Appended& appended);
  void read();
  void forget_freed_bodies();

  log::Logger& logger_;
  queue::LogReader& log_;
  queue::LogPosition position_;
  queue::LogPosition durable_end_;
  std::function<void(queue::LogEntry&&)> entry_;
  std::function<void()> caught_up_;
  std::function<void(const ipc::RecordsMoved*)> when_moved_ = [](const ipc::RecordsMoved*) {};
  std::vector<uint32_t> freed_;  // since it last connected; perhaps not heard
  bool has_room_ = true;
  bool knows_end_ = false;  // from the cleanup that is there
  std::vector<queue::QueueId> freed_bodies_;
  std::string told_;  // the last failure to read
  event::Timer read_more_;
  ipc::Link cleanup_;
};

}  // namespace hikyaku::qmgr
