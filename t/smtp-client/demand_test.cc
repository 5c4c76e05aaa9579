// Which connection a job gets, and when another one is opened.
#include "smtp-client/demand.h"

#include <catch2/catch.hpp>

using namespace hikyaku::smtp_client;
using namespace std::chrono_literals;
using hikyaku::event::Duration;

TEST_CASE("connections are opened for jobs that wait, few at once and more when they wait long (row 45)") {
  struct Row {
    const char* what;
    Demand demand;
    size_t opened;
  };
  const Row rows[] = {
      {"nothing waits", {0, 0, 0, 20, 0ms}, 0},
      {"the first job", {1, 0, 0, 20, 0ms}, 1},
      {"a second job behind one that is being connected", {2, 1, 1, 20, 0ms}, 1},
      {"as many as jobs are on their way already", {2, 2, 2, 20, 0ms}, 0},
      {"a crowd opens the warm ones", {80, 0, 0, 20, 0ms}, kWarmConnections},
      {"the warm ones are there", {80, 0, kWarmConnections, 20, 19ms}, 0},
      {"jobs wait too long for them", {80, 0, kWarmConnections, 20, 20ms}, 20 - kWarmConnections},
      {"one job waits long", {1, 0, kWarmConnections, 20, 20ms}, 1},
      {"the limit is reached", {80, 0, 20, 20, 5s}, 0},
      {"a limit below the warm ones", {80, 0, 0, 2, 0ms}, 2},
      {"a limit of one", {80, 0, 1, 1, 5s}, 0},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    CHECK(connections_to_open(row.demand) == row.opened);
  }
}

TEST_CASE("a job goes to the idle connection that was used last, then behind one that finishes (row 45)") {
  constexpr Freedom idle = Freedom::kIdle, finishing = Freedom::kFinishing;
  struct Row {
    const char* what;
    std::vector<Freedom> free;
    size_t connections;
    size_t limit;
    size_t chosen;
  };
  const Row rows[] = {
      {"none is free", {}, 4, 20, kNone},
      {"the last of the idle ones", {idle, idle, idle}, 3, 20, 2},
      {"an idle one before one that finishes", {idle, finishing}, 20, 20, 0},
      {"not behind another job while there are few connections", {finishing}, 1, 20, kNone},
      {"behind another job when the warm ones are there", {finishing, finishing}, kWarmConnections, 20, 1},
      {"behind another job when no more may be opened", {finishing}, 1, 1, 0},
  };
  for (const Row& row : rows) {
    INFO(row.what);
    CHECK(connection_for_job(row.free, row.connections, row.limit) == row.chosen);
  }
}
