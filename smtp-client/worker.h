// The daemon: jobs from qmgr in, results out, and every result kept until qmgr has it in its journal.
#pragma once

#include <memory>
#include <unordered_map>

#include "ipc/held_answers.h"
#include "ipc/peer.h"
#include "ipc/presence.h"
#include "service/service.h"
#include "smtp-client/config.h"
#include "smtp-client/content.h"
#include "smtp-client/job.h"
#include "smtp-client/pool.h"

namespace hikyaku::smtp_client {

class Worker final : public service::Daemon, public JobSink {
 public:
  Worker(service::Context& context, Config config);

  void drain(event::Duration within) override;

 private:
  void finished(std::unique_ptr<Job> job, const AttemptFacts& facts, const std::vector<Verdict>& verdicts) override;
  void returned(std::unique_ptr<Job> job, std::string_view reason) override;

  void qmgr_up(ipc::Channel& channel);
  void qmgr_down();
  bool on_frame(ipc::Frame& frame);
  bool on_deliver(ipc::Frame& frame);
  bool on_recorded(const ipc::Recorded& recorded);

  void log_attempt(const Job& job, const AttemptFacts& facts, const ipc::JobRecipient& recipient,
                   const Verdict& verdict);
  void tell_result(const Job& job, const AttemptFacts& facts, const std::vector<Verdict>& verdicts);
  void finish_if_done();

  service::Context& context_;
  const Config config_;
  const ipc::Hello hello_ = ipc::hello_of(ipc::Role::kSmtpClient);
  ipc::Presence presence_{ipc::kWorkersFolder, ipc::name_of(hello_)};
  Segments segments_;
  ipc::HeldAnswers<ipc::Results> held_;
  std::unordered_map<uint64_t, Job*> in_hand_;  // by Job::number
  uint64_t last_number_ = 0;
  bool draining_ = false;
  Pool pool_;
  ipc::Link qmgr_;
  event::TurnEnd finish_;
};

}  // namespace hikyaku::smtp_client
