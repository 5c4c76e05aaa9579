// The path of MAIL and RCPT: lib/smtp/address.h, and the next hop of what was accepted.
//
// Input: a byte (bit 0: of RCPT, bit 1: strict), then what stands behind the colon.
#include "smtp/address.h"
#include "smtp/route.h"
#include "t/fuzz/input.h"
#include "util/text.h"

using namespace hikyaku;
using fuzz::promise;

namespace {

util::Result<smtp::Address> take(std::string_view& text, bool of_recipient, bool strict) {
  return of_recipient ? smtp::take_forward_path(text, strict) : smtp::take_reverse_path(text, strict);
}

// Outside of a quoted local part: nothing that would end a path or a command in another program.
void check_octets(std::string_view mailbox) {
  promise(!fuzz::has_control(mailbox), "no control character is in an address");
  promise(util::is_utf8(mailbox), "it is UTF-8");
  if (mailbox.starts_with('"')) return;
  promise(mailbox.find_first_of(" \"<>,;()\\") == mailbox.npos, "nothing in it ends a path");
}

void check_accepted(const smtp::Address& address, bool of_recipient) {
  if (address.is_null()) return promise(!of_recipient, "no recipient is null");
  check_octets(address.mailbox);
  promise(address.local_length <= smtp::kMaxLocalPart && address.domain().size() <= smtp::kMaxDomain, "lengths");
  promise(address.mailbox.size() + 2 <= smtp::kMaxPath, "a path within its limit");

  const std::string path = "<" + address.mailbox + ">";
  for (const bool again_strict : {true, false}) {
    std::string_view text = path;
    const auto again = take(text, of_recipient, again_strict);
    promise(again && *again == address && text.empty(), "an accepted address, written out, is read as the same");
  }
  promise(smtp::domain_of(address.mailbox) == address.domain(), "one domain, whoever looks for it");
  if (address.domain().empty()) return promise(of_recipient, "only postmaster has no domain");
  const auto parsed = smtp::parse_mailbox(address.mailbox);
  promise(parsed && *parsed == address, "the mailbox alone is the same address");
  const auto hop = smtp::next_hop(std::nullopt, address.mailbox);
  promise(hop.has_value(), "mail for an accepted address has a next hop");
  const auto same = smtp::parse_relayhost(smtp::to_text(*hop));
  promise(same && *same && **same == *hop, "a next hop, written out, is read as the same");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  const uint8_t kind = input.byte();
  const bool of_recipient = (kind & 1) != 0;
  const bool strict = (kind & 2) != 0;

  std::string_view text = input.rest();
  const auto address = take(text, of_recipient, strict);
  if (!address) {
    promise(text == input.rest(), "what is refused is left as it was");
    promise(!address.error().text.empty() && !fuzz::has_control(address.error().text), "a refusal says why");
    return 0;
  }
  promise(input.rest().ends_with(text), "what follows the path is left");
  promise(text.empty() || text.front() == ' ' || text.front() == '\t', "parameters are set apart");
  check_accepted(*address, of_recipient);
  if (!strict) return 0;
  std::string_view lenient_text = input.rest();
  const auto lenient = take(lenient_text, of_recipient, false);
  promise(lenient && *lenient == *address, "what is good when strict is the same when lenient");
  return 0;
}
