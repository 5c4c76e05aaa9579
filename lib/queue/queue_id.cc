// Ids as text.
#include "queue/queue_id.h"

#include <algorithm>
#include <limits>

namespace hikyaku::queue {
namespace {

constexpr std::string_view kDigits = "0123456789BCDFGHJKLMNPQRSTVWXYZ";
constexpr size_t kUsualLength = 11;  // holds microseconds since 1970 until the year 2775

}  // namespace

std::string to_text(QueueId id) {
  std::string text;
  for (uint64_t rest = id.value; rest != 0; rest /= kDigits.size()) text += kDigits[rest % kDigits.size()];
  if (text.size() < kUsualLength) text.append(kUsualLength - text.size(), '0');
  std::ranges::reverse(text);
  return text;
}

std::optional<QueueId> parse_queue_id(std::string_view text) {
  if (text.size() < kUsualLength || (text.size() > kUsualLength && text.front() == '0')) return std::nullopt;
  uint64_t value = 0;
  for (const char c : text) {
    const size_t digit = kDigits.find(c);
    if (digit == std::string_view::npos) return std::nullopt;
    if (value > (std::numeric_limits<uint64_t>::max() - digit) / kDigits.size()) return std::nullopt;
    value = value * kDigits.size() + digit;
  }
  return QueueId{value};
}

}  // namespace hikyaku::queue
