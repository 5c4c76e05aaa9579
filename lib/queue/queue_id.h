// The name of a message from `250 … queued as` to `removed`: 64 bits that are never given twice.
//
// cleanup gives each message max(last + 1, wall clock in microseconds), so ids grow, sort by arrival and are
// not reused even when the clock goes back: the log remembers the highest.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace hikyaku::queue {

struct QueueId {
  uint64_t value = 0;
  auto operator<=>(const QueueId&) const = default;
};

// 11 digits and upper-case consonants (base 31: no vowel, so no word), in the order of the ids.
std::string to_text(QueueId id);
// The reverse; nothing for text that to_text never gives.
std::optional<QueueId> parse_queue_id(std::string_view text);

}  // namespace hikyaku::queue
