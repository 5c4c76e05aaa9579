// The envelope in a record: lib/queue/envelope.h. Input: its bytes.
#include "queue/envelope.h"

#include "t/fuzz/input.h"

using namespace hikyaku;
using fuzz::promise;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes = fuzz::Input(data, size).rest();
  const auto envelope = queue::parse_envelope(bytes);
  if (!envelope) {
    promise(envelope.error().permanent, "what is cut short stays so");
    return 0;
  }
  promise(envelope->recipients.size() <= size / 5, "no more recipients than there was room for");
  std::string written;
  append_envelope(*envelope, written);
  promise(written.size() <= size, "it takes no more room than it took");
  const auto again = queue::parse_envelope(written);
  promise(again && *again == *envelope, "written again, it is the same");
  std::string twice;
  append_envelope(*again, twice);
  promise(twice == written, "and stays as it is written");
  return 0;
}
