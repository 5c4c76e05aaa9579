// What the log says of a delivery's result, in the words that readers of mail logs know.
#include <initializer_list>

#include "smtp/client_session.h"

namespace hikyaku::smtp {
namespace {

struct Words {
  std::string_view command;  // "in reply to …"
  std::string_view doing;    // "while …"
};

Words words_of(Stage stage) {
  switch (stage) {
    case Stage::kConnect:
      return {"connection", "connecting"};
    case Stage::kGreeting:
      return {"connection", "receiving the initial server greeting"};
    case Stage::kEhlo:
      return {"EHLO command", "performing the EHLO handshake"};
    case Stage::kHelo:
      return {"HELO command", "performing the HELO handshake"};
    case Stage::kMail:
      return {"MAIL FROM command", "sending MAIL FROM"};
    case Stage::kRcpt:
      return {"RCPT TO command", "sending RCPT TO"};
    case Stage::kDataInit:
      return {"DATA command", "sending DATA command"};
    case Stage::kDataXfer:
      return {"message content", "sending message body"};
    case Stage::kDataDone:
      return {"end of DATA command", "sending end of data"};
    case Stage::kRset:
      return {"RSET command", "sending RSET command"};
    case Stage::kQuit:
      return {"QUIT command", "sending QUIT command"};
    case Stage::kIdle:
      return {"no command", "waiting for mail"};
  }
  return {};
}

std::string joined(std::initializer_list<std::string_view> pieces) {
  std::string text;
  for (const std::string_view piece : pieces) text += piece;
  return text;
}

}  // namespace

std::string explain(const DeliveryResult& result, std::string_view host) {
  const Words words = words_of(result.stage);
  const std::string_view doubt = result.in_doubt ? " -- message may be sent more than once" : "";
  switch (result.cause) {
    case Cause::kReply:
      if (result.outcome == Outcome::kSent) return result.reply.line();
      if (result.stage == Stage::kGreeting || result.stage == Stage::kIdle)
        return joined({"host ", host, " refused to talk to me: ", result.reply.line()});
      return joined({"host ", host, " said: ", result.reply.line(), " (in reply to ", words.command, ")"});
    case Cause::kLost:
      return joined({"lost connection with ", host, " while ", words.doing, doubt});
    case Cause::kTimedOut:
      return joined({"conversation with ", host, " timed out while ", words.doing, doubt});
    case Cause::kMalformed:
      return joined(
          {"host ", host, " sent an answer out of place while ", words.doing, ": ", result.reply.text, doubt});
    case Cause::kUnsendable:
      return joined({result.reply.text, " (server ", host, ")"});
  }
  return {};
}

}  // namespace hikyaku::smtp
