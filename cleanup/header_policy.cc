// What cleanup does to a message's header.
#include "cleanup/header_policy.h"

#include <algorithm>

#include "mime/header_block.h"
#include "util/text.h"

namespace hikyaku::cleanup {
namespace {

constexpr std::string_view kLoopMark = "X-Hikyaku-Trace";

// The kept parts of a content from which pieces are cut, front to back.
class Cutter {
 public:
  explicit Cutter(std::string_view content) : content_(content) {}

  void cut(const mime::Field& field) {
    keep_up_to(field.position);
    from_ = field.position + field.text.size();
  }
  std::vector<std::string_view> finish() {
    keep_up_to(content_.size());
    return std::move(kept_);
  }

 private:
  void keep_up_to(size_t end) {
    if (end > from_) kept_.push_back(content_.substr(from_, end - from_));
  }

  std::string_view content_;
  size_t from_ = 0;
  std::vector<std::string_view> kept_;
};

// Passes that a loop mark tells of when it is ours. A count that is no number was tampered with: it is the first pass,
// and the loop is found a round later; one that is too large for us to read is over any limit.
std::optional<uint64_t> passes(std::string_view value, std::string_view token) {
  const std::vector<std::string_view> words = util::split(value, " \t\r\n");
  if (words.empty() || words[0] != token) return std::nullopt;
  if (words.size() < 2 || !std::ranges::all_of(words[1], util::is_digit)) return 1;
  return std::min(util::parse_number(words[1]).value_or(kMostPasses), kMostPasses);
}

std::string loop_mark(std::string_view token, uint64_t count) {
  std::string mark(kLoopMark);
  mark.append(": ").append(token).append(" ").append(std::to_string(count)).append("\r\n");
  return mark;
}

smtp::Reply too_many_hops(const std::string& what) { return {554, "5.4.6", "Too many hops: " + what}; }

}  // namespace

HeaderResult apply_header_policy(const HeaderPolicy& policy, const ReceivedFacts& facts, std::string_view content) {
  const bool strips = policy.received_header == ReceivedHeader::kStrip;
  const bool marks = strips || policy.received_header == ReceivedHeader::kNone;
  HeaderResult result;
  Cutter cutter(content);
  uint64_t passes_so_far = 0;
  for (const mime::Field& field : mime::HeaderBlock(content)) {
    if (util::iequals(field.name, "Received")) {
      ++result.hops;
      if (strips) cutter.cut(field);
    } else if (field.text.size() > policy.header_size_limit) {
      continue;  // nobody who means us writes such a field: it is passed on whole
    } else if (marks && util::iequals(field.name, kLoopMark)) {
      const std::optional<uint64_t> told = passes(field.value, policy.loop_token);
      if (told) {
        passes_so_far = std::max(passes_so_far, *told);
        cutter.cut(field);
      }
    } else if (result.message_id.empty() && util::iequals(field.name, "Message-ID")) {
      result.message_id = mime::message_id(field.value);
    }
  }
  if (result.hops > policy.hopcount_limit) {
    result.refusal = too_many_hops(std::to_string(result.hops) + " Received fields");
    return result;
  }
  if (passes_so_far >= kMostPasses) {
    result.refusal = too_many_hops("this message is in a loop");
    return result;
  }
  result.prepend =
      marks ? loop_mark(policy.loop_token, passes_so_far + 1) : received_header(policy.received_header, facts);
  // Content that begins with white space would continue our field; it has no header, so its body begins here.
  if (content.starts_with(' ') || content.starts_with('\t')) result.prepend += "\r\n";
  result.keep = cutter.finish();
  return result;
}

}  // namespace hikyaku::cleanup
