// The daemon: takes from qmgr what failed, writes the report, and has it in the queue before it says so.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

#include "bounce/config.h"
#include "bounce/submission.h"
#include "ipc/held_answers.h"
#include "ipc/peer.h"
#include "ipc/presence.h"
#include "os/unique_fd.h"
#include "service/service.h"

namespace hikyaku::bounce {

class Reporter final : public service::Daemon {
 public:
  Reporter(service::Context& context, Config config);

  void drain(event::Duration within) override;

 private:
  void stop_taking();
  // A report that is wanted, until it is stored.
  struct Job {
    std::string frame;  // a copy of qmgr's, into which the views of `ask` point
    ipc::MakeReport ask;
    os::UniqueFd body;       // of the message that failed, if it has one
    bool submitted = false;  // cleanup has it and has not answered yet
  };

  void qmgr_up(ipc::Channel& channel);
  void qmgr_down();
  bool on_qmgr_frame(ipc::Frame& frame);
  bool on_make_report(ipc::Frame& frame);
  bool on_recorded(const ipc::Recorded& recorded);
  bool on_cleanup_frame(ipc::Frame& frame);
  uint32_t slots();
  void tell_slots();
  void cleanup_up();
  void cleanup_down();
  void give_back_all(std::string_view reason);

  void told(const ipc::Stored& stored);
  void told(const ipc::Refused& refused);
  // False when it cannot be done now.
  bool submit(uint64_t number, Job& job);
  void submit_waiting();
  util::Result<Original> original_of(const Job& job);
  void tell_stored(const Job& job, queue::QueueId report);
  void give_back(const Job& job, std::string_view reason);
  void finish_if_done();

  service::Context& context_;
  const Config config_;
  const ipc::Hello hello_ = ipc::hello_of(ipc::Role::kBounce);
  ipc::Presence presence_{ipc::kWorkersFolder, ipc::name_of(hello_)};
  struct Segment {
    uint64_t nonce = 0;
    os::UniqueFd fd;
  };
  std::unordered_map<uint32_t, Segment> segments_;
  std::unordered_map<uint64_t, std::unique_ptr<Job>> jobs_;  // by the number of the request to cleanup
  ipc::HeldAnswers<ipc::ReportStored> held_;
  uint64_t last_number_ = 0;
  bool draining_ = false;
  event::Timer again_;
  ipc::Link qmgr_;
  ipc::Link cleanup_;
};

}  // namespace hikyaku::bounce
