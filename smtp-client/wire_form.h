// What a message's content becomes on its way to one next hop: 7-bit, folded and dot-stuffed, where it needs that.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "mime/seven_bit.h"
#include "queue/place.h"
#include "smtp/dot_stuffer.h"
#include "smtp/line_folder.h"

namespace hikyaku::smtp_client {

// As main.cf has it.
struct WireRules {
  bool makes_seven_bit = true;   // content for a server that does not take octets above 127
  size_t line_length_limit = 0;  // longer lines are folded; 0: none is
};

class WireForm {
 public:
  // Of the content at `place`, for a server that takes octets above 127 or does not.
  WireForm(const WireRules& rules, const queue::Place& place, bool takes_eight_bit);

  // The next piece. When nothing is to change it can be sent as it stands: then it is only seen().
  bool changes() const { return changer_ != nullptr || stuffs_; }
  void append(std::string_view content, std::string& wire);
  void seen(std::string_view content) { stuffer_.seen(content); }
  // The end of the content, and of the data.
  void end(std::string& wire);

 private:
  // Most mail has none.
  struct Changer {
    std::optional<mime::SevenBit> seven_bit;
    std::optional<smtp::LineFolder> folder;
    std::string seven_bit_text, folded_text;
  };

  void stuff(std::string_view content, std::string& wire);
  void fold(std::string_view content, std::string& wire);

  std::unique_ptr<Changer> changer_;
  bool stuffs_ = false;
  smtp::DotStuffer stuffer_;
};

}  // namespace hikyaku::smtp_client
