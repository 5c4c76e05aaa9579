// Every message between daemons: lib/ipc/codec.h and messages.h. Input: the frame's type in two bytes, then its
// payload.
#include "t/fuzz/input.h"
#include "t/lib/ipc/all_messages.h"

using namespace hikyaku;
using fuzz::promise;

namespace {

template <class Message>
void try_as(std::string_view payload) {
  Message message;
  if (!ipc::decode_all(payload, message)) return;
  promise(ipc::encoded(message) == payload, "a message, written again, is the same");
  const std::string dumped = ipc::dump(message);
  promise(!fuzz::has_control(dumped), "its dump is one line");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  const uint64_t type = input.number(2);
  ipc::for_each_message([&]<class Message>() {
    if (Message::kType == type) try_as<Message>(input.rest());
  });
  return 0;
}
