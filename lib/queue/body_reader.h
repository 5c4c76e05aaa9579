// A body out of its file, on a descriptor: for the daemons that deliver or show it. Also all of a message, wherever its
// parts stand.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "queue/body_format.h"
#include "queue/record_reader.h"
#include "util/error.h"

namespace hikyaku::queue {

class BodyReader {
 public:
  BodyReader() = default;
  // `fd` must stay open while it is read.
  BodyReader(int fd, QueueId id, const BodyReference& reference)
      : fd_(fd), id_(id), length_(reference.length), check_(reference.length, reference.crc) {}

  // The next bytes; 0 at the end, which only comes when all of it was what was accepted. Permanent error when it was
  // not, temporary when the disk could not be read.
  util::Result<size_t> next(std::span<char> buffer);

 private:
  int fd_ = -1;
  QueueId id_;
  uint64_t length_ = 0;
  uint64_t read_ = 0;
  ContentCheck check_;
};

// One message from its first byte to its last.
class MessageReader {
 public:
  // `body`: the descriptor of its file, -1 when it has none. Both must stay open. Errors as read_head() has them.
  static util::Result<MessageReader> open(int segment, int body, QueueId id, const Place& place);

  const Envelope& envelope() const { return envelope_; }
  // As BodyReader::next().
  util::Result<size_t> next(std::span<char> buffer);

 private:
  MessageReader(int segment, const Place& place) : segment_(segment), place_(place) {}

  int segment_;
  Place place_;
  Envelope envelope_;
  uint64_t read_ = 0;  // of what stands in the segment
  ContentCheck check_;
  BodyReader body_;
};

}  // namespace hikyaku::queue
