// A server's session with a caller that answers its questions, told as text: what the tests read.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "smtp/server_session.h"

namespace hikyaku::smtp {

// Without its line end.
inline std::string last_line(const std::string& replies) {
  const size_t end = replies.rfind("\r\n");
  const size_t start = end == 0 || end == replies.npos ? replies.npos : replies.rfind("\r\n", end - 1);
  return replies.substr(start == replies.npos ? 0 : start + 2, end - (start == replies.npos ? 0 : start + 2));
}

// Answers every action at once, and writes down what happened.
//
// As long as a test only says() things, a second session hears the same byte by byte, and must come to the same.
class ServerDialog {
 public:
  explicit ServerDialog(ServerOptions options = relaying()) : session(options) {
    // What comes together matters there.
    if (!options.forbid_blind_talk) byte_by_byte_ = std::unique_ptr<ServerDialog>(new ServerDialog(options, nullptr));
  }

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
    if (!answers) byte_by_byte_.reset();
    if (byte_by_byte_) byte_by_byte_->hear(bytes, 1);
    hear(bytes, piece);
    if (byte_by_byte_) compare(*byte_by_byte_);
    return replies.substr(start);
  }

  std::string greeting() {
    std::vector<Action> out;
    session.greet(out);
    if (byte_by_byte_) byte_by_byte_->greeting();
    handle(std::move(out));
    return replies;
  }

  // The same answers from now on, in both sessions.
  void answer(Verdict decision, Reply stored) {
    verdict = std::move(decision);
    store_reply = std::move(stored);
    if (byte_by_byte_) byte_by_byte_->answer(verdict, store_reply);
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
      } else if (const auto* noted = std::get_if<Noted>(&action)) {
        notes.push_back(*noted);
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
  std::vector<Noted> notes;

 private:
  ServerDialog(const ServerOptions& options, std::unique_ptr<ServerDialog> none)
      : session(options), byte_by_byte_(std::move(none)) {}

  void hear(std::string_view bytes, size_t piece) {
    for (; !bytes.empty(); bytes.remove_prefix(std::min(piece, bytes.size()))) {
      std::vector<Action> out;
      session.receive(bytes.substr(0, piece), out);
      handle(std::move(out));
    }
  }

  void compare(const ServerDialog& other) const {
    CHECK(other.replies == replies);
    CHECK(other.messages == messages);
    CHECK(other.rejections == rejections);
    CHECK(other.notes == notes);
    CHECK(other.delays == delays);
    CHECK(other.closed == closed);
    CHECK(other.session.place() == session.place());
    CHECK(other.session.command_counts() == session.command_counts());
    CHECK(other.session.commands() == session.commands());
    CHECK(other.session.in_transaction() == session.in_transaction());
    if (session.in_transaction()) CHECK(other.session.transaction() == session.transaction());
  }

  std::unique_ptr<ServerDialog> byte_by_byte_;
};

}  // namespace hikyaku::smtp
