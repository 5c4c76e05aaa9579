// How failure is told.
#include "util/error.h"

#include <fmt/format.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace hikyaku::util {

std::unexpected<Error> system_error(std::string_view what, int error_number) {
  return temporary(fmt::format("{}: {}", what, strerror(error_number)));
}

void ensure(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "panic: %s\n", what);
  std::abort();
}

}  // namespace hikyaku::util
