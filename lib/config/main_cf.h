// Reader of main.cf's syntax: which name is given which text, and where.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/problem.h"

namespace hikyaku::config {

struct Definition {
  std::string name;
  std::string value;  // as written, $names not expanded; continuation lines joined with one blank
  std::string place;  // "main.cf:12", the line where the definition begins

  bool operator==(const Definition&) const = default;
};

struct MainCf {
  std::vector<Definition> definitions;  // in the file's order, repeated names included: the last one counts
  Problems problems;                    // of syntax only; every wrong line has one
};

// Whether this can be a key's name.
bool is_name(std::string_view text);

// Postfix's rules: `name = value`; a line that begins with white space continues the one before it; lines
// that are empty or whose first visible character is '#' are skipped, also between continuation lines.
MainCf parse_main_cf(std::string_view text, std::string_view file = "main.cf");

}  // namespace hikyaku::config
