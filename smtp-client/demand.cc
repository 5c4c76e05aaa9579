// Which connection a job gets, and when another one is worth opening.
#include "smtp-client/demand.h"

#include <algorithm>

namespace hikyaku::smtp_client {

size_t connections_to_open(const Demand& demand) {
  const size_t most = demand.longest_wait >= kLongWait ? demand.limit : std::min(demand.limit, kWarmConnections);
  if (demand.waiting <= demand.opening || demand.connections >= most) return 0;
  return std::min(demand.waiting - demand.opening, most - demand.connections);
}

size_t connection_for_job(std::span<const Freedom> free, size_t connections, size_t limit) {
  for (size_t i = free.size(); i-- > 0;)
    if (free[i] == Freedom::kIdle) return i;
  return connections >= std::min(limit, kWarmConnections) && !free.empty() ? free.size() - 1 : kNone;
}

}  // namespace hikyaku::smtp_client
