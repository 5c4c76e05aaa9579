// Reader of main.cf's syntax.
#include "config/main_cf.h"

#include <algorithm>
#include <map>
#include <optional>

#include "config/logical_lines.h"
#include "util/text.h"

namespace hikyaku::config {
namespace {

std::string_view first_word(std::string_view text) { return text.substr(0, text.find_first_of(" \t")); }

// What is wrong with the line as a definition; nothing when it is one.
std::optional<std::string> fault(const LogicalLine& line) {
  if (line.orphan) return "this line begins with white space, but there is no line before it to continue";
  const size_t equals = line.text.find('=');
  if (equals == std::string::npos) {
    return "'=' is missing after '" + util::escape_for_log(first_word(line.text)) + "'";
  }
  const std::string_view name = util::trim(std::string_view(line.text).substr(0, equals));
  if (name.empty()) return "the name before '=' is missing";
  if (!is_name(name)) return "'" + util::escape_for_log(name) + "' is not a name of letters, digits and '_'";
  if (line.text.find('\0') != std::string::npos) return "a NUL byte in the value of " + std::string(name);
  return std::nullopt;
}

}  // namespace

bool is_name(std::string_view text) {
  return !text.empty() &&
         std::ranges::all_of(text, [](char c) { return util::is_alnum(c) || c == '_' || c == '-' || c == '.'; });
}

MainCf parse_main_cf(std::string_view text, std::string_view file) {
  MainCf result;
  std::map<std::string, std::string> defined_at;
  for (const LogicalLine& line : logical_lines(text)) {
    const std::string place = place_of_line(file, line.number);
    if (auto why = fault(line)) {
      result.problems.push_back({place, std::move(*why)});
      continue;
    }
    const std::string_view whole = line.text;
    const size_t equals = whole.find('=');
    Definition definition{std::string(util::trim(whole.substr(0, equals))),
                          std::string(util::trim(whole.substr(equals + 1))), place};
    const auto [before, is_new] = defined_at.try_emplace(definition.name, place);
    if (!is_new) {
      result.problems.push_back(
          {place, definition.name + " was set before at " + before->second + "; this line counts", true});
      before->second = place;
    }
    result.definitions.push_back(std::move(definition));
  }
  return result;
}

}  // namespace hikyaku::config
