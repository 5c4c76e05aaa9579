// A server's session and a caller that answers its questions from a script: what the targets for commands, parameters
// and sessions hear.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "smtp/server_session.h"
#include "t/fuzz/input.h"
#include "util/overloaded.h"

namespace hikyaku::fuzz {

// What the caller says to the n-th question: for an octet of the script.
inline smtp::Reply answer_of(uint8_t octet) {
  switch (octet % 8) {
    case 1:
      return {450, "4.7.1", "Try again"};
    case 2:
      return {550, "5.7.1", "No"};
    case 3:
      return {421, "4.3.2", "Shutting down"};
    case 4:
      return {521, "5.7.0", "Go away"};
    default:
      return {250, "2.0.0", "Ok: queued as ID"};
  }
}

// What a message was when it was handed out, whether in one piece or in many.
struct Message {
  smtp::Transaction transaction;
  std::string content;
  bool has_dot_line = false;
  bool eight_bit = false;
  bool has_long_line = false;
  bool operator==(const Message&) const = default;
};

class ServerEar {
 public:
  // `delayed`: an answer is given only when the next bytes have come.
  ServerEar(const smtp::ServerOptions& options, std::string_view script, bool delayed = false)
      : session_(options), script_(script), delayed_(delayed) {}

  void greet() {
    call([this](auto& out) { session_.greet(out); });
  }
  void hear(std::string_view bytes) {
    call([&](auto& out) { session_.receive(bytes, out); });
    answer_all();
  }
  void hear_all(std::string_view bytes, size_t piece) {
    in_pieces(bytes, piece, [this](std::string_view some) { hear(some); });
    delayed_ = false;
    answer_all();
  }
  void time_out() {
    call([this](auto& out) { session_.timed_out(out); });
  }
  void shut_down() {
    call([this](auto& out) { session_.shut_down(out); });
    answer_all();
  }

  const smtp::ServerSession& session() const { return session_; }

  std::string replies;
  std::vector<Message> messages;
  std::vector<smtp::Rejected> rejections;
  std::vector<smtp::Noted> notes;
  size_t questions = 0;
  size_t delays = 0;
  bool closed = false;

 private:
  template <class Call>
  void call(Call&& what) {
    const bool over = closed;
    std::vector<smtp::Action> out;
    what(out);
    promise(!over || out.empty(), "nothing happens behind Close");
    for (const smtp::Action& action : out) take(action);
    promise(session_.closed() == closed, "it is closed when it says so");
    promise(session_.waiting() == (pending_ != nullptr), "it waits for an answer when it has asked");
  }

  void take(const smtp::Action& action) {
    promise(!closed, "Close is the last");
    std::visit(util::Overloaded{
                   [&](const smtp::SendReply& send) { replies += send.bytes; },
                   [&](const smtp::AskSender&) { ask(&ServerEar::decide); },
                   [&](const smtp::AskRecipient& question) {
                     promise(!question.recipient.empty(), "a recipient to decide on");
                     ask(&ServerEar::decide);
                   },
                   [&](const smtp::BigContent& big) {
                     promise(!in_pieces_, "one message at a time");
                     in_pieces_ = Message{big.transaction, big.bytes};
                   },
                   [&](const smtp::ContentPiece& piece) {
                     promise(in_pieces_.has_value() && !piece.bytes.empty(), "a piece of what was begun");
                     in_pieces_->content += piece.bytes;
                   },
                   [&](const smtp::ContentDropped&) {
                     promise(in_pieces_.has_value(), "what is dropped was begun");
                     in_pieces_.reset();
                   },
                   [&](const smtp::Deliver& deliver) { take_message(deliver); },
                   [&](const smtp::Rejected& rejected) { rejections.push_back(rejected); },
                   [&](const smtp::Delay&) {
                     ++delays;
                     pending_ = &ServerEar::resume;
                   },
                   [&](const smtp::Close&) {
                     closed = true;
                     pending_ = nullptr;
                   },
                   [&](const smtp::Noted& noted) { notes.push_back(noted); },
               },
               action);
  }

  void take_message(const smtp::Deliver& deliver) {
    promise(deliver.in_pieces == in_pieces_.has_value(), "it says so when all went before");
    promise(!deliver.in_pieces || deliver.content.empty(), "in pieces or whole");
    Message message{deliver.transaction, deliver.content, deliver.has_dot_line, deliver.eight_bit,
                    deliver.has_long_line};
    if (in_pieces_) {
      promise(in_pieces_->transaction == deliver.transaction, "the pieces were the same message's");
      message.content = std::move(in_pieces_->content);
    }
    in_pieces_.reset();
    messages.push_back(std::move(message));
    ask(&ServerEar::store);
  }

  using Answer = void (ServerEar::*)();
  void ask(Answer answer) {
    ++questions;
    pending_ = answer;
  }
  void answer_all() {
    if (delayed_ && pending_ != due_) {
      due_ = pending_;
      return;
    }
    while (pending_ != nullptr) {
      due_ = nullptr;
      (this->*std::exchange(pending_, nullptr))();
    }
  }
  smtp::Reply next_answer() {
    return answer_of(script_.empty() ? 0 : static_cast<uint8_t>(script_[at_++ % script_.size()]));
  }
  void decide() {
    const smtp::Reply reply = next_answer();
    call([&](auto& out) {
      session_.decided(reply.is_positive() ? smtp::Verdict::accept() : smtp::Verdict::refuse(reply), out);
    });
  }
  void store() {
    const smtp::Reply reply = next_answer();
    call([&](auto& out) { session_.stored(reply, out); });
  }
  void resume() {
    call([this](auto& out) { session_.resume(out); });
  }

  smtp::ServerSession session_;
  std::string_view script_;
  size_t at_ = 0;
  Answer pending_ = nullptr;
  Answer due_ = nullptr;
  bool delayed_;
  std::optional<Message> in_pieces_;
};

// The replies of a wire form, each of which must be a good one.
inline std::vector<smtp::Reply> replies_in(std::string_view wire) {
  std::vector<smtp::Reply> replies;
  smtp::ReplyParser parser;
  for (std::string_view rest = wire; !rest.empty();) {
    promise(parser.parse(rest) == smtp::ReplyParser::Status::kReply, "what goes out is whole replies");
    replies.push_back(parser.take());
  }
  for (std::string_view rest = wire; !rest.empty();) {
    const std::string_view line = rest.substr(0, rest.find("\r\n"));
    promise(line.size() + 2 <= 512 && !has_control(line), "each in lines within their limit");
    promise(std::ranges::all_of(line, [](char c) { return static_cast<unsigned char>(c) < 128; }), "in ASCII");
    rest.remove_prefix(std::min(line.size() + 2, rest.size()));
  }
  return replies;
}

}  // namespace hikyaku::fuzz
