// Reader of master.cf.
#include "config/master_cf.h"

#include <algorithm>
#include <array>
#include <map>

#include "config/logical_lines.h"
#include "config/nearest.h"
#include "util/text.h"

namespace hikyaku::config {
namespace {

constexpr std::array<std::string_view, 8> kColumns = {"service", "type",    "private", "unpriv",
                                                      "chroot",  "wake-up", "maxproc", "command"};
constexpr std::string_view kPrograms[] = {"smtpd", "cleanup", "qmgr", "smtp-client", "bounce", "authd"};
constexpr unsigned kMostProcesses = 1000;

bool is_control(char c) { return (static_cast<unsigned char>(c) < 0x20 && !util::is_space(c)) || c == 0x7F; }

std::string quoted(std::string_view text) { return "'" + util::escape_for_log(text) + "'"; }

// Words between white space; one that begins with '{' reaches to its '}' and loses both. Nothing when it is not closed.
std::optional<std::vector<std::string>> words_of(std::string_view text) {
  std::vector<std::string> words;
  for (text = util::trim(text); !text.empty(); text = util::trim(text)) {
    size_t length = 0;
    if (text.front() == '{') {
      size_t depth = 0;
      do {
        if (text[length] == '{') ++depth;
        if (text[length] == '}') --depth;
        ++length;
      } while (depth > 0 && length < text.size());
      if (depth > 0) return std::nullopt;
      words.emplace_back(util::trim(text.substr(1, length - 2)));
    } else {
      length = std::min(text.find_first_of(" \t\r\n"), text.size());
      words.emplace_back(text.substr(0, length));
    }
    text.remove_prefix(length);
  }
  return words;
}

// Reads one line into a Service; every fault of the line becomes a problem.
class LineReader {
 public:
  LineReader(std::string place, Problems& problems) : problems_(problems) { service_.place = std::move(place); }

  std::optional<Service> read(const LogicalLine& line);

 private:
  void fail(std::string text) {
    problems_.push_back({service_.place, std::move(text)});
    good_ = false;
  }
  void notice(std::string text) { problems_.push_back({service_.place, std::move(text), true}); }

  bool flag(std::string_view column, std::string_view word, bool default_value);
  void read_type(std::string_view word);
  void read_flags(const std::vector<std::string>& words);
  void read_wake_up(std::string_view word);
  void read_process_limit(std::string_view word);
  void read_program(std::string_view word);
  void read_arguments(const std::vector<std::string>& words);
  void read_override(std::string_view assignment);

