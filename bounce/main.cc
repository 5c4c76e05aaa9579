// Writes the reports that tell senders of mail that was not delivered.
#include <memory>

#include "bounce/config.h"
#include "bounce/reporter.h"
#include "service/service.h"

int main(int argc, char** argv) {
  using namespace hikyaku;
  return service::run(argc, argv, [](service::Context& context) {
    return std::make_unique<bounce::Reporter>(context, bounce::read_config(context.settings()));
  });
}
