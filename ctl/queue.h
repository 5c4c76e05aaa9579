// queue list, show, and the actions on messages; flush.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "ctl/ask.h"
#include "ipc/messages.h"

namespace hikyaku::ctl {

// How long an answer of qmgr may take: one that is in its memory, and a durable one, which may wait for a slow disk.
inline constexpr auto kReadPatience = std::chrono::seconds(10);
inline constexpr auto kPatience = std::chrono::seconds(60);

// As given on the command line: IDs ("-": read them from standard input, "ALL": every message) and filters.
struct Chosen {
  std::vector<std::string> ids;
  std::string sender, recipient, domain;
};
// The same as qmgr is asked. With filters and without IDs, all messages are filtered. Throws Failure (64) when neither
// is given.
ipc::Selection selection_of(const Chosen& chosen, std::string_view standard_input);
// What is said of an ID that names nothing: exit code 65.
Failure no_such_message(const std::string& id);

// "3 messages will be tried now\n", with what to know of those on the wire.
std::string acted_text(ipc::Verb verb, bool dry_run, const ipc::Acted& acted);
std::string acted_json(ipc::Verb verb, bool dry_run, const ipc::Acted& acted);

// Tells on standard error what could not be read. Returns the exit code: 0 when there is none such, 75 when another try
// may read more, else 65.
int tell_unread(const ipc::Unread& unread);

// Calls `take` for every message in the queue that matches, the oldest first, as they come in. Returns what could not
// be read of it. Throws Failure.
ipc::Unread for_each_entry(const std::string& config_directory, const Chosen& filters,
                           const std::function<void(const ipc::QueueEntry&)>& take);

// Each returns the exit code; throws Failure.
int list_queue(const std::string& config_directory, const Chosen& filters, bool json);
struct How {
  bool dry_run = false;
  bool json = false;
};
int act(const std::string& config_directory, ipc::Verb verb, const Chosen& chosen, How how);
int flush(const std::string& config_directory, bool json);

struct Parts {
  bool envelope = true, header = true, body = true;
};
// With `json` the members of the listing, and nothing of the content.
int show_message(const std::string& config_directory, const std::string& id, Parts parts, bool json);

}  // namespace hikyaku::ctl
