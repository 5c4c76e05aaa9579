// Takes the content out of the octets behind DATA and BDAT.
#include "smtp/data_decoder.h"

#include <cstring>

#include "smtp/line_folder.h"
#include "util/text.h"

namespace hikyaku::smtp {
namespace {

// Index of `c` in `bytes` at or behind `from` and before `end`, else `end`.
size_t find(std::string_view bytes, char c, size_t from, size_t end) {
  const void* hit = std::memchr(bytes.data() + from, c, end - from);
  return hit ? static_cast<size_t>(static_cast<const char*>(hit) - bytes.data()) : end;
}

}  // namespace

void DataDecoder::start(uint64_t limit) {
  *this = DataDecoder();
  limit_ = limit;
}

DataDecoder::Step DataDecoder::decode(std::string_view bytes, std::string& content) {
  size_t lf = find(bytes, '\n', 0, bytes.size());
  size_t used = 0;
  while (used < bytes.size()) {
    if (at_ == At::kLineStart || at_ == At::kLfLineStart || at_ == At::kInLine) {
      used += copy_plain(bytes, used, lf, content);
      if (used == bytes.size()) break;
    }
    if (step(bytes[used++], content)) return {used, true};
  }
  return {used, false};
}

// A dot at the start of a line is put here, where decode() would take it for the client's stuffing or for the end.
void DataDecoder::decode_chunk(std::string_view bytes, std::string& content) {
  while (!bytes.empty()) {
    if (bytes.front() == '.' && (at_ == At::kLineStart || at_ == At::kLfLineStart)) {
      put_text(".", content);
      has_dot_line_ = true;
      at_ = At::kInLine;
      bytes.remove_prefix(1);
    } else {
      const size_t next_dot_line = bytes.find("\n.");
      const std::string_view piece = bytes.substr(0, next_dot_line == bytes.npos ? bytes.npos : next_dot_line + 1);
      decode(piece, content);
      bytes.remove_prefix(piece.size());
    }
  }
}

void DataDecoder::end_chunks(std::string& content) {
  if (at_ == At::kCr) put_text(" ", content);
  at_ = At::kInLine;
}

// Copies the longest run from `from` that is content as it stands: whole lines with CRLF and without a leading dot,
// then a line up to its odd CR or LF. `lf` is the first LF at or behind `from`; it is carried along so that a run of
// bare CRs does not search the same octets again and again.
size_t DataDecoder::copy_plain(std::string_view bytes, size_t from, size_t& lf, std::string& content) {
  size_t at = from;
  bool line_start = at_ != At::kInLine;
  while (at < bytes.size() && !(line_start && bytes[at] == '.')) {
    if (lf < at) lf = find(bytes, '\n', at, bytes.size());
    const size_t cr = find(bytes, '\r', at, lf);
    const bool ends_well = lf < bytes.size() && cr + 1 == lf;
    lengthen_line(cr - at);
    if (!ends_well) {
      if (cr > at) line_start = false;
      at = cr;
      break;
    }
    at = lf + 1;
    line_start = true;
    line_length_ = 0;
  }
  if (at > from) {
    put(bytes.substr(from, at - from), content);
    at_ = line_start ? At::kLineStart : At::kInLine;
  }
  return at - from;
}

// One octet where copy_plain() cannot go on; true at the end of the content.
bool DataDecoder::step(char c, std::string& content) {
  switch (at_) {
    case At::kCr:
      if (c == '\n') {
        put_line_end("\r\n", content);
        at_ = At::kLineStart;
        return false;
      }
      put_text(" ", content);
      at_ = At::kInLine;
      return step(c, content);
    case At::kDot:
    case At::kLfDot:
    case At::kDotCr:
    case At::kLfDotCr:
      return step_at_dot(c, content);
    case At::kLineStart:
    case At::kLfLineStart:
    case At::kInLine:
      break;
  }
  if (c == '\r') {
    at_ = At::kCr;
  } else if (c == '\n') {
    has_bare_newline_ = true;
    put_line_end("\r\n", content);
    at_ = At::kLfLineStart;
  } else if (c == '.' && at_ != At::kInLine) {
    at_ = at_ == At::kLineStart ? At::kDot : At::kLfDot;
  } else {
    put_text({&c, 1}, content);
    at_ = At::kInLine;
  }
  return false;
}

// Behind a dot that begins a line, and perhaps a CR.
bool DataDecoder::step_at_dot(char c, std::string& content) {
  const bool cr_seen = at_ == At::kDotCr || at_ == At::kLfDotCr;
  if (!cr_seen && c == '\r') {
    at_ = at_ == At::kDot ? At::kDotCr : At::kLfDotCr;
    return false;
  }
  if (c == '\n') {
    if (at_ == At::kDotCr) {
      at_ = At::kLineStart;
      return true;
    }
    has_dot_line_ = true;
    if (!cr_seen) has_bare_newline_ = true;
    put_line_end(".\r\n", content);
    at_ = cr_seen ? At::kLineStart : At::kLfLineStart;
    return false;
  }
  // The dot was stuffed and is dropped.
  if (cr_seen) put_text(" ", content);
  if (!cr_seen && c == '.') has_dot_line_ = true;
  at_ = At::kInLine;
  return step(c, content);
}

void DataDecoder::put_text(std::string_view text, std::string& content) {
  lengthen_line(text.size());
  put(text, content);
}

void DataDecoder::put_line_end(std::string_view text, std::string& content) {
  line_length_ = 0;
  put(text, content);
}

void DataDecoder::lengthen_line(size_t octets) {
  line_length_ += octets;
  if (line_length_ > kLongestLine) has_long_line_ = true;
}

void DataDecoder::put(std::string_view bytes, std::string& content) {
  size_ += bytes.size();
  if (!eight_bit_) eight_bit_ = !util::is_ascii(bytes);
  if (!over_limit()) content.append(bytes);
}

}  // namespace hikyaku::smtp
