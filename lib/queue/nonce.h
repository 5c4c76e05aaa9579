// Numbers that nobody can guess.
#pragma once

#include <cstdint>

namespace hikyaku::queue {

// From the kernel. It marks a file's records as the file's own, and so must never be seen outside.
uint64_t random_nonce();

}  // namespace hikyaku::queue
