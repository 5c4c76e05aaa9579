// Helpers.
#include "t/lib/queue/log_helpers.h"

#include <fcntl.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "queue/record_reader.h"

namespace hikyaku::queue {

LogOptions small_log() {
  LogOptions options;
  options.segment_size = kSmallSegment;
  options.nonce = [next = uint64_t{0x1000}]() mutable { return ++next; };
  return options;
}

Message message(uint64_t id, size_t size) {
  Message made;
  made.id = id;
  made.content = "Subject: " + std::to_string(id) + "\r\n\r\n";
  while (made.content.size() < size) made.content += static_cast<char>('a' + (made.content.size() + id) % 26);
  Envelope envelope;
  envelope.sender = "sender" + std::to_string(id) + "@example.com";
  envelope.recipients = {{"one@example.net", "", 0}, {"two@example.net", "rfc822;two@example.net", kNotifyFailure}};
  envelope.arrival = static_cast<int64_t>(id);
  append_envelope(envelope, made.envelope);
  return made;
}

std::vector<Place> append_all(LogWriter& writer, const std::vector<Message>& messages) {
  std::vector<Place> places;
  for (const Message& m : messages) {
    const std::string_view content = m.content;
    const size_t middle = content.size() / 2;
    const std::string_view pieces[] = {content.substr(0, middle), {}, content.substr(middle)};
    places.push_back(writer.append(QueueId{m.id}, kEightBit, m.envelope, pieces));
  }
  return places;
}

Found read_log(Disk& disk, const std::string& folder, std::optional<LogPosition> end, size_t limit) {
  LogReader reader(disk, folder);
  Found found;
  for (size_t before = 1; before != found.entries.size();) {
    before = found.entries.size();
    auto position = reader.read_entries(found.end, end, limit, found.entries, found.damage);
    if (!position) FAIL(position.error().text);
    found.end = *position;
    if (found.entries.empty()) break;
  }
  for (const LogEntry& entry : found.entries) {
    auto fd = reader.open_segment(entry.place.segment);
    REQUIRE(fd);
    auto head = read_head(fd->get(), entry.id, entry.place);
    if (!head) FAIL(head.error().text);
    CHECK(head->envelope == entry.envelope);
    std::string content(entry.place.content_length, '\0');
    REQUIRE(read_content(fd->get(), entry.place, 0, content) == content.size());
    head->check.extend(content);
    CHECK(head->check.intact());
    found.messages[entry.id.value] = content;
  }
  return found;
}

std::vector<uint64_t> ids(const Found& found) {
  std::vector<uint64_t> result;
  for (const LogEntry& entry : found.entries) result.push_back(entry.id.value);
  return result;
}

void flip_bit(const std::string& path, uint64_t offset, int bit) {
  const os::UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  char byte = 0;
  REQUIRE(::pread(fd.get(), &byte, 1, static_cast<off_t>(offset)) == 1);
  byte = static_cast<char>(byte ^ (1 << bit));
  REQUIRE(::pwrite(fd.get(), &byte, 1, static_cast<off_t>(offset)) == 1);
}

void overwrite(const std::string& path, uint64_t offset, std::string_view bytes) {
  const os::UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  const ssize_t n = ::pwrite(fd.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
  REQUIRE(n == static_cast<ssize_t>(bytes.size()));
}

}  // namespace hikyaku::queue
