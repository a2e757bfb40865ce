// What `nft -j list` prints (libnftables-json(5)), for the files that read it. Not for others.
#pragma once

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <string_view>

#include "core/result.h"

namespace dove::agent {

// Gives `take` the kind of every object in nft's listing, and the object. What has another shape
// than nft's documented one is an error, whatever it is, also where `take` finds it.
template <class Take>
Status each_object(std::string_view json, Take take) {
  try {
    const auto listing = nlohmann::json::parse(json);
    for (const auto& entry : listing.at("nftables").get_ref<const nlohmann::json::array_t&>())
      for (const auto& [kind, object] : entry.items()) take(kind, object);
    return {};
  } catch (const nlohmann::json::exception& error) {
    return Error{ErrorCode::kSystem,
                 fmt::format("nft printed something that is not its JSON ({})", error.what())};
  }
}

// Those of one kind.
template <class Take>
Status each_object(std::string_view json, const char* kind, Take take) {
  return each_object(json, [&](const std::string& of, const nlohmann::json& object) {
    if (of == kind) take(object);
  });
}

}  // namespace dove::agent
