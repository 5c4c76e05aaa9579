// queue summary.
#include "ctl/queue_summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

#include "ctl/queue_listing.h"
#include "util/text.h"

namespace hikyaku::ctl {

namespace {

// A next hop that puts a number of its own into every reply must not make us remember them all.
constexpr size_t kReasons = 100;
constexpr size_t kNameWidth = 30;

std::string domain_of(const std::string& address) {
  const size_t at = address.rfind('@');
  return at == std::string::npos ? "(no domain)" : util::to_lower(address.substr(at + 1));
}

size_t column_of(int64_t age_in_seconds) {
  const auto column = std::ranges::find_if(kAges, [&](int64_t minutes) { return age_in_seconds < minutes * 60; });
  return static_cast<size_t>(column - kAges.begin());
}

}  // namespace

void QueueSummary::Row::count(size_t age) {
  ++total;
  ++by_age[age];
}

std::pair<std::string, uint64_t> QueueSummary::Row::reason() const {
  std::pair<std::string, uint64_t> most;
  // Of two that are as frequent the first by name, so that the table does not flicker.
  for (const auto& [text, count] : reasons)
    if (count > most.second || (count == most.second && text < most.first)) most = {text, count};
  return most;
}

void QueueSummary::add(const ipc::QueueEntry& entry, int64_t now) {
  const size_t age = column_of(now - entry.arrival);
  for (const auto& recipient : entry.recipients) {
    Row& row = destinations_[domain_of(recipient.address)];
    row.count(age);
    all_.count(age);
    const std::string& reason = recipient.delay_reason;
    if (!reason.empty() && (row.reasons.size() < kReasons || row.reasons.contains(reason))) ++row.reasons[reason];
  }
}

std::vector<std::pair<std::string, const QueueSummary::Row*>> QueueSummary::rows() const {
  std::vector<std::pair<std::string, const Row*>> rows;
  for (const auto& [name, row] : destinations_) rows.emplace_back(name, &row);
  std::ranges::stable_sort(rows, [](const auto& a, const auto& b) { return a.second->total > b.second->total; });
  return rows;
}

std::string QueueSummary::text() const {
  if (all_.total == 0 && !unread_.any()) return "Mail queue is empty\n";
  std::string out = fmt::format("{:>{}}{:>8}", "", kNameWidth, "T");
  for (const int64_t minutes : kAges) out += fmt::format("{:>7}", minutes);
  out += fmt::format("{:>7}\n", std::to_string(kAges.back()) + "+");
  const auto line = [&](const std::string& name, const Row& row) {
    out += fmt::format("{:>{}}{:>8}", name, kNameWidth, row.total);
    for (const uint64_t count : row.by_age) out += fmt::format("{:>7}", count);
    out += "\n";
  };
  line("TOTAL", all_);
  for (const auto& [name, row] : rows()) {
    line(util::escape_for_log(name), *row);
    const auto [reason, count] = row->reason();
    if (count > 0) out += fmt::format("{:>{}} {} x {}\n", "", kNameWidth, count, util::escape_for_log(reason));
  }
  return out;
}

std::string QueueSummary::json() const {
  using Json = nlohmann::ordered_json;
  Json json{{"age_minutes", kAges}, {"total", all_.total}, {"by_age", all_.by_age}, {"destinations", Json::array()}};
  for (const auto& [name, row] : rows()) {
    Json one{{"destination", name}, {"total", row->total}, {"by_age", row->by_age}};
    const auto [reason, count] = row->reason();
    if (count > 0) {
      one["delay_reason"] = reason;
      one["delay_reason_count"] = count;
    }
    json["destinations"].push_back(std::move(one));
  }
  if (unread_.any()) json["unreadable"] = unread_json(unread_);
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

int summarize_queue(const std::string& config_directory, const Chosen& filters, bool json) {
  QueueSummary summary;
  const std::time_t now = std::time(nullptr);
  const ipc::Unread unread =
      for_each_entry(config_directory, filters, [&](const ipc::QueueEntry& entry) { summary.add(entry, now); });
  summary.set_unread(unread);
  std::fputs((json ? summary.json() + "\n" : summary.text()).c_str(), stdout);
  return tell_unread(unread);
}

}  // namespace hikyaku::ctl
