// What stands behind a keyword, as values. An error names the word and what was expected.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "cli/words.h"
#include "core/ip_address.h"
#include "core/mac_address.h"
#include "core/prefix.h"
#include "core/result.h"
#include "core/vni.h"

namespace dove::cli {

Result<std::string> parse_name(std::string_view word);  // of a tenant, network, endpoint or host
// The next word, which is to be a name.
Result<std::string> take_name(Words& words);
// "KEYWORD NAME", which stores the name in `out`; borrows it.
Keyword name_keyword(std::string_view keyword, std::string* out);
Result<std::string> parse_dev(std::string_view word);  // as the kernel allows them
Result<Vni> parse_vni(std::string_view word);
Result<MacAddress> parse_mac(std::string_view word);  // one that an endpoint can have
Result<IpAddress> parse_ip(std::string_view word);    // one that an endpoint can have
Result<Prefix> parse_prefix(std::string_view word);
// The index of `word` among `choices`.
Result<std::size_t> parse_choice(std::string_view word, std::span<const std::string_view> choices);
Result<bool> parse_on_off(std::string_view word);

// "auto": the controller is to choose.
constexpr bool is_auto(std::string_view word) noexcept { return word == "auto"; }

}  // namespace dove::cli
