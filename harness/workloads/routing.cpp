#include "harness/workloads/routing.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "harness/core/names.h"
#include "harness/verify/random.h"

namespace assay {
namespace {

constexpr Named<Routing> kRoutings[] = {
    {Routing::balanced, "balanced"}, {Routing::uneven, "uneven"}, {Routing::skewed, "skewed"}};

enum Stream : std::uint64_t { kShares = 101, kPlaces = 102 };  // apart from the streams of operands

/// `total` in proportion to `shares`: rounded down, and what is left one each to the largest remainders.
std::vector<std::int64_t> apportion(std::int64_t total, const std::vector<double>& shares) {
  const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
  std::vector<std::int64_t> out;
  std::vector<std::pair<double, std::size_t>> remainders;  // negative, so that sorting puts the largest first
  for (std::size_t g = 0; g < shares.size(); ++g) {
    const double exact = double(total) * (shares[g] / sum);
    out.push_back(std::int64_t(exact));
    if (shares[g] > 0) remainders.push_back({-(exact - std::floor(exact)), g});
  }
  std::sort(remainders.begin(), remainders.end());
  std::int64_t left = total - std::accumulate(out.begin(), out.end(), std::int64_t(0));
  for (std::size_t i = 0; left > 0; i = (i + 1) % remainders.size(), --left) ++out[remainders[i].second];
  return out;
}

/// The numbers 0 .. count - 1 in an order that the seed decides (Fisher and Yates).
std::vector<std::size_t> shuffled(std::size_t count, std::uint64_t seed) {
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t(0));
  const RandomStream random(seed, kPlaces);
  for (std::size_t i = count; i > 1; --i) std::swap(order[i - 1], order[random.below(i, i)]);
  return order;
}

}  // namespace

bool parse_routing(std::string_view text, Routing& out) { return find_value(kRoutings, text, out); }

std::vector<std::int64_t> route_tokens(Routing routing, std::int64_t total, std::int64_t groups, std::uint64_t seed) {
  std::vector<double> shares(std::size_t(groups), 1.0);
  if (routing == Routing::uneven) {
    const RandomStream random(seed, kShares);
    for (std::size_t g = 0; g < shares.size(); ++g) shares[g] = 0.7 + 0.6 * double(random.bits(g) >> 11) * 0x1p-53;
  }
  if (routing == Routing::skewed) {
    const auto place = shuffled(shares.size(), seed);
    const std::size_t served = shares.size() - shares.size() / 4;
    for (std::size_t g = 0; g < shares.size(); ++g) shares[g] = place[g] < served ? 1.0 / double(place[g] + 1) : 0.0;
  }
  return apportion(total, shares);
}

}  // namespace assay
