// Frames that wait for the log.
#include "cleanup/deferred_frames.h"

#include <algorithm>
#include <utility>

#include "ipc/messages.h"

namespace hikyaku::cleanup {

namespace {

bool brings_message(uint16_t type) { return type == ipc::Submit::kType || type == ipc::BodyDone::kType; }

}  // namespace

void DeferredFrames::add(ipc::Peer& from, const ipc::Frame& frame, size_t most) {
  frames_.push_back({&from, frame.type, std::string(frame.payload)});
  bytes_ += frame.payload.size();
  messages_ += brings_message(frame.type) ? 1 : 0;
  if (bytes_ <= most || std::ranges::find(stopped_, &from) != stopped_.end()) return;
  from.channel->stop_reading();
  stopped_.push_back(&from);
}

const DeferredFrames::Deferred& DeferredFrames::take_first() {
  Deferred& taken = taken_.emplace_back(std::move(frames_.front()));
  frames_.pop_front();
  bytes_ -= taken.payload.size();
  messages_ -= brings_message(taken.type) ? 1 : 0;
  return taken;
}

void DeferredFrames::resume_reading() {
  for (ipc::Peer* peer : stopped_) peer->channel->start_reading();
  stopped_.clear();
}

}  // namespace hikyaku::cleanup
