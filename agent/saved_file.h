// Files that must be whole whenever the power fails: replaced as a whole (a new file, synced,
// renamed over the old one, the directory synced), so that one finds the old text or the new one.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "core/result.h"

namespace dove::agent {

// The text of a regular file; empty when there is none of that name. Every error names the file.
Result<std::optional<std::string>> read_file(const std::filesystem::path& file, std::size_t limit);
Status replace_file(const std::filesystem::path& file, std::string_view text);

}  // namespace dove::agent
