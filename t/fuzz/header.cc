// The header of a message: lib/mime/header_block.h. Input: a message's content.
#include "mime/header_block.h"

#include "t/fuzz/input.h"
#include "util/text.h"

using namespace hikyaku;
using fuzz::promise;

namespace {

void check_field(const mime::Field& field, std::string_view content) {
  promise(!field.text.empty() && content.substr(field.position).starts_with(field.text),
          "a field stands where it says");
  promise(field.text.ends_with('\n') || field.position + field.text.size() == content.size(), "its last line is whole");
  const std::string unfolded = mime::unfold(field.value);
  const std::string_view id = mime::message_id(field.value);
  promise(field.value.find(id) != std::string_view::npos, "an id is part of the value");
  if (field.name.empty()) return promise(field.value.size() <= field.text.size(), "what is no field is shown as it is");
  promise(!fuzz::has_control(field.name) && field.name.find_first_of(": ") == field.name.npos, "a name is one word");
  promise(field.text.starts_with(field.name), "and the field begins with it");
  promise(unfolded.find('\n') == unfolded.npos, "unfolded, the value is one line");
  promise(mime::unfold(unfolded) == unfolded, "and stays as it is");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view content = fuzz::Input(data, size).rest();
  const mime::HeaderBlock header(content);
  size_t end = 0;
  for (const mime::Field& field : header) {
    promise(field.position == end, "no byte of the header is passed over");
    check_field(field, content);
    end += field.text.size();
    if (field.name.empty()) continue;
    const auto first = header.find_first(field.name);
    promise(first && first->position <= field.position && util::iequals(first->name, field.name), "a name is found");
    promise((header.count(field.name) > 1) || *first == field, "and counted");
    if (end > 2000) break;  // each search is a walk
  }
  promise(end <= header.size() && header.size() <= header.body() && header.body() <= content.size(), "then the body");
  const std::string_view between = content.substr(header.size(), header.body() - header.size());
  promise(between.empty() || between == "\n" || between == "\r\n", "behind an empty line");
  return 0;
}
