// From getrandom.
#include "queue/nonce.h"

#include <sys/random.h>

#include "util/error.h"

namespace hikyaku::queue {

uint64_t random_nonce() {
  uint64_t nonce = 0;
  util::ensure(::getrandom(&nonce, sizeof nonce, 0) == sizeof nonce, "getrandom gives 8 bytes");
  return nonce;
}

}  // namespace hikyaku::queue
