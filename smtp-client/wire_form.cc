// What a message's content becomes on its way to one next hop.
#include "smtp-client/wire_form.h"

namespace hikyaku::smtp_client {

// Nothing is looked for that smtpd would have seen, so most mail is not looked at. What is made 7-bit has new lines:
// any of them may begin with a dot, or be long.
WireForm::WireForm(const WireRules& rules, const queue::Place& place, bool takes_eight_bit)
    : stuffs_((place.flags & queue::kHasDotLine) != 0) {
  const bool is_encoded = !takes_eight_bit && rules.makes_seven_bit && (place.flags & queue::kEightBit) != 0;
  const bool may_be_long = is_encoded || (place.flags & queue::kHasLongLine) != 0;
  const size_t limit = rules.line_length_limit;
  const bool is_folded = limit != 0 && (may_be_long || limit < smtp::kLongestLine);
  if (!is_encoded && !is_folded) return;
  changer_ = std::make_unique<Changer>();
  if (is_encoded) changer_->seven_bit.emplace();
  if (is_folded) changer_->folder.emplace(limit);
  stuffs_ = stuffs_ || is_encoded;
}

void WireForm::append(std::string_view content, std::string& wire) {
  if (!changer_ || !changer_->seven_bit) return fold(content, wire);
  changer_->seven_bit_text.clear();
  changer_->seven_bit->append(content, changer_->seven_bit_text);
  fold(changer_->seven_bit_text, wire);
}

void WireForm::fold(std::string_view content, std::string& wire) {
  if (!changer_ || !changer_->folder) return stuff(content, wire);
  changer_->folded_text.clear();
  changer_->folder->append(content, changer_->folded_text);
  stuff(changer_->folded_text, wire);
}

void WireForm::stuff(std::string_view content, std::string& wire) {
  if (stuffs_) return stuffer_.append(content, wire);
  stuffer_.seen(content);
  wire += content;
}

void WireForm::end(std::string& wire) {
  if (changer_ && changer_->seven_bit) {
    changer_->seven_bit_text.clear();
    changer_->seven_bit->end(changer_->seven_bit_text);
    fold(changer_->seven_bit_text, wire);
  }
  if (changer_ && changer_->folder) {
    changer_->folded_text.clear();
    changer_->folder->end(changer_->folded_text);
    stuff(changer_->folded_text, wire);
  }
  wire += stuffer_.end();
}

}  // namespace hikyaku::smtp_client
