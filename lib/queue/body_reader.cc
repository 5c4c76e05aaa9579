// Reading bodies.
#include "queue/body_reader.h"

#include <algorithm>

#include "os/file.h"

namespace hikyaku::queue {

util::Result<size_t> BodyReader::next(std::span<char> buffer) {
  const std::string where = body_name(id_) + ", offset " + std::to_string(read_);
  if (fd_ < 0 && length_ > 0) return util::temporary(where + ": not open");
  const auto wanted = buffer.first(std::min<uint64_t>(buffer.size(), length_ - read_));
  if (wanted.empty()) {
    if (!check_.intact()) return util::permanent(body_name(id_) + ": not what was accepted");
    return size_t{0};
  }
  const auto read = os::read_at(fd_, wanted, read_);
  if (!read) return util::temporary(where + ": " + read.error().text);
  if (*read < wanted.size()) return util::permanent(where + ": the file ends before the body does");
  check_.extend({wanted.data(), wanted.size()});
  read_ += wanted.size();
  return wanted.size();
}

util::Result<MessageReader> MessageReader::open(int segment, int body, QueueId id, const Place& place) {
  auto head = read_head(segment, id, place);
  if (!head) return std::unexpected(head.error());
  MessageReader reader(segment, place);
  reader.envelope_ = std::move(head->envelope);
  reader.check_ = head->check;
  reader.body_ = BodyReader(body, id, head->body);
  return reader;
}

util::Result<size_t> MessageReader::next(std::span<char> buffer) {
  if (read_ == place_.head_length()) return body_.next(buffer);
  auto length = read_content(segment_, place_, read_, buffer);
  if (!length) return length;
  check_.extend({buffer.data(), *length});
  read_ += *length;
  const bool ended = *length == 0 || read_ == place_.head_length();
  if (ended && !check_.intact())
    return util::permanent("segment " + std::to_string(place_.segment) + ", offset " + std::to_string(place_.offset) +
                           ": the content is not what was accepted");
  return length;
}

}  // namespace hikyaku::queue