  Service service_;
  Problems& problems_;
  bool good_ = true;
};

std::optional<Service> LineReader::read(const LogicalLine& line) {
  if (line.orphan) {
    fail("this line begins with white space, but there is no line before it to continue");
    return std::nullopt;
  }
  // In names of sockets and in logs nobody wants them, and in options they are no more than a slip.
  if (const auto control = std::ranges::find_if(line.text, is_control); control != line.text.end()) {
    fail("a control character, " + quoted({&*control, 1}));
    return std::nullopt;
  }
  const auto words = words_of(line.text);
  if (!words) {
    fail("a '{' is not closed");
    return std::nullopt;
  }
  if (words->size() < kColumns.size()) {
    fail("only " + std::to_string(words->size()) + " of 8 columns: " + std::string(kColumns[words->size()]) +
         " is missing");
    return std::nullopt;
  }
  service_.name = (*words)[0];
  read_type((*words)[1]);
  read_flags(*words);
  read_wake_up((*words)[5]);
  read_process_limit((*words)[6]);
  read_program((*words)[7]);
  read_arguments(*words);
  if (!good_) return std::nullopt;
  return std::move(service_);
}

void LineReader::read_type(std::string_view word) {
  if (word == "inet") {
    service_.type = ServiceType::kInet;
  } else if (word != "unix") {
    fail("type " + quoted(word) + " must be inet or unix");
  }
}

bool LineReader::flag(std::string_view column, std::string_view word, bool default_value) {
  if (word == "-") return default_value;
  if (word == "y" || word == "n") return word == "y";
  fail(std::string(column) + " " + quoted(word) + " must be y, n or -");
  return default_value;
}

void LineReader::read_flags(const std::vector<std::string>& words) {
  const bool inet = service_.type == ServiceType::kInet;
  service_.is_private = flag("private", words[2], !inet);
  if (inet && service_.is_private) fail("an inet service cannot be private (write n)");
  service_.unprivileged = flag("unpriv", words[3], true);
  if (!service_.unprivileged) notice("unpriv n is ignored: every daemon runs as $mail_owner");
  service_.chroot = flag("chroot", words[4], false);
  if (service_.chroot) fail("chroot y is not supported (write n)");
}

void LineReader::read_wake_up(std::string_view word) {
  if (word == "-" || word == "0") return;
  const std::string_view number = word.ends_with('?') ? word.substr(0, word.size() - 1) : word;
  if (!util::parse_number(number)) {
    fail("wake-up " + quoted(word) + " must be a number of seconds or -");
  } else {
    notice("wake-up " + std::string(word) + " is ignored: no service needs it");
  }
}

void LineReader::read_process_limit(std::string_view word) {
  if (word == "-") return;
  const auto number = util::parse_number(word);
  if (!number || *number > kMostProcesses) {
    fail("maxproc " + quoted(word) + " must be a number from 0 to " + std::to_string(kMostProcesses) + ", or -");
  } else {
    service_.process_limit = static_cast<unsigned>(*number);
  }
}

void LineReader::read_program(std::string_view word) {
  service_.program = word;
  if (std::ranges::find(kPrograms, word) != std::end(kPrograms)) return;
  // Postfix's name of it is nearer to smtpd than to what it means.
  const std::string hint =
      word == "smtp" || word == "lmtp" ? ", did you mean smtp-client?" : suggestion(word, kPrograms);
  fail("no program " + quoted(word) + hint);
}

void LineReader::read_arguments(const std::vector<std::string>& words) {
  for (size_t i = kColumns.size(); i < words.size(); ++i) {
    const std::string_view word = words[i];
    if (!word.starts_with("-o")) {
      service_.arguments.emplace_back(word);
    } else if (word.size() > 2) {
      read_override(word.substr(2));
    } else if (++i < words.size()) {
      read_override(words[i]);
    } else {
      fail("name=value is missing after -o");
    }
  }
}

void LineReader::read_override(std::string_view assignment) {
  const size_t equals = std::min(assignment.find('='), assignment.size());
  const std::string_view name = util::trim(assignment.substr(0, equals));
  if (equals == assignment.size() || name.empty()) {
    fail("-o " + quoted(assignment) + " must be -o name=value or -o { name = value }");
    return;
  }
  if (!is_name(name)) return fail(quoted(name) + " is not a name of letters, digits and '_'");
  service_.overrides.push_back(
      {std::string(name), std::string(util::trim(assignment.substr(equals + 1))), service_.place});
}

}  // namespace

std::string Service::short_name() const {
  std::string_view key = name;
  if (!key.starts_with('$')) return name;
  key.remove_prefix(1);
  if (key.size() > 1 && (key.front() == '{' || key.front() == '(')) key = key.substr(1, key.size() - 2);
  if (key.ends_with("_listen")) key.remove_suffix(std::string_view("_listen").size());
  return std::string(key);
}

MasterCf parse_master_cf(std::string_view text, std::string_view file) {
  MasterCf result;
  std::map<std::pair<std::string, ServiceType>, std::string> seen;
  for (const LogicalLine& line : logical_lines(text)) {
    const std::string place = place_of_line(file, line.number);
    auto service = LineReader(place, result.problems).read(line);
    if (!service) continue;
    const auto [before, is_new] = seen.try_emplace({service->name, service->type}, place);
    if (is_new) {
      result.services.push_back(std::move(*service));
    } else {
      result.problems.push_back(
          {place, "service " + quoted(service->name) + " is already defined at " + before->second});
    }
  }
  return result;
}

}  // namespace hikyaku::config
