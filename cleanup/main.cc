// cleanup: makes messages durable.
#include "cleanup/server.h"

int main(int argc, char** argv) {
  using namespace hikyaku;
  return service::run(argc, argv, [](service::Context& context) { return std::make_unique<cleanup::Server>(context); });
}
