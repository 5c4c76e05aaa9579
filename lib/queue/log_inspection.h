// All of the log of a queue at rest, contents included: what is whole and what is damaged. Reads only; no writer may
// run meanwhile.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "queue/body_format.h"
#include "queue/damage.h"
#include "queue/disk.h"
#include "queue/log_reader.h"
#include "util/error.h"

namespace hikyaku::queue {

struct SegmentReport {
  std::string file;       // also one that was set aside
  std::string problem;    // of its header, or of the disk; empty: none
  bool readable = true;   // false: without its header, its records cannot be told from what an earlier life left
  uint64_t messages = 0;  // whole ones, whether they still wait or not
  uint64_t bytes = 0;     // of them: headers, envelopes, contents
  std::vector<Damage> damage;

  bool intact() const { return problem.empty() && damage.empty(); }
};

// Gives every whole message to `visit`, in the order of the log, with its segment's descriptor; an error of `visit`
// ends the inspection. Damage is passed over. Where the disk refuses to read, the rest of that segment counts as
// damaged.
//
// A segment whose header is damaged is read with the nonce that `nonces` has for it (QueueFacts::nonces), else as the
// daemons read it: known_segment.h.
// Errors: the folder cannot be listed, or `visit` failed.
util::Result<std::vector<SegmentReport>> inspect_log(
    Disk& disk, const std::string& folder, const std::map<uint32_t, uint64_t>& nonces,
    const std::function<util::Result<void>(int fd, const LogEntry& entry)>& visit);

// The same for a body that a record of this folder's log names: nothing when it is whole. What is missing is told as
// the file's last part, or all of it; where it was changed cannot be told.
std::optional<Damage> inspect_body(Disk& disk, const std::string& folder, QueueId id, const BodyReference& reference);

}  // namespace hikyaku::queue
