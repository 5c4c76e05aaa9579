// smtpd: receives mail by SMTP.
#include "smtpd/server.h"

int main(int argc, char** argv) {
  using namespace hikyaku;
  return service::run(argc, argv, [](service::Context& context) { return std::make_unique<smtpd::Server>(context); });
}
