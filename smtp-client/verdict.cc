// From what the SMTP session says to what qmgr and the log are told.
#include "smtp-client/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "util/text.h"

namespace hikyaku::smtp_client {

namespace {

ipc::Outcome outcome_of(smtp::Outcome outcome) {
  switch (outcome) {
    case smtp::Outcome::kSent:
      return ipc::Outcome::kSent;
    case smtp::Outcome::kBounced:
      return ipc::Outcome::kBounced;
    case smtp::Outcome::kDeferred:
      break;
  }
  return ipc::Outcome::kDeferred;
}

// RFC 3463 section 2: the class agrees with the outcome, also when the server gave no enhanced code, or another one's.
std::string status_of(ipc::Outcome outcome, std::string_view enhanced) {
  const char kind = outcome == ipc::Outcome::kSent ? '2' : outcome == ipc::Outcome::kBounced ? '5' : '4';
  if (enhanced.size() >= 5 && enhanced[0] == kind) return std::string(enhanced);
  return std::string(1, kind) + ".0.0";
}

bool is_recipients_domain(std::string_view host, const Job& job) {
  return std::ranges::all_of(job.deliver.recipients, [&](const ipc::JobRecipient& recipient) {
    const size_t at = recipient.address.rfind('@');
    return at != recipient.address.npos && util::iequals(recipient.address.substr(at + 1), host);
  });
}

}  // namespace

Verdict verdict_of(const smtp::DeliveryResult& result, std::string_view host, std::string_view name) {
  const ipc::Outcome outcome = outcome_of(result.outcome);
  const bool remote = result.cause == smtp::Cause::kReply;
  return {outcome, status_of(outcome, result.reply.enhanced), remote ? std::string(name) : std::string(),
          smtp::explain(result, host)};
}

Verdict unreachable(std::string_view relay, int error) {
  return {ipc::Outcome::kDeferred, "4.4.1", {}, fmt::format("connect to {}: {}", relay, std::strerror(error))};
}

Verdict not_found(std::string_view host, const util::Error& error, const Job& job) {
  std::string text = fmt::format("Host or domain name not found. Name service error for name={}: {}", host, error.text);
  if (!error.permanent) return {ipc::Outcome::kDeferred, "4.4.3", {}, std::move(text)};
  if (is_recipients_domain(host, job)) return {ipc::Outcome::kBounced, "5.4.4", {}, std::move(text)};
  return {ipc::Outcome::kDeferred, "4.3.5", {}, std::move(text)};
}

}  // namespace hikyaku::smtp_client
