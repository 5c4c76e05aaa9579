// smtpd's way into the queue.
#include "smtpd/queue_client.h"

#include "ipc/messages.h"

namespace hikyaku::smtpd {

namespace {

const smtp::Reply kQueueAway{451, "4.3.0", "Error: queue service is not available, try again later"};

// As much as all sessions together may have in flight: cleanup reads whenever it is not waiting for the disk.
constexpr size_t kMostOutput = size_t{16} << 30;

}  // namespace

QueueClient::QueueClient(event::Loop& loop, std::function<void()> reached)
    : refuse_(loop,
              [this] {
                for (const uint64_t request : std::exchange(refused_, {})) finish(request, {kQueueAway, {}});
              }),
      cleanup_(loop, "private/cleanup", ipc::hello_of(ipc::Role::kSmtpd),
               {.up = [reached = std::move(reached)](ipc::Channel&) { reached(); },
                .frame = [this](ipc::Channel&, ipc::Frame& frame) { return on_frame(frame); },
                .down = [this](const std::string&) { on_down(); }},
               {.frame = 64 << 10, .input = 64 << 10, .output = kMostOutput}) {}

uint64_t QueueClient::submit(const queue::Envelope& envelope, uint32_t flags, std::string_view content,
                             StoreDone done) {
  const uint64_t request = ++last_request_;
  waiting_.emplace(request, std::move(done));
  if (ipc::Channel* channel = cleanup_.channel()) {
    envelope_.clear();
    queue::append_envelope(envelope, envelope_);
    channel->send(ipc::Submit{request, flags, envelope_, content});
  } else {
    refused_.push_back(request);
    refuse_.schedule();
  }
  return request;
}

bool QueueClient::on_frame(ipc::Frame& frame) {
  return ipc::dispatch<ipc::Stored, ipc::Refused>(frame, [this]<class M>(const M& message) {
    if constexpr (std::same_as<M, ipc::Stored>) {
      finish(message.request, {smtp::Reply{250, "2.0.0", "Ok: queued as " + queue::to_text(message.id)}, message.id});
    } else if (message.code == 0) {
      finish(message.request, {});
    } else {
      finish(message.request,
             {smtp::Reply{message.code, std::string(message.enhanced), std::string(message.text)}, {}});
    }
  });
}

void QueueClient::finish(uint64_t request, const StoreResult& result) {
  const auto found = waiting_.find(request);
  if (found == waiting_.end()) return;
  const StoreDone done = std::move(found->second);
  waiting_.erase(found);
  done(result);
}

// What was handed over and not answered may have become durable, or not: nobody knows, so nothing is said (see
// StoreResult).
void QueueClient::on_down() {
  for (const auto& [request, done] : std::exchange(waiting_, {})) done({});
}

}  // namespace hikyaku::smtpd
