// queue verify.
#include "ctl/verify.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <set>

#include "ctl/ask.h"
#include "ctl/queue_at_rest.h"
#include "util/error.h"

namespace hikyaku::ctl {

namespace {

Inspection inspect_queue() {
  queue::RealDisk disk;
  Inspection inspection;
  KnownState state = read_state(disk);
  const queue::QueueFacts& facts = state.facts;
  inspection.journal = std::move(state.journal);
  inspection.index = std::move(state.index);
  auto missing = facts.waiting();
  std::set<queue::QueueId> waiting;  // one that the log holds twice is one
  auto log = queue::inspect_log(disk, "log", facts.nonces(), [&](int fd, const queue::LogEntry& entry) {
    if (const auto known = missing.find(entry.id); known != missing.end() && known->second == entry.place)
      missing.erase(known);
    if (!facts.is_alive(entry.id, entry.place) || !waiting.insert(entry.id).second) return util::Result<void>();
    if (const auto damage = damage_of_body(disk, fd, entry)) inspection.bodies.push_back(*damage);
    return util::Result<void>();
  });
  if (!log) throw Failure{util::kExitData, log.error().text};
  inspection.log = std::move(*log);
  inspection.waiting = waiting.size();
  for (const auto& [id, place] : missing) inspection.missing.push_back(id);
  return inspection;
}

std::string damage_text(const std::string& problem, const std::vector<queue::Damage>& damage) {
  std::string text = problem.empty() && damage.empty() ? "intact\n" : "DAMAGED\n";
  if (!problem.empty()) text += "  " + problem + "\n";
  for (const auto& one : damage) text += fmt::format("  {} bytes at offset {}\n", one.length, one.offset);
  return text;
}

nlohmann::ordered_json damage_json(const std::vector<queue::Damage>& damage) {
  auto list = nlohmann::ordered_json::array();
  for (const auto& one : damage) list.push_back({{"offset", one.offset}, {"length", one.length}});
  return list;
}

std::string index_text(const queue::IndexReport& index) {
  if (index.file.empty()) return "";
  const double used = static_cast<double>(index.used) / static_cast<double>(std::max<uint64_t>(index.map_size, 1));
  std::string text = fmt::format("{}: {} messages, {} bytes, {:.1f} % of its room, {}\n", index.file, index.messages,
                                 index.used, 100 * used, index.intact() ? "intact" : "DAMAGED");
  for (const std::string& problem : index.problems) text += "  " + problem + "\n";
  return text;
}

}  // namespace

bool Inspection::intact() const {
  return journal.intact() && index.intact() && missing.empty() && bodies.empty() &&
         std::ranges::all_of(log, [](const queue::SegmentReport& segment) { return segment.intact(); });
}

std::string inspection_text(const Inspection& inspection) {
  std::string text;
  for (const auto& segment : inspection.log) {
    text += fmt::format("{}: {} messages, {} bytes, {}", segment.file, segment.messages, segment.bytes,
                        damage_text(segment.problem, segment.damage));
    if (!segment.readable) text += "  nothing behind this place can be told\n";
  }
  for (const queue::Damage& body : inspection.bodies) text += fmt::format("{}: {}", body.file, damage_text({}, {body}));
  const auto& journal = inspection.journal;
  if (!journal.file.empty())
    text += fmt::format("{}: {} records, {} bytes, {}", journal.file, journal.records, journal.bytes,
                        damage_text(journal.problem, journal.damage));
  text += index_text(inspection.index);
  for (const queue::QueueId id : inspection.missing)
    text +=
        fmt::format("{}: waits by journal or index, but is not whole in the log where they say\n", queue::to_text(id));
  return text + fmt::format("{} messages wait; {}\n", inspection.waiting,
                            inspection.intact() ? "all is intact" : "there is damage");
}

std::string inspection_json(const Inspection& inspection) {
  using Json = nlohmann::ordered_json;
  Json json{{"intact", inspection.intact()}, {"waiting", inspection.waiting}, {"log", Json::array()}};
  const auto described = [](const auto& report, const char* what, uint64_t count) {
    Json one{{"file", report.file}, {what, count}, {"bytes", report.bytes}, {"damage", damage_json(report.damage)}};
    if (!report.problem.empty()) one["problem"] = report.problem;
    return one;
  };
  for (const auto& segment : inspection.log) json["log"].push_back(described(segment, "messages", segment.messages));
  json["bodies"] = Json::array();
  for (const queue::Damage& body : inspection.bodies)
    json["bodies"].push_back({{"file", body.file}, {"damage", damage_json({body})}});
  if (!inspection.journal.file.empty())
    json["journal"] = described(inspection.journal, "records", inspection.journal.records);
  if (const auto& index = inspection.index; !index.file.empty())
    json["index"] = {{"file", index.file},
                     {"messages", index.messages},
                     {"bytes", index.used},
                     {"map_size", index.map_size},
                     {"problems", index.problems}};
  json["missing"] = Json::array();
  for (const queue::QueueId id : inspection.missing) json["missing"].push_back(queue::to_text(id));
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

int verify_queue(const std::string& config_directory, bool json) {
  const QueueAtRest at_rest(config_directory);
  const Inspection inspection = inspect_queue();
  std::fputs((json ? inspection_json(inspection) + "\n" : inspection_text(inspection)).c_str(), stdout);
  return inspection.intact() ? 0 : util::kExitData;
}

}  // namespace hikyaku::ctl
