// main.cf: its syntax, its values, and what is said about them (lib/config). Input: the file.
#include "config/main_cf.h"

#include "config/configuration.h"
#include "config/expansion.h"
#include "t/fuzz/config_checks.h"

using namespace hikyaku;
using namespace hikyaku::config;
using fuzz::promise;

namespace {

// One service: each is checked with all parameters, which takes its time.
constexpr std::string_view kMasterCf = "$relay_listen inet n - n - - smtpd\n";

// Each definition on a line of its own.
void check_written(const MainCf& main) {
  std::string written;
  for (const Definition& definition : main.definitions) {
    promise(!definition.name.empty() && !fuzz::has_control(definition.name), "a name is a name");
    promise(definition.value.find_first_of(std::string_view("\n\0", 2)) == std::string::npos, "a value is one line");
    promise(definition.place.starts_with("main.cf:"), "a definition has a place");
    written += definition.name + " = " + definition.value + "\n";
  }
  const MainCf again = parse_main_cf(written);
  promise(!has_errors(again.problems) && again.definitions.size() == main.definitions.size(),
          "written again, it is read");
  for (size_t i = 0; i < again.definitions.size(); ++i) {
    promise(again.definitions[i].name == main.definitions[i].name, "with the same names");
    promise(again.definitions[i].value == main.definitions[i].value, "and the same values");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::Input(data, size).rest();
  const MainCf main = parse_main_cf(text);
  fuzz::check_problems(main.problems);
  check_written(main);
  fuzz::check_configuration(read_configuration(text, kMasterCf, "mail.example.com", "/etc/hikyaku"));
  return 0;
}
