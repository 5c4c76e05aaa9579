// The operator's socket.
#include "master/control.h"

#include <utility>

namespace hikyaku::master {

namespace {

constexpr ipc::ChannelLimits kLimits{.frame = 4096, .input = 16 << 10, .output = 4 << 20};

}  // namespace

Control::Control(event::Loop& loop, os::UniqueFd listening, Asked asked)
    : asked_(std::move(asked)),
      server_(loop, std::move(listening), ipc::hello_of(ipc::Role::kMaster),
              {.arrived = [](ipc::Peer&) {},
               .frame =
                   [this](ipc::Peer& peer, ipc::Frame& frame) {
                     return peer.hello.role == ipc::Role::kControl &&
                            ipc::dispatch<ipc::AskMaster>(frame, [&](const ipc::AskMaster& ask) {
                              waiting_[++last_ticket_] = &peer;
                              asked_(last_ticket_, ask.verb);
                            });
                   },
               .gone =
                   [this](ipc::Peer& peer, const std::string&) {
                     std::erase_if(waiting_, [&](const auto& entry) { return entry.second == &peer; });
                   }},
              kLimits) {}

void Control::answer(Ticket ticket, const ipc::MasterAnswer& answer) {
  const auto found = waiting_.find(ticket);
  if (found == waiting_.end()) return;
  found->second->channel->send(answer);
  found->second->channel->flush();
  waiting_.erase(found);
}

}  // namespace hikyaku::master
