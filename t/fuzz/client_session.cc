// A client's whole session: what a server answers, with jobs that are started as it becomes ready.
//
// Input: a byte (bit 0: use pipelining, bits 1-2: recipients of each job, less one, bit 3: it ends by a time-out, bit
// 4: by QUIT before that), a byte (how large the second session's pieces are), then what the server sends.
#include "smtp/client_session.h"

#include <map>
#include <string>
#include <utility>

#include "t/fuzz/input.h"
#include "util/overloaded.h"

using namespace hikyaku;
using namespace hikyaku::smtp;
using fuzz::promise;

namespace {

constexpr uint64_t kMostJobs = 20;

class Client {
 public:
  explicit Client(uint8_t bits) : session_({"relay.example.jp", (bits & 1) != 0}), bits_(bits) {
    call([this](auto& out) { session_.connected(out); });
  }

  void hear(std::string_view wire, size_t piece) {
    fuzz::in_pieces(wire, piece,
                    [this](std::string_view bytes) { call([&](auto& out) { session_.receive(bytes, out); }); });
  }
  void end() {
    if ((bits_ & 16) != 0) call([this](auto& out) { session_.quit(out); });
    call([this](auto& out) { (bits_ & 8) != 0 ? session_.timed_out(out) : session_.lost(out); });
    promise(session_.closed(), "without its connection it is closed");
    for (const auto& [id, job] : jobs_) promise(job.came_back, "every job comes back");
    call([this](auto& out) { session_.receive("250 Ok\r\n", out); });
  }

 private:
  struct Running {
    bool content_asked = false;
    bool content_sent = false;
    bool came_back = false;
  };

  template <class Call>
  void call(Call&& what) {
    const bool was_closed = session_.closed();
    std::vector<ClientAction> out;
    what(out);
    promise(!was_closed || out.empty(), "nothing happens behind Hangup");
    take_all(out);
    work();
  }

  // As a caller does: contents are sent when they are asked for, and a job is started when the session is ready.
  void work() {
    while (const auto sending = std::exchange(sending_, std::nullopt)) {
      jobs_[*sending].content_sent = true;
      std::vector<ClientAction> out;
      session_.content_sent(out);
      take_all(out);
    }
    if (!session_.ready() || session_.closed() || jobs_.size() == kMostJobs) return;
    const uint64_t id = jobs_.size() + 1;
    jobs_[id] = {};
    std::vector<ClientAction> out;
    session_.start({id, "a@example.jp", std::vector<Recipient>(recipients(), {"b@example.com"}), 100 * id, id % 2 == 0},
                   out);
    take_all(out);
    work();
  }

  size_t recipients() const { return 1 + (bits_ >> 1) % 4; }

  void take_all(const std::vector<ClientAction>& actions) {
    for (const ClientAction& action : actions) {
      promise(!hung_up_, "Hangup is the last");
      std::visit(util::Overloaded{
                     [&](const Send& send) { promise(send.bytes.ends_with("\r\n"), "whole lines are sent"); },
                     [&](const SendContent& content) {
                       promise(!std::exchange(jobs_.at(content.job).content_asked, true), "a content is sent once");
                       sending_ = content.job;
                     },
                     [&](const JobDone& done) { take(done); },
                     [&](const JobReturned& returned) {
                       Running& job = jobs_.at(returned.job);
                       promise(!std::exchange(job.came_back, true) && !job.content_asked, "no attempt was made");
                     },
                     [&](const HostFailed& failed) {
                       promise(failed.result.outcome == Outcome::kDeferred, "a host that fails is tried again");
                     },
                     [&](const Ready&) {},
                     [&](const Hangup&) { hung_up_ = true; },
                 },
                 action);
    }
  }

  void take(const JobDone& done) {
    Running& job = jobs_.at(done.job);
    promise(!std::exchange(job.came_back, true), "a job comes back once");
    promise(done.results.size() == recipients(), "with a result for each recipient");
    for (const DeliveryResult& result : done.results) {
      const bool sent = result.outcome == Outcome::kSent;
      promise(!sent || (job.content_sent && result.reply.code / 100 == 2), "it counts as sent only when it was taken");
      promise(!result.in_doubt || job.content_sent, "in doubt only behind the content");
      if (result.outcome == Outcome::kBounced)
        promise(result.cause == Cause::kUnsendable || result.reply.is_permanent(), "given up only for good");
      const std::string why = explain(result, "mx[192.0.2.1]");
      promise(!why.empty() && why.find('\n') == why.npos, "each result is told in a line");
    }
  }

  ClientSession session_;
  uint8_t bits_;
  std::map<uint64_t, Running> jobs_;
  std::optional<uint64_t> sending_;
  bool hung_up_ = false;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  const uint8_t bits = input.byte();
  const size_t piece = 1 + input.byte() % 64;
  Client whole(bits), pieces(bits);
  whole.hear(input.rest(), std::string_view::npos);
  pieces.hear(input.rest(), piece);
  whole.end();
  pieces.end();
  return 0;
}
