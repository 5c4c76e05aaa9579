// The content of messages, read from the log's segments and from bodies that qmgr has opened for us.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ipc/messages.h"
#include "os/unique_fd.h"
#include "queue/body_reader.h"
#include "queue/record_reader.h"
#include "util/error.h"

namespace hikyaku::smtp_client {

// The open segments, and the one buffer into which all content is read.
class Segments {
 public:
  void open(uint32_t number, uint64_t nonce, os::UniqueFd fd) { open_[number] = {nonce, std::move(fd)}; }
  void close(uint32_t number) { open_.erase(number); }
  // The segment's descriptor; -1 when it is not open, or is another one under the same number.
  int descriptor(const queue::Place& place) const;
  std::span<char> buffer(size_t size);

 private:
  struct Open {
    uint64_t nonce = 0;
    os::UniqueFd fd;
  };
  std::unordered_map<uint32_t, Open> open_;
  std::vector<char> buffer_;
};

// One message's content, piece by piece.
class ContentReader {
 public:
  // `body`: the descriptor of its body, -1 when it has none; it must stay open.
  ContentReader(Segments& segments, const ipc::Deliver& deliver, int body = -1)
      : segments_(segments), id_(deliver.id), place_(deliver.place), body_fd_(body) {}

  // The next piece, good until anybody reads again; at the end an empty one. The end comes only after all of it was
  // found to be what was accepted; before it, the message must not be ended. The error is permanent when the log is
  // damaged, and says where; temporary when the segment is not open or the disk could not be read.
  util::Result<std::string_view> next();
  // Whether `piece` is all of the content: then asking for the end leaves it where it is.
  bool is_whole(std::string_view piece) const {
    return begun_ && read_ == 0 && !place_.has_body() && piece.size() == place_.content_length;
  }
  queue::QueueId id() const { return id_; }

 private:
  util::Result<std::string_view> whole(int fd);
  util::Result<std::string_view> block(int fd);
  util::Result<std::string_view> block_of_body();
  std::unexpected<util::Error> damaged() const;

  Segments& segments_;
  queue::QueueId id_;
  queue::Place place_;
  uint64_t read_ = 0;
  bool begun_ = false;
  queue::ContentCheck check_;  // of content that is read in blocks
  int body_fd_;
  queue::BodyReader body_;
};

}  // namespace hikyaku::smtp_client
