// cleanup: the one writer of the log. Takes messages from smtpd and bounce, answers when they are durable, tells qmgr.
#pragma once

#include <memory>
#include <optional>

#include "cleanup/committer.h"
#include "cleanup/config.h"
#include "cleanup/deferred_frames.h"
#include "cleanup/group.h"
#include "cleanup/incoming_bodies.h"
#include "cleanup/mover.h"
#include "cleanup/refusals.h"
#include "ipc/peer.h"
#include "queue/body_files.h"
#include "queue/disk.h"
#include "queue/log_writer.h"
#include "service/service.h"

namespace hikyaku::cleanup {

class Server final : public service::Daemon {
 public:
  explicit Server(service::Context& context);

  bool ready_at_once() const override { return false; }
  void reload(const config::Settings& settings) override { config_ = read_config(settings); }
  void drain(event::Duration within) override;

 private:
  void open_when_unlocked();
  void start_committer();
  void listen();
  bool on_frame(ipc::Peer& peer, ipc::Frame& frame);
  bool handle(ipc::Peer& peer, ipc::Frame& frame);
  void on_gone(ipc::Peer& peer);
  bool take(ipc::Peer& peer, const ipc::Submit& submit);
  bool take(ipc::Peer& peer, const ipc::BodyDone& done);
  bool take(ipc::Peer& peer, const ipc::BeginBody& begun) { return incoming_->begin(config_, peer, begun); }
  bool take(ipc::Peer& peer, const ipc::BodyDropped& dropped);
  bool take(ipc::Peer& peer, const ipc::Follow& follow);
  bool take(ipc::Peer& peer, const ipc::FreeSegment& freed);
  bool take(ipc::Peer& peer, const ipc::FreeBody& freed);
  bool take(ipc::Peer& peer, const ipc::IndexRoom& room);
  bool take(ipc::Peer& peer, const ipc::MoveRecords& asked);
  void group_ended(bool stored);
  void handle_deferred();
  void tell_followers(const ipc::Appended& appended);
  void background();

  service::Context& context_;
  Config config_;
  queue::RealDisk disk_;
  os::UniqueFd lock_;
  event::Timer lock_retry_;
  queue::BodyFiles bodies_;
  Refusals refusals_;
  std::optional<queue::LogWriter> writer_;
  std::optional<IncomingBodies> incoming_;
  std::optional<Group> group_;
  std::optional<Mover> mover_;
  std::vector<ipc::Peer*> held_;  // whose frames the group points into
  DeferredFrames deferred_;
  bool handling_deferred_ = false;
  bool background_due_ = false;
  std::vector<ipc::Peer*> followers_;
  event::Timer background_;
  std::optional<ipc::Server> server_;
  std::optional<Committer> committer_;  // the last: its thread uses what is above, peers' frames too
};

}  // namespace hikyaku::cleanup
