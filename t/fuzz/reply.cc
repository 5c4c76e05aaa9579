// What a server answers: lib/smtp/reply.h's parser, as the client's session uses it.
//
// Input: a byte (how large the second parser's pieces are), then what the server sends.
#include "smtp/reply.h"

#include <string>
#include <vector>

#include "t/fuzz/input.h"

using namespace hikyaku;
using fuzz::promise;
using smtp::Reply;
using smtp::ReplyParser;

namespace {

struct Heard {
  std::vector<Reply> replies;
  std::optional<std::string> malformed;

  bool operator==(const Heard&) const = default;
};

Heard hear(std::string_view wire, size_t piece, char joint) {
  Heard heard;
  ReplyParser parser;
  fuzz::in_pieces(wire, piece, [&](std::string_view bytes) {
    while (!heard.malformed) {
      const size_t before = bytes.size();
      const auto status = parser.parse(bytes);
      if (status == ReplyParser::Status::kNeedMore) {
        promise(bytes.empty(), "it asks for more when it has used all");
        return;
      }
      promise(bytes.size() < before, "a reply takes an octet at least");
      if (status == ReplyParser::Status::kMalformed) heard.malformed = parser.malformed();
      if (status == ReplyParser::Status::kReply) heard.replies.push_back(parser.take(joint));
    }
  });
  return heard;
}

void check_reply(const Reply& reply) {
  promise(reply.code >= 200 && reply.code <= 599, "a code from 200 to 599");
  promise(reply.text.size() <= ReplyParser::kMaxReplyText, "no more text than promised");
  promise(reply.text.find_first_of(std::string_view("\0\r\n", 3)) == std::string::npos, "the text is one line");
  promise(reply.enhanced.empty() || smtp::enhanced_code_of(reply.code, reply.enhanced) == reply.enhanced,
          "an enhanced code of the reply's class");

  // As our own server would say it.
  std::string wire;
  append_reply(wire, reply);
  promise(wire.size() <= 512 && wire.ends_with("\r\n"), "a line within its limit");
  promise(!fuzz::has_control(std::string_view(wire).substr(0, wire.size() - 2)), "no text begins a line of its own");
  const Heard again = hear(wire, std::string_view::npos, ' ');
  promise(again.replies.size() == 1 && again.replies[0].code == reply.code,
          "said again, it is one reply with its code");
  const bool plain = !fuzz::has_control(reply.text) &&
                     std::ranges::all_of(reply.text, [](char c) { return static_cast<unsigned char>(c) < 128; });
  const bool ambiguous = reply.enhanced.empty() || smtp::enhanced_code_of(reply.code, reply.text) == reply.enhanced;
  if (plain && !ambiguous && wire.size() < 512) promise(again.replies[0] == reply, "said again, it is the same");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  const size_t piece = 2 + input.byte() % 64;
  const std::string_view wire = input.rest();
  for (const char joint : {' ', '\n'}) {
    const Heard whole = hear(wire, std::string_view::npos, joint);
    promise(whole == hear(wire, 1, joint), "the same octet by octet");
    promise(whole == hear(wire, piece, joint), "the same in pieces");
    if (whole.malformed) promise(whole.malformed->size() <= ReplyParser::kMaxReplyText, "a bounded malformed line");
    if (joint == ' ') std::ranges::for_each(whole.replies, check_reply);
  }
  return 0;
}
