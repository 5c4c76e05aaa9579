// The header that a message leaves with.
#include "cleanup/new_header.h"

#include "mime/header_block.h"
#include "os/clock.h"
#include "queue/place.h"
#include "util/text.h"

namespace hikyaku::cleanup {

HeaderResult new_header(const Config& config, const queue::Envelope& envelope, std::string_view content) {
  const ReceivedFacts facts{.helo = envelope.helo,
                            .client_name = envelope.client_name,
                            .client_address = envelope.client_address,
                            .our_name = config.our_name,
                            .our_address = envelope.server_address,
                            .arrival = envelope.arrival,
                            .utc_offset = os::utc_offset(envelope.arrival)};
  // Our own reports say where they come from in their header; a Received field of ours would only repeat it.
  const bool own = envelope.client_address.empty();
  HeaderPolicy policy = config.headers;
  if (own) policy.received_header = ReceivedHeader::kNone;
  return apply_header_policy(policy, facts, content);
}

uint32_t header_flags(const queue::Envelope& envelope, std::string_view content) {
  if (!envelope.smtputf8) return 0;
  return util::is_ascii(content.substr(0, mime::HeaderBlock(content).body())) ? 0 : queue::kUtf8Header;
}

}  // namespace hikyaku::cleanup
