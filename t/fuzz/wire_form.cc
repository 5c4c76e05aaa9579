// Content on its way out: lib/mime/seven_bit.h and lib/smtp/line_folder.h.
//
// Input: a byte (how large the pieces are), a byte (the longest line), then the content as it may stand in the queue.
#include <string>

#include "mime/seven_bit.h"
#include "smtp/data_decoder.h"
#include "smtp/line_folder.h"
#include "t/fuzz/input.h"

using namespace hikyaku;
using fuzz::promise;

namespace {

constexpr size_t kAll = std::string_view::npos;

template <class Changer>
std::string changed(Changer changer, std::string_view content, size_t piece) {
  std::string out;
  fuzz::in_pieces(content, piece, [&](std::string_view bytes) { changer.append(bytes, out); });
  changer.end(out);
  return out;
}

// The queue holds CR and LF as CRLF only.
std::string as_stored(std::string_view bytes) {
  smtp::DataDecoder decoder;
  std::string content;
  decoder.start(0);
  decoder.decode_chunk(bytes, content);
  decoder.end_chunks(content);
  return content;
}

void check_folded(const std::string& content, size_t limit, size_t piece) {
  const std::string folded = changed(smtp::LineFolder(limit), content, kAll);
  promise(folded == changed(smtp::LineFolder(limit), content, 1), "folded the same, octet by octet");
  promise(folded == changed(smtp::LineFolder(limit), content, piece), "and in pieces");
  size_t longest = 0;
  for (std::string_view rest = folded; !rest.empty();) {
    const size_t line = std::min(rest.find("\r\n"), rest.size());
    longest = std::max(longest, line);
    rest.remove_prefix(std::min(line + 2, rest.size()));
  }
  promise(longest <= std::max<size_t>(limit, 2), "no line beyond the limit");
  promise(folded.size() >= content.size(), "nothing is lost");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fuzz::Input input(data, size);
  const size_t piece = 2 + input.byte() % 32;
  const size_t limit = 1 + input.byte();
  const std::string content = as_stored(input.rest());

  const std::string seven_bit = changed(mime::SevenBit(), content, kAll);
  promise(seven_bit == changed(mime::SevenBit(), content, 1), "made 7-bit the same, octet by octet");
  promise(seven_bit == changed(mime::SevenBit(), content, piece), "and in pieces");
  for (size_t i = 0; i < seven_bit.size(); ++i)
    if (seven_bit[i] == '\n') promise(i > 0 && seven_bit[i - 1] == '\r', "lines end in CRLF");
  check_folded(content, limit, piece);
  check_folded(seven_bit, limit, piece);
  return 0;
}
