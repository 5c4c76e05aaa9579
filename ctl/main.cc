// hikyaku: the operator's command. By its other names it is what mail programs and people expect those to be.
#include <string_view>

#include "ctl/command_line.h"

int main(int argc, char** argv) {
  using namespace hikyaku::ctl;
  const std::string_view path = argc > 0 ? argv[0] : "hikyaku";
  const std::string_view name = path.substr(path.rfind('/') + 1);
  if (name == "mailq") return run_mailq();
  if (name == "sendmail") return run_sendmail(argc, argv);
  if (name == "newaliases") return run_newaliases();
  return run_hikyaku(argc, argv);
}
