// From qmgr's word to cleanup's.
#include "bounce/submission.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "queue/body_reader.h"
#include "queue/place.h"

namespace hikyaku::bounce {

namespace {

constexpr int64_t kMicroseconds = 1'000'000;

// RFC 3464 section 2.3.6 wants the server's own words: of "host h[a] said: 550 5.1.1 … (in reply to RCPT TO command)",
// as the log has it, only what stands between.
std::string_view reply_in(std::string_view logged) {
  for (const std::string_view introduction : {"] said: ", "] refused to talk to me: "}) {
    const size_t at = logged.find(introduction);
    if (!logged.starts_with("host ") || at == logged.npos) continue;
    const std::string_view reply = logged.substr(at + introduction.size());
    return reply.ends_with(" command)") ? reply.substr(0, reply.rfind(" (in reply to ")) : reply;
  }
  return logged;
}

ReportFacts facts_of(const Config& config, const ipc::MakeReport& ask, const Original& original) {
  ReportFacts facts;
  facts.our_name = config.our_name;
  facts.queue_id = queue::to_text(ask.id);
  facts.sender = ask.sender;
  facts.envelope_id = ask.envelope_id;
  facts.arrival = ask.arrival;
  facts.format = config.format;
  facts.size_limit = config.size_limit;
  facts.headers_only = original.headers_only || original.envelope.return_content == "HDRS";
  facts.smtputf8 = original.envelope.smtputf8;
  for (const ipc::ReportedRecipient& one : ask.recipients) {
    facts.recipients.push_back({.address = std::string(one.address),
                                .original_recipient = std::string(one.original_recipient),
                                .status = std::string(one.status),
                                .remote_mta = std::string(one.remote_mta),
                                .reason = std::string(one.remote_mta.empty() ? one.text : reply_in(one.text)),
                                .last_attempt = one.last_attempt * kMicroseconds,
                                .expired = one.expired});
  }
  return facts;
}

queue::Envelope envelope_of(const Report& report, const ipc::MakeReport& ask, int64_t now) {
  queue::Envelope envelope;
  // RFC 5321 section 4.5.5: from nobody, so that a report never causes another one.
  envelope.sender = "";
  envelope.recipients.push_back({std::string(ask.sender), {}, queue::kNotifyNever});
  envelope.arrival = now;
  envelope.listener = "bounce";
  envelope.eight_bit = report.eight_bit;
  envelope.smtputf8 = report.smtputf8;
  envelope.report_of = {ask.id, {}};
  for (const ipc::ReportedRecipient& one : ask.recipients) envelope.report_of->recipients.push_back(one.index);
  return envelope;
}

}  // namespace

util::Result<Original> read_original(int fd, int body, queue::QueueId id, const queue::Place& place,
                                     size_t size_limit) {
  auto reader = queue::MessageReader::open(fd, body, id, place);
  if (!reader) return std::unexpected(reader.error());
  Original original{reader->envelope(), {}, false};
  original.content.resize(std::min<uint64_t>(place.message_size(), size_limit + 1));
  const bool all = original.content.size() == place.message_size();
  util::Result<size_t> step = size_t{0};
  size_t have = 0;
  while (step && have < original.content.size()) {
    step = reader->next(std::span(original.content).subspan(have));
    have += step.value_or(0);
  }
  if (std::array<char, 1> end; step && all) step = reader->next(end);
  if (step) return original;
  const bool only_head = place.has_body() && body < 0 && have == place.head_length();
  if (!only_head && !step.error().permanent) return std::unexpected(step.error());
  original.content.resize(only_head ? have : 0);
  original.headers_only = only_head;
  return original;
}

Submission make_submission(const Config& config, const ipc::MakeReport& ask, const Original& original, int64_t now,
                           int utc_offset) {
  ReportFacts facts = facts_of(config, ask, original);
  facts.now = now;
  facts.utc_offset = utc_offset;
  Report report = make_report(facts, original.content);
  Submission made;
  if (report.content.starts_with('.') || report.content.find("\n.") != std::string::npos)
    made.flags |= queue::kHasDotLine;
  if (report.eight_bit) made.flags |= queue::kEightBit;  // and never kHasLongLine: report.h
  queue::append_envelope(envelope_of(report, ask, now), made.envelope);
  made.content = std::move(report.content);
  return made;
}

}  // namespace hikyaku::bounce
