// queue salvage.
#include "ctl/salvage.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <nlohmann/json.hpp>
#include <set>

#include "ctl/ask.h"
#include "ctl/queue_at_rest.h"
#include "os/file.h"
#include "os/unique_fd.h"
#include "queue/body_reader.h"
#include "queue/log_inspection.h"
#include "util/error.h"

namespace hikyaku::ctl {

namespace {

using Json = nlohmann::ordered_json;

// The folder that everything goes into. Its own errors end the command: mail that cannot be written is not salvaged.
class Target {
 public:
  explicit Target(const std::string& directory) : path_(directory) {
    if (::mkdir(path_.c_str(), 0700) != 0 && errno != EEXIST) fail("create " + path_);
    folder_ = os::UniqueFd(::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder_) fail("open " + path_);
    const auto names = queue::RealDisk().list(path_);
    if (!names) throw Failure{util::kExitNoPermission, names.error().text};
    if (!names->empty()) throw Failure{util::kExitData, path_ + " is not empty: name a new directory"};
  }
  os::UniqueFd create(const std::string& name) const {
    os::UniqueFd fd(::openat(folder_.get(), name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd) fail("create " + path_ + "/" + name);
    return fd;
  }
  // One for all files: the queue may be removed when we are done.
  void make_durable() const {
    if (::syncfs(folder_.get()) != 0) fail("sync " + path_);
  }

 private:
  [[noreturn]] static void fail(const std::string& what) {
    throw Failure{util::kExitTryAgain, what + ": " + std::strerror(errno)};
  }
  std::string path_;
  os::UniqueFd folder_;
};

util::Result<void> copy_content(queue::MessageReader& reader, int to) {
  std::array<char, 65536> buffer;
  for (;;) {
    const auto length = reader.next(buffer);
    if (!length) return std::unexpected(length.error());
    if (*length == 0) return {};
    if (auto written = os::write_all(to, {buffer.data(), *length}); !written) return written;
  }
}

struct Salvaged {
  uint64_t messages = 0, bytes = 0, recipients = 0;
  std::set<queue::QueueId> ids;  // one that the log holds twice is written once
  std::vector<queue::Damage> damaged_bodies;
};

class Salvage {
 public:
  Salvage(queue::Disk& disk, const queue::QueueFacts& facts, const Target& target)
      : disk_(disk), facts_(facts), target_(target) {}

  util::Result<void> take(int fd, const queue::LogEntry& entry) {
    if (!facts_.is_alive(entry.id, entry.place)) return {};
    const auto recipients = facts_.recipients(entry.id, entry.envelope.recipients.size());
    const auto left = std::ranges::count_if(recipients, [](const auto& fact) { return !fact.done; });
    if (left == 0 || !done_.ids.insert(entry.id).second) return {};
    if (auto damage = damage_of_body(disk_, fd, entry)) {
      done_.damaged_bodies.push_back(std::move(*damage));
      return {};
    }
    const std::string name = queue::to_text(entry.id);
    const os::UniqueFd content = target_.create(name + ".eml");
    if (auto copied = copy(fd, entry, content.get()); !copied) return copied;
    const os::UniqueFd envelope = target_.create(name + ".envelope.json");
    const std::string json = salvaged_envelope(entry, recipients, facts_.hold(entry.id)) + "\n";
    if (auto written = os::write_all(envelope.get(), json); !written) return written;
    ++done_.messages;
    done_.bytes += entry.place.message_size();
    done_.recipients += static_cast<uint64_t>(left);
    return {};
  }
  const Salvaged& done() const { return done_; }

 private:
  util::Result<void> copy(int fd, const queue::LogEntry& entry, int to) {
    auto body = util::Result<os::UniqueFd>();
    if (entry.place.has_body()) body = disk_.open("log/" + queue::body_name(entry.id), queue::Access::kRead);
    if (!body) return std::unexpected(body.error());
    auto reader = queue::MessageReader::open(fd, body->get(), entry.id, entry.place);
    if (!reader) return std::unexpected(reader.error());
    return copy_content(*reader, to);
  }

  queue::Disk& disk_;
  const queue::QueueFacts& facts_;
  const Target& target_;
  Salvaged done_;
};

struct Losses {
  uint64_t places = 0, bytes = 0;
  bool journal = false, index = false;

