// qmgr: decides what is delivered when.
#include "qmgr/manager.h"

int main(int argc, char** argv) {
  using namespace hikyaku;
  return service::run(argc, argv, [](service::Context& context) { return std::make_unique<qmgr::Manager>(context); });
}
