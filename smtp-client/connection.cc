// One SMTP connection to a next hop.
#include "smtp-client/connection.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "net/socket.h"
#include "os/clock.h"
#include "smtp-client/verdict.h"

namespace hikyaku::smtp_client {

namespace {

constexpr size_t kKeptBuffer = 64 << 10;

// For a session that ends and says nothing of the host.
const smtp::DeliveryResult kLeftInSilence{
    smtp::Outcome::kDeferred, smtp::Cause::kLost, smtp::Stage::kIdle, {0, "4.4.2", ""}, false};

event::Duration since(event::Monotonic then) {
  return std::chrono::duration_cast<event::Duration>(os::monotonic_now() - then);
}

smtp::Job for_session(const Job& job) {
  smtp::Job made;
  made.id = job.number;
  made.sender = job.deliver.sender;
  made.recipients.reserve(job.deliver.recipients.size());
  for (const ipc::JobRecipient& recipient : job.deliver.recipients)
    made.recipients.push_back(
        {std::string(recipient.address), std::string(recipient.original_recipient), recipient.notify});
  made.smtputf8 = job.deliver.smtputf8;
  made.envelope_id = job.deliver.envelope_id;
  made.return_content = job.deliver.return_content;
  made.size = job.deliver.place.message_size();
  made.eight_bit = job.deliver.eight_bit || (job.deliver.place.flags & queue::kEightBit) != 0;
  made.may_grow = (job.deliver.place.flags & queue::kHasLongLine) != 0;
  return made;
}

void clear(std::string& buffer) {
  if (buffer.capacity() > kKeptBuffer)
    std::string().swap(buffer);
  else
    buffer.clear();
}

}  // namespace

Connection::Connection(Surroundings& around, CarrierOwner& owner, std::string host, uint16_t port,
                       std::vector<net::Address> addresses)
    : around_(around),
      owner_(owner),
      host_(std::move(host)),
      port_(port),
      addresses_(std::move(addresses)),
      begun_(os::monotonic_now()) {}

// ---- opening -----------------------------------------------------------------------------------------------------

void Connection::try_next_address() {
  session_.reset();
  hangup_ = false;
  watched_ = {};
  const std::string ip = addresses_[next_address_++].host();
  label_ = fmt::format("{}[{}]", host_, ip);
  relay_ = fmt::format("{}:{}", label_, port_);
  auto fd = net::connect_tcp(net::Address::parse(ip, port_).value_or(net::Address()));
  if (!fd) return attempt_failed({ipc::Outcome::kDeferred, "4.4.1", {}, fd.error().text}, false);
  stream_.emplace(around_.loop, std::move(*fd), *this);
  stream_->set_deadline(around_.config.timeouts.connect);
  stream_->await_connection([this](int error) { connected(error); });
}

void Connection::attempt_failed(const Verdict& verdict, bool reached) {
  stream_.reset();
  if (next_address_ < addresses_.size() && !open_ && !quitting_) return try_next_address();
  end(verdict, reached);
}

void Connection::connected(int error) {
  if (error != 0) return attempt_failed(unreachable(relay_, error), false);
  session_.emplace(smtp::ClientOptions{around_.config.helo_name, true});
  session_->connected(actions_);
  stream_->start_reading();
  carry_out();
}

// ---- what the owner wants ----------------------------------------------------------------------------------------

void Connection::start(std::unique_ptr<Job> job) {
  const auto now = os::monotonic_now();
  smtp::Job message = for_session(*job);
  const auto waited = std::chrono::duration_cast<event::Duration>(now - job->received);
  const event::Duration connecting = std::min(std::exchange(set_up_, {}), waited);
  running_.push_back({std::move(job), now, session_->jobs_started() + 1, connecting});
  idle_ = false;
  session_->start(std::move(message), actions_);
  carry_out();
}

void Connection::quit() {
  quitting_ = true;
  if (!session_) return end({}, false);
  idle_ = false;
  session_->quit(actions_);
  carry_out();
}

// ---- what the socket tells ---------------------------------------------------------------------------------------

void Connection::on_bytes(std::string_view bytes) {
  session_->receive(bytes, actions_);
  carry_out();
}

void Connection::on_closed(int) {
  session_->lost(actions_);
  hangup_ = true;
  carry_out();
}

void Connection::on_drained() {
  if (!transfer_) return;
  go_on_with_content();
  carry_out();
}

void Connection::on_deadline() {
  if (!session_) return attempt_failed(unreachable(relay_, ETIMEDOUT), false);
  if (idle_) return owner_.idle_too_long(*this);
  session_->timed_out(actions_);
  hangup_ = true;
  carry_out();
}

// ---- what the session wants --------------------------------------------------------------------------------------

// Some actions make the owner start the next job, which appends further ones: those are carried out by the same loop,
// so that all of it leaves in one write.
void Connection::carry_out() {
  if (carrying_out_) return;
  carrying_out_ = true;
  for (size_t i = 0; i < actions_.size(); ++i) {
    smtp::ClientAction action = std::move(actions_[i]);
    std::visit([this](auto& each) { on(each); }, action);
  }
  actions_.clear();
  carrying_out_ = false;
  settle();
}

void Connection::on(smtp::Send& action) {
  std::string& wire = content_.empty() && after_.empty() ? before_ : after_;
  if (wire.empty())
    wire = std::move(action.bytes);
  else
    wire += action.bytes;
}

void Connection::on(smtp::SendContent& action) {
  const auto found = std::ranges::find(running_, action.job, [](const Running& each) { return each.job->number; });
  if (found == running_.end()) return;
  const ipc::Deliver& deliver = found->job->deliver;
  const int body = found->job->body.get();
  // A server that answers ahead of our commands could ask for a second content before the first one is written.
  if (!content_.empty()) write_out();
  transfer_.emplace(Transfer{action.job, ContentReader(around_.segments, deliver, body),
                             WireForm(around_.config.wire, deliver.place, action.takes_eight_bit)});
  go_on_with_content();
}

void Connection::on(smtp::JobDone& action) {
  if (transfer_ && transfer_->job == action.job) transfer_.reset();
  Running running = take(action.job);
  std::vector<Verdict> verdicts;
  bool in_doubt = false;
  if (no_content_) {
    verdicts.push_back(std::move(*std::exchange(no_content_, std::nullopt)));
  } else {
    verdicts.reserve(action.results.size());
    for (const smtp::DeliveryResult& result : action.results) {
      verdicts.push_back(verdict_of(result, label_, host_));
      in_doubt |= result.in_doubt;
    }
  }
  const AttemptFacts facts{.relay = relay_,
                           .connection_uses = running.uses,
                           .begun = running.begun,
                           .connecting = running.connecting,
                           .in_doubt = in_doubt,
                           .passed_on = session_ && session_->offers_dsn()};
  around_.sink.finished(std::move(running.job), facts, verdicts);
}

void Connection::on(smtp::JobReturned& action) { owner_.give_back(take(action.job).job); }

void Connection::on(smtp::HostFailed& action) { host_failure_ = std::move(action.result); }

void Connection::on(smtp::Ready&) {
  if (!session_->ready()) return;
  // The next MAIL belongs behind the end of this content.
  if (transfer_) {
    ready_after_content_ = true;
    return;
  }
  if (!std::exchange(open_, true)) set_up_ = since(begun_);
  owner_.ready(*this);
}

void Connection::on(smtp::Hangup&) { hangup_ = true; }

Connection::Running Connection::take(uint64_t number) {
  const auto found = std::ranges::find(running_, number, [](const Running& each) { return each.job->number; });
  util::ensure(found != running_.end(), "a result for a job that is not on this connection");
  Running running = std::move(*found);
  running_.erase(found);
  return running;
}

// ---- content -----------------------------------------------------------------------------------------------------

// What was read whole stays in the common buffer until it is written with all else; a block must be written before the
// next one is read.
void Connection::go_on_with_content() {
  while (transfer_) {
    const auto piece = transfer_->reader.next();
    if (!piece) return content_failed(piece.error());
    if (piece->empty()) return end_content();
    add_piece(*piece);
    if (transfer_->reader.is_whole(*piece)) continue;
    write_out();
    if (stream_->waiting() == 0) continue;
    stream_->set_deadline(around_.config.timeouts.data_xfer);
    return;
  }
}

void Connection::add_piece(std::string_view content) {
  if (transfer_->form.changes()) {
    transfer_->form.append(content, after_.empty() ? before_ : after_);
  } else {
    transfer_->form.seen(content);
    content_ = content;
  }
}

void Connection::end_content() {
  transfer_->form.end(content_.empty() && after_.empty() ? before_ : after_);
  transfer_.reset();
  session_->content_sent(actions_);
  if (std::exchange(ready_after_content_, false)) actions_.push_back(smtp::Ready{});
}

// Without the final dot, the next hop throws away what it has got.
void Connection::content_failed(const util::Error& error) {
  const std::string text = fmt::format("{}: {}", queue::to_text(transfer_->reader.id()), error.text);
  if (error.permanent)
    around_.logger.error(text);
  else
    around_.logger.warning(text);
  no_content_ = Verdict{ipc::Outcome::kDeferred, "4.3.0", {}, error.text};
  transfer_.reset();
  clear(before_);
  clear(after_);
  content_ = {};
  session_->lost(actions_);
}

// ---- the end of each step ----------------------------------------------------------------------------------------

void Connection::write_out() {
  std::array<std::string_view, 3> pieces;
  size_t count = 0;
  for (const std::string_view piece : {std::string_view(before_), content_, std::string_view(after_)})
    if (!piece.empty()) pieces[count++] = piece;
  if (count > 0) stream_->send(std::span(pieces.data(), count));
  content_ = {};
  clear(before_);
  clear(after_);
}

void Connection::settle() {
  if (gone_) return;
  write_out();
  if (hangup_) return hang_up();
  if (!idle_ && session_->idle() && running_.empty()) {
    idle_ = true;
    idle_since_ = os::monotonic_now();
    owner_.became_idle(*this);
    if (gone_) return;
  }
  watch();
}

// Each reply has its time, also each of those to pipelined commands. Bytes alone do not move the deadline, or a server
// could hold a job for ever by a reply that never ends. (While content is on its way, each block has its time.)
void Connection::watch() {
  const Awaited awaited{transfer_ ? smtp::Stage::kDataXfer : session_->stage(), session_->replies()};
  if (awaited == watched_) return;
  watched_ = awaited;
  stream_->set_deadline(around_.config.patience(awaited.stage));
}

void Connection::hang_up() {
  const smtp::DeliveryResult failure = std::exchange(host_failure_, std::nullopt).value_or(kLeftInSilence);
  attempt_failed(verdict_of(failure, label_, host_), true);
}

// The one way out: which of the two ends it is, is not for the paths that lead here to know.
void Connection::end(const Verdict& verdict, bool reached) {
  util::ensure(running_.empty(), "a connection was closed with jobs on it");
  gone_ = true;
  stream_.reset();
  if (open_ || quitting_) return owner_.closed(*this);
  owner_.not_opened(*this, verdict, reached ? std::string_view(relay_) : "none");
}

}  // namespace hikyaku::smtp_client
