// What `nft -j list` prints (libnftables-json(5)), for the files that read it. Not for others.
#pragma once

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string_view>

#include "core/result.h"

namespace dove::agent {

// Gives `take` every object of kind `kind` in nft's listing. What has another shape than nft's
// documented one is an error, whatever it is, also where `take` finds it.
template <class Take>
Status each_object(std::string_view json, const char* kind, Take take) {
  try {
    const auto listing = nlohmann::json::parse(json);
    for (const auto& object : listing.at("nftables").get_ref<const nlohmann::json::array_t&>())
      if (object.contains(kind)) take(object.at(kind));
    return {};
  } catch (const nlohmann::json::exception& error) {
    return Error{ErrorCode::kSystem,
                 fmt::format("nft printed something that is not its JSON ({})", error.what())};
  }
}

}  // namespace dove::agent
