// A client's session told as text: what it sends and what it says of its jobs, one line per action.
#pragma once

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "smtp/client_session.h"

namespace hikyaku::smtp {

class ClientDialog {
 public:
  explicit ClientDialog(bool pipelining = true) : session({"relay.example.jp", pipelining}) {
    std::vector<ClientAction> out;
    session.connected(out);
  }

  // Up to Ready; `keywords` like "PIPELINING\nSIZE 1000".
  void greet(std::string keywords) {
    say("220 mx ESMTP\r\n");
    std::string reply = "250-mx\r\n";
    keywords += "\n";
    for (size_t at = 0, end; (end = keywords.find('\n', at)) != keywords.npos; at = end + 1)
      reply += "250-" + keywords.substr(at, end - at) + "\r\n";
    say(reply + "250 X\r\n");
  }

  // What happens when the server says this.
  std::string say(std::string_view bytes, size_t piece = std::string_view::npos) {
    std::vector<ClientAction> out;
    for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size())))
      session.receive(bytes.substr(0, piece), out);
    return told(out);
  }

  std::string start(uint64_t id, const std::vector<std::string>& recipients = {"b@example.com"}, uint64_t size = 100,
                    bool eight_bit = false) {
    Job job{.id = id, .sender = "a@example.jp", .recipients = {}, .size = size, .eight_bit = eight_bit};
    for (const std::string& mailbox : recipients) job.recipients.push_back({mailbox});
    return start(std::move(job));
  }
  std::string start(Job job) {
    std::vector<ClientAction> out;
    session.start(std::move(job), out);
    return told(out);
  }

  std::string content_sent() { return event(&ClientSession::content_sent); }
  std::string quit() { return event(&ClientSession::quit); }
  std::string lost() { return event(&ClientSession::lost); }
  std::string timed_out() { return event(&ClientSession::timed_out); }

  static std::string told(const DeliveryResult& result) {
    constexpr const char* kOutcomes[] = {"sent", "deferred", "bounced"};
    return std::string(kOutcomes[static_cast<size_t>(result.outcome)]) + " " + explain(result, "mx[192.0.2.1]") + "\n";
  }

  static std::string told(const std::vector<ClientAction>& actions) {
    std::string text;
    for (const ClientAction& action : actions) {
      if (const auto* send = std::get_if<Send>(&action)) text += "> " + send->bytes;
      if (const auto* content = std::get_if<SendContent>(&action))
        text += "content " + std::to_string(content->job) + "\n";
      if (const auto* back = std::get_if<JobReturned>(&action)) text += "returned " + std::to_string(back->job) + "\n";
      if (const auto* failed = std::get_if<HostFailed>(&action)) text += "host " + told(failed->result);
      if (std::holds_alternative<Ready>(action)) text += "ready\n";
      if (std::holds_alternative<Hangup>(action)) text += "hangup\n";
      if (const auto* done = std::get_if<JobDone>(&action))
        for (const DeliveryResult& result : done->results) text += std::to_string(done->job) + " " + told(result);
    }
    std::erase(text, '\r');
    return text;
  }

  ClientSession session;

 private:
  std::string event(void (ClientSession::*what)(std::vector<ClientAction>&)) {
    std::vector<ClientAction> out;
    (session.*what)(out);
    return told(out);
  }
};

}  // namespace hikyaku::smtp
