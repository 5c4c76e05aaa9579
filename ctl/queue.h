// queue list, show, retry, delete; flush.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ipc/messages.h"

namespace hikyaku::ctl {

// As given on the command line: IDs ("-": read them from standard input, "ALL": every message) and filters.
struct Chosen {
  std::vector<std::string> ids;
  std::string sender, recipient, domain;
};
// The same as qmgr is asked. With filters and without IDs, all messages are filtered. Throws Failure (64) when neither
// is given.
ipc::Selection selection_of(const Chosen& chosen, std::string_view standard_input);
// "3 messages will be tried now\n", with what to know of those on the wire.
std::string acted_text(ipc::Verb verb, bool dry_run, const ipc::Acted& acted);

// Each returns the exit code; throws Failure.
int list_queue(const std::string& config_directory, const Chosen& filters, bool json);
int act(const std::string& config_directory, ipc::Verb verb, const Chosen& chosen, bool dry_run);
int flush(const std::string& config_directory);

struct Parts {
  bool envelope = true, header = true, body = true;
};
// With `json` the members of the listing, and nothing of the content.
int show_message(const std::string& config_directory, const std::string& id, Parts parts, bool json);

}  // namespace hikyaku::ctl
