// The header that a message leaves with.
#include "cleanup/new_header.h"

#include "os/clock.h"

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

}  // namespace hikyaku::cleanup
