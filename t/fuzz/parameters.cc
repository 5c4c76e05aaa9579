// What follows the address of MAIL and RCPT: SIZE (RFC 1870), BODY (RFC 6152), SMTPUTF8 (RFC 6531), and what the sender
// wants to be told (RFC 3461).
//
// Input: a byte (bit 0: of RCPT, bit 1: the server has no size limit), then the parameters.
#include <span>

#include "t/fuzz/server_ear.h"
#include "util/text.h"

using namespace hikyaku;
using fuzz::promise;

namespace {

constexpr uint64_t kLimit = 20'000'000;

struct Heard {
  smtp::Reply reply;
  bool accepted = false;
  smtp::Transaction transaction;
};

Heard hear(std::string_view command, const smtp::ServerOptions& options, bool of_recipient) {
  fuzz::ServerEar ear(options, "");
  ear.hear_all("EHLO c.example\r\n", std::string_view::npos);
  if (of_recipient) ear.hear_all("MAIL FROM:<a@example.jp>\r\n", std::string_view::npos);
  ear.replies.clear();
  ear.hear_all(command, std::string_view::npos);
  const auto replies = fuzz::replies_in(ear.replies);
  promise(replies.size() == 1, "each command has one answer");
  const auto& session = ear.session();
  const bool accepted = of_recipient ? !session.transaction().recipients.empty() : session.in_transaction();
  promise(accepted == replies[0].is_positive(), "accepted when it says so");
  return {replies[0], accepted, session.transaction()};
}

// Each at most once, and no other.
bool are_known(std::string_view parameters, std::span<const std::string_view> known) {
  const auto words = util::split(parameters, " \t\r");
  size_t found = 0;
  for (const std::string_view name : known) {
    const auto times = std::ranges::count_if(words, [&](std::string_view word) {
      return name.ends_with('=') ? util::istarts_with(word, name) : util::iequals(word, name);
    });
    if (times > 1) return false;
    found += static_cast<size_t>(times);
  }
  return found == words.size();
}
constexpr std::string_view kOfMail[] = {"SIZE=", "BODY=", "SMTPUTF8", "RET=", "ENVID="};
constexpr std::string_view kOfRcpt[] = {"NOTIFY=", "ORCPT="};

// As a client of ours would write them.
std::string written(const smtp::Transaction& transaction) {
  std::string text;
  if (transaction.size) text += " SIZE=" + std::to_string(*transaction.size);
  text += transaction.eight_bit_mime ? " BODY=8BITMIME" : " BODY=7BIT";
  if (transaction.smtputf8) text += " SMTPUTF8";
  if (!transaction.return_content.empty()) text += " RET=" + transaction.return_content;
  if (!transaction.envelope_id.empty()) text += " ENVID=" + transaction.envelope_id;
  return text;
}
std::string written(const smtp::Recipient& recipient) {
  std::string text;
  if (recipient.notify != 0) text += " NOTIFY=" + smtp::notify_text(recipient.notify);
  if (!recipient.original_recipient.empty()) text += " ORCPT=" + recipient.original_recipient;
  return text;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  const uint8_t bits = input.byte();
  const bool of_recipient = (bits & 1) != 0;
  smtp::ServerOptions options;
  options.hostname = "mx.example.jp";
  options.relay_allowed = true;
  options.size_limit = (bits & 2) != 0 ? 0 : kLimit;
  const std::string parameters(input.rest().substr(0, input.rest().find('\n')));
  const std::string start = of_recipient ? "RCPT TO:<b@example.com> " : "MAIL FROM:<a@example.jp> ";

  const Heard heard = hear(start + parameters + "\r\n", options, of_recipient);
  if (!heard.accepted) {
    promise(heard.reply.code >= 500, "a wrong parameter is wrong for good");
    return 0;
  }
  if (of_recipient) {
    promise(heard.transaction.recipients.size() == 1, "an accepted recipient is there");
    const smtp::Recipient& recipient = heard.transaction.recipients.front();
    promise(recipient.mailbox == "b@example.com", "no parameter changes a recipient");
    promise(are_known(parameters, kOfRcpt), "what is accepted is known, and comes once");
    const Heard again = hear(start + written(recipient) + "\r\n", options, true);
    promise(again.accepted && again.transaction == heard.transaction, "written again, they mean the same");
    return 0;
  }
  promise(are_known(parameters, kOfMail), "what is accepted is known, and comes once");
  promise(heard.transaction.sender == "a@example.jp", "no parameter changes the sender");
  promise(options.size_limit == 0 || heard.transaction.size.value_or(0) <= options.size_limit, "within the limit");
  const Heard again = hear(start + written(heard.transaction) + "\r\n", options, false);
  promise(again.accepted && again.transaction == heard.transaction, "written again, they mean the same");
  return 0;
}
