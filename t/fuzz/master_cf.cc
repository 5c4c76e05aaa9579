// master.cf: its columns and options (lib/config/master_cf.h). Input: the file.
#include "config/master_cf.h"

#include "t/fuzz/config_checks.h"

using namespace hikyaku;
using namespace hikyaku::config;
using fuzz::promise;

namespace {

// As a word of a line: in braces where a bare one would be read otherwise.
std::string word(const std::string& text) {
  const bool bare =
      !text.empty() && text.front() != '{' && text.front() != '#' && text.find_first_of(" \t\r\n") == std::string::npos;
  return bare ? text : "{ " + text + " }";
}

std::string line_of(const Service& service) {
  const auto flag = [](bool value) { return value ? " y" : " n"; };
  std::string line = word(service.name) + (service.type == ServiceType::kInet ? " inet" : " unix");
  line += std::string(flag(service.is_private)) + flag(service.unprivileged) + flag(service.chroot) + " - ";
  line += service.process_limit ? std::to_string(*service.process_limit) : "-";
  line += " " + service.program;
  for (const std::string& argument : service.arguments) line += " " + word(argument);
  for (const Definition& override : service.overrides) {
    const std::string assignment = override.name + "=" + override.value;
    const bool bare = assignment.find_first_of(" \t\r\n") == std::string::npos;
    line += bare ? " -o" + assignment : " -o { " + assignment + " }";
  }
  return line + "\n";
}

void check_written(const MasterCf& master) {
  std::string written;
  for (const Service& service : master.services) {
    promise(!service.chroot && !service.program.empty(), "a service that can be started");
    promise(service.process_limit.value_or(0) <= 1000, "of so many processes");
    promise(service.place.starts_with("master.cf:"), "with a place");
    promise(!fuzz::has_control(service.short_name()), "and a name for logs and files");
    written += line_of(service);
  }
  MasterCf again = parse_master_cf(written);
  promise(!has_errors(again.problems) && again.services.size() == master.services.size(), "written again, it is read");
  for (size_t i = 0; i < again.services.size(); ++i) {
    Service& service = again.services[i];
    service.place = master.services[i].place;
    for (Definition& override : service.overrides) override.place = service.place;
    promise(service == master.services[i], "as the same services");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text = fuzz::Input(data, size).rest();
  const MasterCf master = parse_master_cf(text);
  fuzz::check_problems(master.problems);
  check_written(master);
  fuzz::check_configuration(read_configuration("relay_listen = :10025\n", text, "mail.example.com", "/etc/hikyaku"));
  return 0;
}
