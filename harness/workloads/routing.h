// How the tokens of a mixture of experts are shared out among the experts of one rank.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

namespace assay {

enum class Routing : std::uint8_t {
  balanced,  // as evenly as whole numbers allow
  uneven,    // in proportion to uniform numbers in [0.7, 1.3): trained routers, as DeepGEMM's tests draw them
  skewed,    // in proportion to 1, 1/2, 1/3, ...; of four or more experts the last quarter get none
};

bool parse_routing(std::string_view text, Routing& out);

/// Tokens of each of `groups` experts, `total` in all: equal totals make equal FLOP.  Depends on its arguments alone;
/// `seed` draws the uniform numbers, and which expert has which place.
std::vector<std::int64_t> route_tokens(Routing, std::int64_t total, std::int64_t groups, std::uint64_t seed);

}  // namespace assay
