// What every program tells of itself, under the names that Prometheus' own libraries use.
#pragma once

#include <string_view>
#include <vector>

#include "api/metric.h"

namespace dove::api {

// Of this process, now: process_* as far as /proc can be read, and dove_build_info.
std::vector<Sample> process_figures(std::string_view program);

}  // namespace dove::api
