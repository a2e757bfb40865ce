// What `dovectl help` prints: only what works.
#pragma once

#include <string>

namespace dove::cli {

std::string usage();

}  // namespace dove::cli
