// qmgr: the one scheduler. Joins the log, the ledger, the deliveries, the workers and the operator.
#pragma once

#include <memory>
#include <optional>

#include "ipc/peer.h"
#include "qmgr/clock_jump.h"
#include "qmgr/control.h"
#include "qmgr/deliveries.h"
#include "qmgr/follower.h"
#include "qmgr/ledger.h"
#include "qmgr/reclaimer.h"
#include "qmgr/workers.h"
#include "queue/disk.h"
#include "queue/log_reader.h"
#include "service/service.h"

namespace hikyaku::qmgr {

class Manager final : public service::Daemon {
 public:
  explicit Manager(service::Context& context);

  bool ready_at_once() const override { return false; }
  void reload(const config::Settings& settings) override;
  void drain(event::Duration within) override;

 private:
  void open_when_unlocked();
  void arrived(queue::LogEntry&& entry);
  void caught_up();
  void listen();
  bool on_frame(ipc::Peer& peer, ipc::Frame& frame);
  void on_gone(ipc::Peer& peer);
  void end_turn();
  void sync();
  void hand_over();
  void on_index_progress();
  void load_due();
  void tell_damage();
  void tell_trouble(const util::Error& error);
  bool end_when_broken();
  void look_at_clock();
  void reclaim();

  service::Context& context_;
  queue::RealDisk disk_;
  queue::LogReader log_;
  Ledger ledger_;
  Deliveries deliveries_;
  Workers workers_;
  Control control_;
  os::UniqueFd lock_;
  bool recovered_ = false;
  event::Timer lock_retry_, tick_, go_on_, look_;
  std::optional<event::Watch> index_watch_;
  unsigned ticks_ = 0;
  bool had_room_ = true;
  std::string told_trouble_;  // of the index, the last
  bool ending_ = false;       // master knows that this process ends
  ClockWatch clock_;
  event::TurnEnd turn_end_;
  std::optional<Follower> follower_;
  std::optional<Reclaimer> reclaimer_;
  std::optional<ipc::Server> server_;
};

}  // namespace hikyaku::qmgr
