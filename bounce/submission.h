// From qmgr's word that a message failed to the report as cleanup takes it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "bounce/config.h"
#include "ipc/messages.h"
#include "queue/envelope.h"
#include "util/error.h"

namespace hikyaku::bounce {

// What is known of the message that failed.
struct Original {
  queue::Envelope envelope;
  std::string content;        // at most one byte more than is ever returned: so its length tells that it is too long
  bool headers_only = false;  // all that could be read
};

// Reads it at its place in a segment. Content that turns out to be damaged is left out. Permanent error when the
// message is not there; temporary when the disk could not be read.
// `body`: the descriptor of its body, -1 when it has none or it could not be opened.
util::Result<Original> read_original(int fd, int body, queue::QueueId id, const queue::Place& place, size_t size_limit);

struct Submission {
  uint32_t flags = 0;
  std::string envelope;
  std::string content;
};

// Pure: `now` in microseconds since 1970, `utc_offset` in seconds east of Greenwich.
Submission make_submission(const Config& config, const ipc::MakeReport& ask, const Original& original, int64_t now,
                           int utc_offset);

}  // namespace hikyaku::bounce
