// queue list, show, and the actions on messages; flush.
#include "ctl/queue.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "ctl/installation.h"
#include "ctl/queue_listing.h"
#include "os/unique_fd.h"
#include "queue/body_reader.h"
#include "util/error.h"
#include "util/text.h"

namespace hikyaku::ctl {

namespace {

constexpr size_t kIdsAtOnce = 10000;

std::string read_standard_input() {
  std::string text;
  std::array<char, 65536> bytes;
  size_t length;
  while ((length = std::fread(bytes.data(), 1, bytes.size(), stdin)) > 0) text.append(bytes.data(), length);
  return text;
}

void print(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

std::string messages(uint64_t count) { return fmt::format("{} message{}", count, count == 1 ? "" : "s"); }

}  // namespace

ipc::Selection selection_of(const Chosen& chosen, std::string_view standard_input) {
  ipc::Selection selection{false, {}, chosen.sender, chosen.recipient, chosen.domain};
  const bool filtered = !chosen.sender.empty() || !chosen.recipient.empty() || !chosen.domain.empty();
  if (chosen.ids.empty() && !filtered)
    throw Failure{util::kExitUsage, "which messages? Name IDs, ALL, - for standard input, or a filter"};
  selection.all = chosen.ids.empty();
  for (const std::string& id : chosen.ids) {
    if (id == "ALL")
      selection.all = true;
    else if (id == "-")
      for (const auto piece : util::split(standard_input, " \t\r\n")) selection.ids.emplace_back(piece);
    else
      selection.ids.push_back(id);
  }
  if (selection.all) selection.ids.clear();
  return selection;
}

std::string acted_text(ipc::Verb verb, bool dry_run, const ipc::Acted& acted) {
  constexpr std::array<const char*, 5> kDone = {"will be tried now", "deleted", "put on hold", "released", "expired"};
  constexpr std::array<const char*, 5> kWould = {"would be tried", "would be deleted", "would be put on hold",
                                                 "would be released", "would expire"};
  const auto& words = dry_run ? kWould : kDone;
  std::string text = fmt::format("{} {}\n", messages(acted.count), words[static_cast<size_t>(verb)]);
  if (acted.on_the_wire > 0)
    text += fmt::format("{} being delivered right now{}\n", messages(acted.on_the_wire),
                        verb == ipc::Verb::kRetry || verb == ipc::Verb::kRelease ? "" : ": may still arrive");
  return text;
}

std::string acted_json(ipc::Verb verb, bool dry_run, const ipc::Acted& acted) {
  constexpr std::array<const char*, 5> kNames = {"retry", "delete", "hold", "release", "expire"};
  const nlohmann::ordered_json json{{"action", kNames[static_cast<size_t>(verb)]},
                                    {"dry_run", dry_run},
                                    {"count", acted.count},
                                    {"on_the_wire", acted.on_the_wire},
                                    {"unknown", acted.unknown},
                                    {"unreadable", unread_json(acted.unread)}};
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Failure no_such_message(const std::string& id) {
  return {util::kExitData, util::escape_for_log(id) + ": no such message in the queue"};
}

int tell_unread(const ipc::Unread& unread) {
  for (const std::string& line : unread_lines(unread)) std::fprintf(stderr, "hikyaku: %s\n", line.c_str());
  if (!unread.any()) return 0;
  return unread.may_pass ? util::kExitTryAgain : util::kExitData;
}

// The listing comes in slices: qmgr sends the next one when it is asked for it, so that neither side gathers it.
ipc::Unread for_each_entry(const std::string& config_directory, const Chosen& filters,
                           const std::function<void(const ipc::QueueEntry&)>& take) {
  enter_queue_directory(config_directory);
  Question question("private/qmgr", "qmgr");
  const ipc::ListQueue slice{{true, {}, filters.sender, filters.recipient, filters.domain}};
  ipc::EndOfList end;
  do {
    question.ask(slice, kReadPatience, [&](ipc::Frame& frame) {
      if (frame.type == ipc::EndOfList::kType)
        return ipc::decode_all(frame.payload, end) ? Next::kDone : Next::kMalformed;
      ipc::QueueEntry entry;
      if (frame.type != ipc::QueueEntry::kType || !ipc::decode_all(frame.payload, entry)) return Next::kMalformed;
      take(entry);
      return Next::kMore;
    });
  } while (end.count > 0);
  return std::move(end.unread);
}

int list_queue(const std::string& config_directory, const Chosen& filters, bool json) {
  Listing listing(local_time);
  const ipc::Unread unread = for_each_entry(config_directory, filters, [&](const ipc::QueueEntry& entry) {
    print(json ? json_line(entry) + "\n" : listing.entry(entry));
  });
  if (!json)
    print(listing.end(!unread.any()));
  else if (unread.any())
    print(unread_line(unread) + "\n");
  return tell_unread(unread);
}

namespace {

void add(ipc::Unread& total, ipc::Unread&& more) {
  total.messages += more.messages;
  std::ranges::move(more.first, std::back_inserter(total.first));
  total.first.resize(std::min(total.first.size(), ipc::Unread::kMostNamed));
  if (total.part.empty()) total.part = std::move(more.part);
  total.may_pass = total.may_pass || more.may_pass;
}

ipc::Acted ask_to_act(ipc::Verb verb, bool dry_run, ipc::Selection selection) {
  Question question("private/qmgr", "qmgr");
  ipc::Acted total;
  const std::vector<std::string> ids = std::exchange(selection.ids, {});
  size_t next = 0;
  while (selection.all || next < ids.size()) {
    const size_t end = std::min(next + kIdsAtOnce, ids.size());
    selection.ids.assign(ids.begin() + static_cast<long>(next), ids.begin() + static_cast<long>(end));
    auto acted = question.ask_for<ipc::Acted>(ipc::Act{verb, dry_run, selection}, kPatience);
    total.count += acted.count;
    total.on_the_wire += acted.on_the_wire;
    std::ranges::move(acted.unknown, std::back_inserter(total.unknown));
    add(total.unread, std::move(acted.unread));
    next = end;
    if (selection.all) break;
  }
  return total;
}

}  // namespace

int act(const std::string& config_directory, ipc::Verb verb, const Chosen& chosen, How how) {
  const bool reads = std::ranges::find(chosen.ids, "-") != chosen.ids.end();
  const ipc::Selection selection = selection_of(chosen, reads ? read_standard_input() : "");
  enter_queue_directory(config_directory);
  const ipc::Acted acted = ask_to_act(verb, how.dry_run, selection);
  print(how.json ? acted_json(verb, how.dry_run, acted) + "\n" : acted_text(verb, how.dry_run, acted));
  for (const std::string& id : acted.unknown) std::fprintf(stderr, "hikyaku: %s\n", no_such_message(id).text.c_str());
  const int code = tell_unread(acted.unread);
  return code == 0 && !acted.unknown.empty() ? util::kExitData : code;
}

int flush(const std::string& config_directory, bool json) {
  return act(config_directory, ipc::Verb::kRetry, Chosen{{"ALL"}, {}, {}, {}}, {.json = json});
}

namespace {

void print_content(queue::MessageReader& reader, Parts parts) {
  ContentParts chosen(parts.header, parts.body);
  std::array<char, 65536> buffer;
  for (;;) {
    const auto length = reader.next(buffer);
    if (!length)
      throw Failure{length.error().permanent ? util::kExitSoftware : util::kExitTryAgain, length.error().text};
    if (*length == 0) break;
    print(chosen.receive({buffer.data(), *length}));
  }
  print(chosen.end());
}

}  // namespace

int show_message(const std::string& config_directory, const std::string& id, Parts parts, bool json) {
  enter_queue_directory(config_directory);
  Question question("private/qmgr", "qmgr");
  ipc::MessageShown shown;
  os::UniqueFd segment, body;
  question.ask(ipc::ShowMessage{id}, kReadPatience, [&](ipc::Frame& frame) {
    if (frame.type != ipc::MessageShown::kType || !ipc::decode_all(frame.payload, shown)) return Next::kMalformed;
    if (!frame.descriptors.empty()) segment = std::move(frame.descriptors.front());
    if (frame.descriptors.size() > 1) body = std::move(frame.descriptors[1]);
    return Next::kDone;
  });
  if (!shown.found && !shown.unread.any()) throw no_such_message(id);
  const std::string name = queue::to_text(shown.id);
  if (json && shown.found) print(json_line(shown.entry) + "\n");
  if (json || shown.unread.any()) return tell_unread(shown.unread);
  if (!segment) throw Failure{util::kExitSoftware, "qmgr has not passed the message"};
  auto reader = queue::MessageReader::open(segment.get(), body.get(), shown.id, shown.place);
  if (!reader) throw Failure{reader.error().permanent ? util::kExitSoftware : util::kExitTryAgain, reader.error().text};
  if (parts.envelope) print(envelope_text(shown.entry, reader->envelope(), local_time));
  if (!parts.header && !parts.body) return 0;
  if (parts.envelope) print(fmt::format("*** MESSAGE CONTENTS {}/{} ***\n", shown.entry.queue_name, name));
  print_content(*reader, parts);
  if (parts.envelope) print(fmt::format("*** MESSAGE FILE END {}/{} ***\n", shown.entry.queue_name, name));
  return 0;
}

}  // namespace hikyaku::ctl
