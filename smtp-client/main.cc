// The delivery agent: takes jobs from qmgr and brings each message to its next hop over pooled SMTP connections.
#include <memory>

#include "service/service.h"
#include "smtp-client/config.h"
#include "smtp-client/worker.h"

int main(int argc, char** argv) {
  using namespace hikyaku;
  return service::run(argc, argv, [](service::Context& context) {
    return std::make_unique<smtp_client::Worker>(context, smtp_client::read_config(context.settings()));
  });
}
