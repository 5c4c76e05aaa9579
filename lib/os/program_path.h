// Where our other programs are: beside this one (a build tree), or in ../libexec/hikyaku (installed).
#pragma once

#include <string>
#include <string_view>

#include "util/error.h"

namespace hikyaku::os {

// The full path of the program `name`. Symbolic links to this program are followed first. Permanent error when it is
// in neither place.
util::Result<std::string> find_program(std::string_view name);

}  // namespace hikyaku::os
