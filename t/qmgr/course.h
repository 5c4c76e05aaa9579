// What the tests of a message's course share: deliveries over a small queue, and a test that plays the workers.
#pragma once

#include <sys/mman.h>
#include <unistd.h>
#include <catch2/catch.hpp>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "qmgr/deliveries.h"
#include "t/qmgr/small_queue.h"

namespace hikyaku::qmgr {

using std::chrono::seconds;

inline const Time kStart{seconds{kArrival}};

inline Config relay_config() {
  Config config;
  config.retry = {seconds{1000}, RetryMethod::kLinear, seconds{100}, seconds{0}, 0};
  config.relayhost = NextHop{"relay.example.com", 25, true};
  return config;
}
inline Config mx_config() {
  Config config = relay_config();
  config.relayhost.reset();
  return config;
}

struct Course {
  explicit Course(Config config = relay_config())
      : log_file(::memfd_create("log", MFD_CLOEXEC)),
        logger("hikyaku/qmgr", "host", os::UniqueFd(::dup(log_file.get()))),
        settings(std::move(config)),
        deliveries(std::make_unique<Deliveries>(queue.ledger(), logger, settings)) {}

  queue::QueueId admit(const queue::Envelope& envelope) {
    Message& message = queue.add(envelope);
    const queue::QueueId id = message.id;
    deliveries->admit(message, now);
    return id;
  }
  void restart() {
    deliveries.reset();
    REQUIRE(queue.ledger().write());
    queue.restart();
    begin();
  }
  void close_and_restart(const std::function<void()>& meanwhile) {
    deliveries.reset();
    queue.close_and_restart(meanwhile);
    begin();
  }
  void begin() {
    deliveries = std::make_unique<Deliveries>(queue.ledger(), logger, settings);
    admit_all();
  }
  void admit_all() {
    std::vector<queue::QueueId> ids;
    for (const auto& [id, message] : queue.ledger().messages()) ids.push_back(message.id);
    std::sort(ids.begin(), ids.end());
    for (const queue::QueueId id : ids) deliveries->admit(*queue.ledger().find(id), now);
  }

  // A copy, good until the next call.
  const Message* find(queue::QueueId id) {
    seen = queue.ledger().look(id);
    return seen.message ? &*seen.message : nullptr;
  }
  void act(ipc::Verb verb, queue::QueueId id) { deliveries->act(verb, *queue.ledger().load(id), now); }

  // The next job's number, 0 when there is none. Its recipients go into `recipients`.
  uint64_t take() {
    const auto outgoing = deliveries->next_delivery();
    if (!outgoing) return 0;
    recipients = outgoing->job->recipients;
    return outgoing->number;
  }
  uint64_t take_report() {
    const auto outgoing = deliveries->next_report();
    if (!outgoing) return 0;
    recipients = outgoing->job->recipients;
    return outgoing->number;
  }
  // Answers for `recipients` in turn; the last outcome stands for those left.
  void answer(uint64_t job, queue::QueueId id, std::vector<ipc::Outcome> outcomes, bool passed_on = false) {
    ipc::Results results{.number = ++number, .job = job, .id = id, .passed_on = passed_on, .recipients = {}};
    for (size_t i = 0; i < recipients.size(); ++i)
      results.recipients.push_back({.index = recipients[i],
                                    .outcome = outcomes[std::min(i, outcomes.size() - 1)],
                                    .status = "4.2.0",
                                    .remote_mta = "mx.example.net",
                                    .text = "said so"});
    deliveries->answered(results, now);
  }
  // Lets what waits go to rest, and wakes what is due after some time.
  void pass(seconds time) {
    queue.settle_index();
    now += time;
    deliveries->wake(now);
    load_due();
  }
  void load_due() {
    while (deliveries->load_due(now).value_or(false))
      while (queue.ledger().is_loading()) queue.wait_for_index();
  }
  std::string logged() {
    logger.flush();
    std::string text(1 << 16, '\0');
    const ssize_t n = ::pread(log_file.get(), text.data(), text.size(), 0);
    text.resize(n > 0 ? static_cast<size_t>(n) : 0);
    return text;
  }
  bool has_logged(const std::string& what) { return logged().find(what) != std::string::npos; }

  SmallQueue queue;
  os::UniqueFd log_file;
  log::Logger logger;
  Config settings;
  std::unique_ptr<Deliveries> deliveries;
  Time now = kStart;
  std::vector<uint32_t> recipients;
  uint64_t number = 0;
  Ledger::Seen seen;
};

}  // namespace hikyaku::qmgr
