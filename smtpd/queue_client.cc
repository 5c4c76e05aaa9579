// smtpd's way into the queue.
#include "smtpd/queue_client.h"

#include "ipc/messages.h"

namespace hikyaku::smtpd {

namespace {

const smtp::Reply kQueueAway{451, "4.3.0", "Error: queue service is not available, try again later"};

// As much as all sessions together may have in flight: cleanup reads whenever it is not waiting for the disk.
constexpr size_t kMostOutput = size_t{16} << 30;

}  // namespace

QueueClient::QueueClient(event::Loop& loop, ReceiveBudget& budget, std::function<void()> reached)
    : budget_(budget),
      refuse_(loop,
              [this] {
                for (auto& [request, reply] : std::exchange(refused_, {})) finish(request, {std::move(reply), {}});
              }),
      cleanup_(loop, "private/cleanup", ipc::hello_of(ipc::Role::kSmtpd),
               {.up = [reached = std::move(reached)](ipc::Channel&) { reached(); },
                .frame = [this](ipc::Channel&, ipc::Frame& frame) { return on_frame(frame); },
                .down = [this](const std::string&) { on_down(); }},
               {.frame = 64 << 10, .input = 64 << 10, .output = kMostOutput}) {}

uint64_t QueueClient::submit(const queue::Envelope& envelope, uint32_t flags, std::string_view content,
                             StoreDone done) {
  ipc::Channel* channel = cleanup_.channel();
  if (channel == nullptr) return refuse(kQueueAway, std::move(done));
  const uint64_t request = ++last_request_;
  waiting_.emplace(request, Waiting{std::move(done), {}, content.size(), true});
  budget_.submitted(content.size());
  envelope_.clear();
  queue::append_envelope(envelope, envelope_);
  channel->send(ipc::Submit{request, flags, envelope_, content});
  return request;
}

uint64_t QueueClient::begin_body(const queue::Envelope& envelope, uint64_t expected, std::string_view head,
                                 BodyGiven given, StoreDone done) {
  ipc::Channel* channel = cleanup_.channel();
  if (channel == nullptr) return refuse(kQueueAway, std::move(done));
  const uint64_t request = ++last_request_;
  waiting_.emplace(request, Waiting{std::move(done), std::move(given), 0, false});
  envelope_.clear();
  queue::append_envelope(envelope, envelope_);
  channel->send(ipc::BeginBody{request, expected, envelope_, head});
  return request;
}

// A request that is over was refused: `done` is on its way.
void QueueClient::complete_body(uint64_t request, uint64_t length, uint32_t crc, uint32_t flags) {
  const auto found = waiting_.find(request);
  ipc::Channel* channel = cleanup_.channel();
  if (found == waiting_.end() || channel == nullptr) return;
  found->second.whole = true;
  channel->send(ipc::BodyDone{request, length, crc, flags});
}

void QueueClient::drop_body(uint64_t request) {
  if (waiting_.erase(request) == 0) return;
  if (ipc::Channel* channel = cleanup_.channel()) channel->send(ipc::BodyDropped{request});
}

uint64_t QueueClient::refuse(smtp::Reply reply, StoreDone done) {
  const uint64_t request = ++last_request_;
  waiting_.emplace(request, Waiting{std::move(done), {}, 0, false});
  refuse_later(request, std::move(reply));
  return request;
}

void QueueClient::refuse_later(uint64_t request, smtp::Reply reply) {
  refused_.emplace_back(request, std::move(reply));
  refuse_.schedule();
}

void QueueClient::forget(uint64_t request) {
  if (const auto found = waiting_.find(request); found != waiting_.end()) found->second.done = nullptr;
}

bool QueueClient::on_frame(ipc::Frame& frame) {
  if (frame.type == ipc::BodyFile::kType) return on_body_file(frame);
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

bool QueueClient::on_body_file(ipc::Frame& frame) {
  ipc::BodyFile file;
  if (!ipc::decode_all(frame.payload, file) || frame.descriptors.size() != 1) return false;
  const auto found = waiting_.find(file.request);
  if (found == waiting_.end()) return true;  // dropped meanwhile
  if (!found->second.given) return false;
  const BodyGiven given = std::move(found->second.given);
  given(std::move(frame.descriptors.front()));
  return true;
}

void QueueClient::finish(uint64_t request, const StoreResult& result) {
  const auto found = waiting_.find(request);
  if (found == waiting_.end()) return;
  const Waiting ended = std::move(found->second);
  waiting_.erase(found);
  budget_.answered(ended.bytes);
  if (ended.done) ended.done(result);
}

// What was handed over and not answered may have become durable, or not: nobody knows, so nothing is said (see
// StoreResult). A body that was not complete is gone with cleanup.
void QueueClient::on_down() {
  std::vector<uint64_t> requests;
  for (const auto& [request, waiting] : waiting_) requests.push_back(request);
  for (const uint64_t request : requests) {
    const auto found = waiting_.find(request);
    if (found == waiting_.end()) continue;
    finish(request, found->second.whole ? StoreResult{} : StoreResult{kQueueAway, {}});
  }
}

}  // namespace hikyaku::smtpd
