// The header that a message leaves with: the policy, told what the envelope knows.
#pragma once

#include <cstdint>
#include <string_view>

#include "cleanup/config.h"
#include "queue/envelope.h"

namespace hikyaku::cleanup {

// `content`: at least the whole header. The views of the result point into it.
HeaderResult new_header(const Config& config, const queue::Envelope& envelope, std::string_view content);
// The flags of place.h that follow from the header of this content.
uint32_t header_flags(const queue::Envelope& envelope, std::string_view content);

}  // namespace hikyaku::cleanup
