// What cleanup does to a message's header: our Received or loop mark, removed fields, the hop limit (rows 31-34; C5).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cleanup/received.h"
#include "smtp/reply.h"

namespace hikyaku::cleanup {

// Passes of one message through this instance that the loop mark allows.
inline constexpr uint64_t kMostPasses = 10;

struct HeaderPolicy {
  ReceivedHeader received_header = ReceivedHeader::kAbbreviated;
  size_t hopcount_limit = 50;         // Received fields that a message may arrive with
  std::string loop_token;             // opaque, fixed for this instance: letters and digits
  size_t header_size_limit = 102400;  // octets of a field that is read; of a longer one only the name is
};

// The new content is `prepend` followed by `keep`. The views point into the content that was given.
struct HeaderResult {
  std::optional<smtp::Reply> refusal;  // "554 5.4.6 …"; when set, nothing else is meant
  std::string prepend;
  std::vector<std::string_view> keep;  // in order; one piece when nothing is removed
  std::string_view message_id;         // of the first Message-ID field, unescaped; empty when there is none
  size_t hops = 0;                     // Received fields that it arrived with, counted before any is removed
};

// `content`: header and body with CRLF line ends, as received. Linear in the length of the header.
HeaderResult apply_header_policy(const HeaderPolicy& policy, const ReceivedFacts& facts, std::string_view content);

}  // namespace hikyaku::cleanup
