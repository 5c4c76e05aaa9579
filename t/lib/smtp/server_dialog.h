// A server's session with a caller that answers its questions, told as text: what the tests read.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "smtp/server_session.h"

namespace hikyaku::smtp {

// Answers every action at once, and writes down what happened.
class ServerDialog {
 public:
  explicit ServerDialog(ServerOptions options = relaying()) : session(std::move(options)) {}

  static ServerOptions relaying() {
    ServerOptions options;
    options.hostname = "mx.example.jp";
    options.relay_allowed = true;
    options.size_limit = 1000;
    return options;
  }

  // The replies to `bytes`, given in pieces of `piece`.
  std::string say(std::string_view bytes, size_t piece = std::string_view::npos) {
    const size_t start = replies.size();
    for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size()))) {
      std::vector<Action> out;
      session.receive(bytes.substr(0, piece), out);
      handle(std::move(out));
    }
    return replies.substr(start);
  }

  std::string greeting() {
    std::vector<Action> out;
    session.greet(out);
    handle(std::move(out));
    return replies;
  }

  void handle(std::vector<Action> actions) {
    for (Action& action : actions) {
      std::vector<Action> next;
      if (const auto* send = std::get_if<SendReply>(&action)) {
        replies += send->bytes;
        ++sends;
      } else if (const auto* rejected = std::get_if<Rejected>(&action)) {
        rejections.push_back(*rejected);
      } else if (auto* deliver = std::get_if<Deliver>(&action)) {
        messages.push_back(std::move(*deliver));
        if (answers) session.stored(store_reply, next);
      } else if (std::holds_alternative<AskSender>(action) || std::holds_alternative<AskRecipient>(action)) {
        questions.push_back(action);
        if (answers) session.decided(verdict, next);
      } else if (std::holds_alternative<Delay>(action)) {
        ++delays;
        if (answers) session.resume(next);
      } else if (std::holds_alternative<Close>(action)) {
        closed = true;
      }
      handle(std::move(next));
    }
  }

  ServerSession session;
  Reply store_reply = {250, "2.0.0", "Ok: queued as ID"};
  Verdict verdict;
  bool answers = true;  // false: the test answers itself

  std::string replies;
  int sends = 0;
  int delays = 0;
  bool closed = false;
  std::vector<Rejected> rejections;
  std::vector<Deliver> messages;
  std::vector<Action> questions;
};

}  // namespace hikyaku::smtp
