// Workers that live and are not connected.
#include "qmgr/roll_call.h"

#include <algorithm>

namespace hikyaku::qmgr {

bool RollCall::complete() const {
  return std::ranges::none_of(awaited_, [](const auto& each) { return each.second.hand == Hand::kUnknown; });
}

std::vector<ipc::ProcessName> RollCall::awaited() const {
  std::vector<ipc::ProcessName> names;
  for (const auto& [name, awaited] : awaited_) names.push_back(name);
  return names;
}

std::vector<ipc::ProcessName> RollCall::late(Monotonic now) {
  std::vector<ipc::ProcessName> names;
  for (auto& [name, awaited] : awaited_) {
    if (now < awaited.told_at) continue;
    awaited.told_at = now + kAgain;
    names.push_back(name);
  }
  return names;
}

}  // namespace hikyaku::qmgr
