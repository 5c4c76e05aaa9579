// Big messages that are being received: their bodies' files, which smtpd writes, until it says that they are complete.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "cleanup/config.h"
#include "cleanup/refusals.h"
#include "ipc/messages.h"
#include "ipc/peer.h"
#include "queue/body_files.h"
#include "queue/log_writer.h"

namespace hikyaku::cleanup {

struct IncomingBody {
  queue::QueueId name;  // of the unfinished file; not the message's
  os::UniqueFd file;
  uint64_t expected = 0;  // bytes
  int64_t arrival = 0;    // microseconds since 1970
  std::string envelope;   // its bytes
  std::string head;       // the content up to where the file goes on, our own fields before it
  std::string message_id;
  uint32_t flags = 0;  // of the header: queue::kUtf8Header
};

class IncomingBodies {
 public:
  IncomingBodies(queue::Disk& disk, queue::LogWriter& writer, queue::BodyFiles& files, Refusals& refusals)
      : disk_(disk), writer_(writer), files_(files), refusals_(refusals) {}

  // Makes the file and passes it, or refuses. False: the frame is malformed.
  bool begin(const Config& config, ipc::Peer& from, const ipc::BeginBody& begun);
  // The one that was begun under this number; it is the caller's now.
  std::optional<IncomingBody> take(ipc::Peer& from, uint64_t request);
  // It will not be completed.
  void drop(ipc::Peer& from, uint64_t request);
  void drop_all_of(ipc::Peer& from);
  void drop_all();

 private:
  using Key = std::pair<ipc::Peer*, uint64_t>;

  bool has_room(const ipc::BeginBody& begun);

  queue::Disk& disk_;
  queue::LogWriter& writer_;
  queue::BodyFiles& files_;
  Refusals& refusals_;
  std::map<Key, IncomingBody> bodies_;
};

}  // namespace hikyaku::cleanup
