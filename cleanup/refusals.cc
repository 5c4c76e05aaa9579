// How a message is refused.
#include "cleanup/refusals.h"

namespace hikyaku::cleanup {

void Refusals::refuse(ipc::Peer& from, uint64_t request, const smtp::Reply& reply) {
  from.channel->send(ipc::Refused{request, static_cast<uint16_t>(reply.code), reply.enhanced, reply.text});
}

void Refusals::refuse_for_space(ipc::Peer& from, uint64_t request) {
  if (os::monotonic_now() >= next_warning_) {
    logger_.warning("queue: no space is left for new mail: it is refused with 452 4.3.1 until there is");
    next_warning_ = os::monotonic_now() + std::chrono::minutes(1);
  }
  refuse(from, request, {452, "4.3.1", "Insufficient system storage"});
}

}  // namespace hikyaku::cleanup
