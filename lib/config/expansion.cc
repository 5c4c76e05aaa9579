// A small recursive expander; the stack of names being expanded guards against loops.
#include "config/expansion.h"

#include <algorithm>

#include "util/text.h"

namespace hikyaku::config {
namespace {

// A few lines of doubling ($a$a) would otherwise keep every daemon busy for years.
constexpr size_t kMostSteps = 10'000;
constexpr size_t kMostBytes = 1024 * 1024;
constexpr size_t kMostDepth = 100;

bool is_name_char(char c) { return util::is_alnum(c) || c == '_'; }

std::string_view leading_name(std::string_view text) {
  return text.substr(0, static_cast<size_t>(std::ranges::find_if_not(text, is_name_char) - text.begin()));
}

std::string quoted(std::string_view before, std::string_view text, std::string_view behind = "") {
  return "'" + std::string(before) + util::escape_for_log(text) + std::string(behind) + "'";
}

// Length of the bracketed piece that `text` begins with, brackets included; 0 when it is never closed.
size_t bracketed_length(std::string_view text, char open, char close) {
  size_t depth = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == open) ++depth;
    if (text[i] == close && --depth == 0) return i + 1;
  }
  return 0;
}

// ?text or :text, taken apart.
struct Branches {
  std::string_view when_set, when_empty;
};

util::Result<Branches> parse_branches(std::string_view text) {
  const bool first_is_set = text.front() == '?';
  std::string_view first = util::trim(text.substr(1));
  std::string_view second;
  if (first.starts_with('{')) {
    const size_t length = bracketed_length(first, '{', '}');
    if (length == 0) return util::permanent("a '{' is not closed");
    std::string_view rest = util::trim(first.substr(length));
    first = first.substr(1, length - 2);
    if (rest.starts_with(':') && first_is_set) {
      second = util::trim(rest.substr(1));
      if (!second.starts_with('{') || bracketed_length(second, '{', '}') != second.size()) {
        return util::permanent("':' must be followed by {text}");
      }
      second = second.substr(1, second.size() - 2);
    } else if (!rest.empty()) {
      return util::permanent(quoted("", rest) + " after '}' makes no sense");
    }
  } else {
    first = text.substr(1);
  }
  return first_is_set ? Branches{first, second} : Branches{{}, first};
}

class Expander {
 public:
  explicit Expander(const Lookup& lookup) : lookup_(lookup) {}

  util::Result<void> expand_into(std::string_view text, std::string& out);

 private:
  // `text` begins after the '$'; returns how much of it was used.
  util::Result<size_t> reference(std::string_view text, std::string& out);
  util::Result<void> bracketed(std::string_view body, std::string& out);
  util::Result<void> value_of(std::string_view name, bool as_condition, std::string& out);

  const Lookup& lookup_;
  std::vector<std::string> active_;  // the names being expanded, outermost first
  size_t steps_ = 0;
  size_t depth_ = 0;
};

util::Result<void> Expander::expand_into(std::string_view text, std::string& out) {
  if (++steps_ > kMostSteps || depth_ >= kMostDepth) return util::permanent("expands to far too much text");
  ++depth_;
  while (!text.empty()) {
    const size_t dollar = std::min(text.find('$'), text.size());
    out.append(text.substr(0, dollar));
    if (out.size() > kMostBytes) return util::permanent("expands to far too much text");
    if (dollar == text.size()) break;
    text.remove_prefix(dollar + 1);
    const auto used = reference(text, out);
    if (!used) return std::unexpected(used.error());
    text.remove_prefix(*used);
  }
  --depth_;
  return {};
}

util::Result<size_t> Expander::reference(std::string_view text, std::string& out) {
  if (text.starts_with('$')) {
    out.push_back('$');
    return 1;
  }
  util::Result<void> done;
  size_t used = 0;
  if (text.starts_with('{') || text.starts_with('(')) {
    used = bracketed_length(text, text.front(), text.front() == '{' ? '}' : ')');
    if (used == 0) return util::permanent(quoted("$", text) + " is not closed");
    done = bracketed(text.substr(1, used - 2), out);
  } else {
    used = leading_name(text).size();
    if (used == 0) return util::permanent("no name follows '$' (write $$ for a dollar sign)");
    done = value_of(text.substr(0, used), false, out);
  }
  if (!done) return std::unexpected(done.error());
  return used;
}

util::Result<void> Expander::bracketed(std::string_view body, std::string& out) {
  body = util::trim(body);
  const std::string_view name = leading_name(body);
  const std::string_view rest = util::trim(body.substr(name.size()));
  if (name.empty() || (!rest.empty() && rest.front() != '?' && rest.front() != ':')) {
    return util::permanent(quoted("${", body, "}") + " is not of the form ${name}, ${name?text} or ${name:text}");
  }
  if (rest.empty()) return value_of(name, false, out);
  const auto branches = parse_branches(rest);
  if (!branches) return std::unexpected(branches.error());
  std::string condition;
  const auto known = value_of(name, true, condition);
  if (!known) return known;
  return expand_into(condition.empty() ? branches->when_empty : branches->when_set, out);
}

util::Result<void> Expander::value_of(std::string_view name, bool as_condition, std::string& out) {
  if (std::ranges::find(active_, name) != active_.end()) {
    std::string path;
    for (const std::string& step : active_) path += step + " -> ";
    return util::permanent("refers to itself: " + path + std::string(name));
  }
  const auto text = lookup_(name);
  if (!text) {
    if (as_condition) return {};
    return util::permanent("$" + std::string(name) + " is not set anywhere");
  }
  active_.emplace_back(name);
  const auto done = expand_into(*text, out);
  active_.pop_back();
  return done;
}

}  // namespace

util::Result<std::string> expand(std::string_view text, const Lookup& lookup) {
  std::string out;
  const auto done = Expander(lookup).expand_into(text, out);
  if (!done) return std::unexpected(done.error());
  return out;
}

std::vector<std::string> names_in(std::string_view text) {
  std::vector<std::string> names;
  for (size_t dollar = text.find('$'); dollar != std::string_view::npos; dollar = text.find('$')) {
    text.remove_prefix(dollar + 1);
    if (text.starts_with('$')) {
      text.remove_prefix(1);
      continue;
    }
    if (text.starts_with('{') || text.starts_with('(')) text.remove_prefix(1);
    while (!text.empty() && util::is_space(text.front())) text.remove_prefix(1);
    const std::string_view name = leading_name(text);
    if (!name.empty()) names.emplace_back(name);
  }
  return names;
}

}  // namespace hikyaku::config
