// queue salvage: takes the mail out of a queue, also of a damaged one, into files that can be sent again.
#pragma once

#include <string>
#include <vector>

#include "queue/log_reader.h"
#include "queue/queue_facts.h"

namespace hikyaku::ctl {

// What stands in ID.envelope.json: the sender and the recipients not yet done, as the next attempt needs them, and
// apart from them those that were given up without the sender's knowing. `facts`: one for each recipient.
std::string salvaged_envelope(const queue::LogEntry& entry, const std::vector<queue::RecipientFact>& facts,
                              const queue::HoldFact& hold);

// Writes ID.eml (the content byte for byte) and ID.envelope.json for every intact message that is not done into
// `directory`, which is created, or must be empty. The queue is only read. Returns 0, or 65 when something in the queue
// is damaged, so that mail may be missing; throws Failure.
int salvage_queue(const std::string& config_directory, const std::string& directory, bool json);

}  // namespace hikyaku::ctl
