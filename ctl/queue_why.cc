// queue why.
#include "ctl/queue_why.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

#include "ctl/ask.h"
#include "ctl/installation.h"
#include "ctl/queue.h"
#include "util/error.h"
#include "util/text.h"

namespace hikyaku::ctl {

namespace {

// "3 min 20 s"; nothing is older than days.
std::string duration_text(int64_t seconds) {
  seconds = std::max<int64_t>(seconds, 0);
  if (seconds < 60) return fmt::format("{} s", seconds);
  if (seconds < 3600) return fmt::format("{} min {} s", seconds / 60, seconds % 60);
  return fmt::format("{} h {} min", seconds / 3600, seconds % 3600 / 60);
}

std::string gate_text(const Why& why, int64_t now, const ShowTime& show_time) {
  const ipc::QueueEntry& entry = why.entry;
  switch (why.gate()) {
    case Gate::kRelease:
      return "on hold" + (entry.hold_reason.empty() ? "" : " (" + util::escape_for_log(entry.hold_reason) + ")") +
             ": waits for `hikyaku queue release " + queue::to_text(entry.id) + "`" +
             (why.on_the_wire ? ", but is still being delivered right now" : "");
    case Gate::kDelivery:
      return "being delivered right now: waits for the next hop's answer";
    case Gate::kReport:
      return "nothing is left to deliver: waits for the report to its sender";
    case Gate::kTurn:
      return "may go now: waits for its turn on a connection to its next hop";
    case Gate::kTime:
      return fmt::format("deferred: waits for its next attempt at {}, in {}", show_time(entry.next_attempt),
                         duration_text(entry.next_attempt - now));
  }
  return {};
}

const char* gate_name(Gate gate) {
  switch (gate) {
    case Gate::kRelease:
      return "release";
    case Gate::kDelivery:
      return "delivery";
    case Gate::kReport:
      return "report";
    case Gate::kTurn:
      return "turn";
    case Gate::kTime:
      return "time";
  }
  return "";
}

}  // namespace

Gate Why::gate() const {
  if (entry.queue_name == "hold") return Gate::kRelease;
  if (on_the_wire) return Gate::kDelivery;
  if (!to_be_tried) return Gate::kReport;
  return entry.queue_name == "active" ? Gate::kTurn : Gate::kTime;
}

std::string why_text(const Why& why, int64_t now, const ShowTime& show_time) {
  const ipc::QueueEntry& entry = why.entry;
  std::string text = fmt::format("{}: {}\n", queue::to_text(entry.id), gate_text(why, now, show_time));
  text += fmt::format("  arrived {}, {} ago\n", show_time(entry.arrival), duration_text(now - entry.arrival));
  text += fmt::format("  tried {} time{}; given up after {}\n", entry.attempts, entry.attempts == 1 ? "" : "s",
                      show_time(entry.expires));
  for (const auto& recipient : entry.recipients)
    text +=
        fmt::format("  {}: {}\n", util::escape_for_log(recipient.address),
                    recipient.delay_reason.empty() ? "no answer yet" : util::escape_for_log(recipient.delay_reason));
  return text;
}

std::string why_json(const Why& why) {
  auto json = nlohmann::ordered_json::parse(json_line(why.entry));
  json["waits_for"] = gate_name(why.gate());
  if (why.gate() == Gate::kTime) json["until"] = why.entry.next_attempt;
  return json.dump();
}

int explain_message(const std::string& config_directory, const std::string& id, bool json) {
  enter_queue_directory(config_directory);
  Question question("private/qmgr", "qmgr");
  const auto shown = question.ask_for<ipc::MessageShown>(ipc::ShowMessage{id}, kReadPatience);
  if (shown.unread.any()) return tell_unread(shown.unread);
  if (!shown.found) throw no_such_message(id);
  // What a retry would find tells what the listing does not: whether it is in a worker's hand, and whether anything is
  // left to try.
  const ipc::Selection selection{false, {id}, "", "", ""};
  const auto retried = question.ask_for<ipc::Acted>(ipc::Act{ipc::Verb::kRetry, true, selection}, kPatience);
  if (retried.unread.any()) return tell_unread(retried.unread);
  if (!retried.unknown.empty()) throw no_such_message(id);  // done meanwhile
  const Why why{shown.entry, retried.on_the_wire > 0, retried.count > 0};
  std::fputs((json ? why_json(why) + "\n" : why_text(why, std::time(nullptr), local_time)).c_str(), stdout);
  return 0;
}

}  // namespace hikyaku::ctl
