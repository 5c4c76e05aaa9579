// How much content may be in memory.
#include "smtpd/receive_budget.h"

#include <algorithm>
#include <iterator>

namespace hikyaku::smtpd {

void ReceiveBudget::receiving(Receiver who, size_t bytes) {
  const auto found = parts_.find(who);
  const size_t before = found == parts_.end() ? 0 : found->second;
  if (before == bytes) return;
  if (before > 0) {
    by_size_.erase({before, who});
    parts_.erase(found);
  }
  if (bytes > 0) {
    parts_.emplace(who, bytes);
    by_size_.insert({bytes, who});
  }
  change(used_ - before + bytes);
}

void ReceiveBudget::change(size_t used) {
  const bool freed = spent() && used < used_;
  used_ = used;
  if (freed && freed_) freed_();
}

bool ReceiveBudget::may_receive(Receiver who) const {
  if (!spent()) return true;
  const auto own = parts_.find(who);
  if ((own == parts_.end() ? 0 : own->second) < small_) return true;
  const auto end = std::next(by_size_.begin(), static_cast<std::ptrdiff_t>(std::min(kGoOn, by_size_.size())));
  return std::any_of(by_size_.begin(), end, [&](const Part& part) { return part.second == who; });
}

}  // namespace hikyaku::smtpd
