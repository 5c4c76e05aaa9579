// Results that qmgr has not yet written to its journal.
#include "smtp-client/held_results.h"

namespace hikyaku::smtp_client {

void HeldResults::add(ipc::Results& results) {
  results.number = ++last_;
  Held& held = held_.emplace_back(Held{results.number, {}});
  ipc::encode(results, held.encoded);
}

bool HeldResults::recorded(uint64_t number) {
  if (number > last_) return false;
  while (!held_.empty() && held_.front().number <= number) held_.pop_front();
  return true;
}

std::vector<ipc::InHand> HeldResults::subjects() const {
  std::vector<ipc::InHand> subjects;
  each([&](const ipc::Results& results) {
    ipc::InHand& subject = subjects.emplace_back(ipc::InHand{results.id, {}, results.job});
    for (const ipc::RecipientResult& result : results.recipients) subject.recipients.push_back(result.index);
  });
  return subjects;
}

}  // namespace hikyaku::smtp_client
