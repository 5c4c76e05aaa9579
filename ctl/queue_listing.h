// How messages in the queue are shown: Postfix's mailq layout, its JSON lines, and the parts of one message. Pure.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "ipc/messages.h"
#include "queue/envelope.h"

namespace hikyaku::ctl {

// "Tue Nov 24 22:21:47", in whatever zone the caller is.
using ShowTime = std::function<std::string(int64_t seconds_since_1970)>;
std::string local_time(int64_t seconds_since_1970);

// Entry by entry, so that a long queue is printed while it comes in.
class Listing {
 public:
  explicit Listing(ShowTime show_time) : show_time_(std::move(show_time)) {}

  std::string entry(const ipc::QueueEntry& entry);
  // The total, or that there is nothing; when not all could be read, only the total.
  std::string end(bool is_whole = true) const;

 private:
  ShowTime show_time_;
  uint64_t messages_ = 0, bytes_ = 0;
};

// The members of `postqueue -j` and ours, without a line feed. Text that is not UTF-8 is replaced.
std::string json_line(const ipc::QueueEntry& entry);

// What could not be read: lines for the operator; for scripts as a value, and as the last line of a JSON listing.
std::vector<std::string> unread_lines(const ipc::Unread& unread);
nlohmann::ordered_json unread_json(const ipc::Unread& unread);
std::string unread_line(const ipc::Unread& unread);

// As `postcat -e` shows them.
std::string envelope_text(const ipc::QueueEntry& entry, const queue::Envelope& envelope, const ShowTime& show_time);

// Content in pieces of any size goes in; out come the chosen parts with LF line ends.
class ContentParts {
 public:
  ContentParts(bool header, bool body) : header_(header), body_(body) {}

  std::string receive(std::string_view bytes);
  // A CR that came last of all is part of the content.
  std::string end() { return std::exchange(cr_, false) && wanted() ? "\r" : ""; }

 private:
  bool wanted() const { return in_body_ ? body_ : header_; }
  void take(char c, std::string& out);

  bool header_, body_;
  bool in_body_ = false;
  bool line_is_empty_ = true;
  bool cr_ = false;  // it may belong to a line end
};

}  // namespace hikyaku::ctl