  bool any() const { return places > 0 || journal || index; }
};

Losses losses_of(const KnownState& state, const std::vector<queue::SegmentReport>& log,
                 const std::vector<queue::Damage>& bodies) {
  Losses losses{.journal = !state.journal.intact(), .index = !state.index.intact()};
  const auto count = [&](const std::vector<queue::Damage>& places) {
    losses.places += places.size();
    for (const queue::Damage& damage : places) losses.bytes += damage.length;
  };
  for (const auto& segment : log) count(segment.damage);
  count(bodies);
  return losses;
}

void print(const Salvaged& done, const Losses& losses, bool json) {
  if (json) {
    const Json line{{"messages", done.messages},     {"recipients", done.recipients},
                    {"bytes", done.bytes},           {"damaged_places", losses.places},
                    {"damaged_bytes", losses.bytes}, {"journal_intact", !losses.journal},
                    {"index_intact", !losses.index}};
    std::puts(line.dump().c_str());
    return;
  }
  std::string text =
      fmt::format("{} messages to {} recipients taken out, {} bytes\n", done.messages, done.recipients, done.bytes);
  if (losses.places > 0)
    text += fmt::format("{} places in the log are damaged, {} bytes: see `hikyaku queue verify`\n", losses.places,
                        losses.bytes);
  if (losses.journal) text += "the journal is damaged: some recipients may have their mail already\n";
  if (losses.index) text += "the index is damaged: some recipients may have their mail already\n";
  std::fputs(text.c_str(), stdout);
}

// The command goes to the queue directory, and the name means a place seen from where it was given.
std::string absolute(const std::string& path) {
  if (path.starts_with('/')) return path;
  std::array<char, 4096> here;
  if (::getcwd(here.data(), here.size()) == nullptr)
    throw Failure{util::kExitTryAgain, std::string("working directory: ") + std::strerror(errno)};
  return std::string(here.data()) + "/" + path;
}

Json recipient_json(const queue::Recipient& recipient, const queue::RecipientFact& fact) {
  Json json{{"address", recipient.address}};
  if (!recipient.original_recipient.empty()) json["original_recipient"] = recipient.original_recipient;
  if (recipient.notify != 0) json["notify"] = recipient.notify;
  if (fact.attempts > 0) json["attempts"] = fact.attempts;
  if (!fact.reply.empty()) json["delay_reason"] = fact.reply;
  return json;
}

}  // namespace

std::string salvaged_envelope(const queue::LogEntry& entry, const std::vector<queue::RecipientFact>& facts,
                              const queue::HoldFact& hold) {
  const queue::Envelope& envelope = entry.envelope;
  Json waiting = Json::array(), failed = Json::array();
  for (size_t i = 0; i < facts.size(); ++i)
    if (!facts[i].done)
      (facts[i].failed ? failed : waiting).push_back(recipient_json(envelope.recipients[i], facts[i]));
  Json json{{"queue_id", queue::to_text(entry.id)},
            {"sender", envelope.sender},
            {"recipients", std::move(waiting)},
            {"failed_recipients", std::move(failed)},
            {"arrival_time", envelope.arrival / 1000000},
            {"message_size", entry.place.message_size()},
            {"held", hold.held},
            {"eight_bit", envelope.eight_bit},
            {"smtputf8", envelope.smtputf8}};
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) json[name] = value;
  };
  add("hold_reason", hold.reason);
  add("client_name", envelope.client_name);
  add("client_address", envelope.client_address);
  add("listener", envelope.listener);
  add("sasl_username", envelope.auth_user);
  add("original_sender", envelope.original_sender);
  add("envelope_id", envelope.envelope_id);
  add("return_content", envelope.return_content);
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

int salvage_queue(const std::string& config_directory, const std::string& directory, bool json) {
  const std::string path = absolute(directory);
  const QueueAtRest at_rest(config_directory);
  queue::RealDisk disk;
  const Target target(path);
  const KnownState state = read_state(disk);
  Salvage salvage(disk, state.facts, target);
  const auto log = queue::inspect_log(disk, "log", state.facts.nonces(),
                                      [&](int fd, const queue::LogEntry& entry) { return salvage.take(fd, entry); });
  if (!log) throw Failure{util::kExitTryAgain, log.error().text};
  target.make_durable();
  const Losses losses = losses_of(state, *log, salvage.done().damaged_bodies);
  print(salvage.done(), losses, json);
  return losses.any() ? util::kExitData : 0;
}

}  // namespace hikyaku::ctl
