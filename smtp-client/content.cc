// Reading and checking content.
#include "smtp-client/content.h"

#include <fmt/format.h>

#include <span>

#include "os/file.h"
#include "queue/log_format.h"

namespace hikyaku::smtp_client {

namespace {

constexpr uint64_t kReadWhole = 1 << 20;  // a record up to here is read at once
constexpr size_t kBlock = 256 << 10;

std::unexpected<util::Error> unreadable(std::string_view where_and_why) {
  return util::temporary(fmt::format("cannot read queue file: {}", where_and_why));
}

}  // namespace

int Segments::descriptor(const queue::Place& place) const {
  const auto found = open_.find(place.segment);
  return found != open_.end() && found->second.nonce == place.nonce ? found->second.fd.get() : -1;
}

std::span<char> Segments::buffer(size_t size) {
  if (buffer_.size() < size) buffer_.resize(size);
  return {buffer_.data(), size};
}

util::Result<std::string_view> ContentReader::next() {
  const int fd = segments_.descriptor(place_);
  if (fd < 0) return util::temporary(fmt::format("queue file {} is not open", place_.segment));
  const uint64_t record = queue::kRecordHeaderSize + place_.envelope_length + place_.content_length;
  return record <= kReadWhole && !place_.has_body() ? whole(fd) : block(fd);
}

// Header, envelope and content with one system call.
util::Result<std::string_view> ContentReader::whole(int fd) {
  if (std::exchange(begun_, true)) return std::string_view();
  const size_t head = queue::kRecordHeaderSize + place_.envelope_length;
  const std::span<char> record = segments_.buffer(head + place_.content_length);
  const auto read = os::read_at(fd, record, place_.offset);
  if (!read)
    return unreadable(fmt::format("segment {}, offset {}: {}", place_.segment, place_.offset, read.error().text));
  if (*read < record.size()) return damaged();
  const std::string_view bytes(record.data(), record.size());
  const std::string_view header_bytes = bytes.substr(0, queue::kRecordHeaderSize);
  const auto header = queue::parse_record_header(header_bytes, place_.nonce);
  if (!header || header->id != id_ || header->envelope_length != place_.envelope_length ||
      header->content_length != place_.content_length)
    return damaged();
  if (!queue::is_head_whole(header_bytes, bytes.substr(queue::kRecordHeaderSize, place_.envelope_length)))
    return damaged();
  const std::string_view content = bytes.substr(head);
  queue::ContentCheck check(header->content_length, header->content_crc);
  check.extend(content);
  if (!check.intact()) return damaged();
  return content;
}

util::Result<std::string_view> ContentReader::block(int fd) {
  if (!std::exchange(begun_, true)) {
    auto record = queue::check_record(fd, id_, place_);
    if (!record) return record.error().permanent ? damaged() : unreadable(record.error().text);
    check_ = record->check;
    body_ = queue::BodyReader(body_fd_, id_, record->body);
  }
  if (read_ == place_.head_length()) return block_of_body();
  const std::span<char> buffer = segments_.buffer(kBlock);
  const auto length = queue::read_content(fd, place_, read_, buffer);
  if (!length) return unreadable(length.error().text);
  const std::string_view piece(buffer.data(), *length);
  check_.extend(piece);
  read_ += piece.size();
  const bool ended = piece.empty() || read_ == place_.head_length();
  if (ended && !check_.intact()) return damaged();
  return piece;
}

// Behind what stands in the segment; without a body, the end.
util::Result<std::string_view> ContentReader::block_of_body() {
  const std::span<char> buffer = segments_.buffer(kBlock);
  const auto length = body_.next(buffer);
  if (length) return std::string_view(buffer.data(), *length);
  if (!length.error().permanent) return unreadable(length.error().text);
  return util::permanent("queue file damaged: " + length.error().text);
}

std::unexpected<util::Error> ContentReader::damaged() const {
  return util::permanent(fmt::format("queue file damaged at {}:{}", place_.segment, place_.offset));
}

}  // namespace hikyaku::smtp_client
