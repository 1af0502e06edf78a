// The router in fp64, and how far fp32 may be from it.  u = 2^-24.  An exponential's argument x - m has an absolute
// error of at most 4 u (|x| + |m|), the exponential itself a relative one of 8 u; a sigmoid is 1 / (1 + exp(-x)), with
// m = 0.  Sums over few experts add u a term.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>

#include "kernels/layer/router.h"

namespace assay {
namespace {

const double kU = unit_roundoff(DType::f32);
constexpr double kInfinity = std::numeric_limits<double>::infinity();
// An exponential below 2^-126 may become zero.
const double kLost = std::ldexp(1.0, -125);

double exponential_error(double x, double max) {
  return std::isinf(x) ? 0 : std::min(4 * kU * (std::abs(x) + std::abs(max)) + 8 * kU, 1.0);
}

std::vector<double> logits_of(const RouterProblem& p, const void* logits, std::int64_t t) {
  std::vector<double> x(std::size_t(p.experts));
  for (std::int64_t e = 0; e < p.experts; ++e) x[std::size_t(e)] = load_element(p.dtype, logits, t * p.experts + e);
  return x;
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

/// What experts are ranked by; NaN as +infinity, whose error is nothing.
std::vector<LayerElement> ranks_of(const RouterProblem& p, const RouterBuffers& host, const std::vector<double>& x) {
  std::vector<LayerElement> ranks;
  for (std::size_t e = 0; e < x.size(); ++e) {
    LayerElement rank{x[e], 0};
    if (p.gate == RouterGate::sigmoid) {
      const double s = sigmoid(x[e]), bias = host.bias ? double(host.bias[e]) : 0;
      rank = {s + bias, s * (exponential_error(x[e], 0) + 2 * kU) + kU * std::abs(s + bias) + kLost};
    }
    ranks.push_back(std::isnan(rank.value) ? LayerElement{kInfinity, 0} : rank);
  }
  return ranks;
}

std::vector<LayerElement> group_ranks_of(const RouterProblem& p, const std::vector<LayerElement>& ranks) {
  std::vector<LayerElement> groups;
  for (std::int64_t g = 0; g < p.groups; ++g) {
    std::vector<LayerElement> members(ranks.begin() + g * p.group_size(), ranks.begin() + (g + 1) * p.group_size());
    const auto best = std::min<std::size_t>(2, members.size());
    std::partial_sort(members.begin(), members.begin() + std::ptrdiff_t(best), members.end(),
                      [](const LayerElement& a, const LayerElement& b) { return a.value > b.value; });
    LayerElement sum;
    double error = 0;  // of any member: another may have come out second
    for (const LayerElement& member : members) error = std::max(error, member.allowed);
    for (std::size_t i = 0; i < best; ++i) sum.value += members[i].value;
    groups.push_back({sum.value, std::isinf(sum.value) ? 0 : 2 * error + kU * std::abs(sum.value)});
  }
  return groups;
}

/// The `count` best of `values`, ties to the lower number.
std::vector<std::int32_t> best_of(const std::vector<LayerElement>& values, std::int64_t count) {
  std::vector<std::int32_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    return values[std::size_t(a)].value > values[std::size_t(b)].value;
  });
  order.resize(std::size_t(count));
  return order;
}

/// Which groups the two bounds leave no doubt about, and the rest.
enum class Place : std::uint8_t { in, out, either };
std::vector<Place> group_places(const RouterProblem& p, const std::vector<LayerElement>& ranks) {
  if (p.groups == 1) return {Place::in};
  const std::vector<LayerElement> groups = group_ranks_of(p, ranks);
  std::vector<Place> places;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    std::int64_t surely_better = 0, maybe_better = 0;
    for (std::size_t h = 0; h < groups.size(); ++h) {
      if (h == g) continue;
      const double error = groups[g].allowed + groups[h].allowed;
      if (groups[h].value > groups[g].value + error) ++surely_better;
      if (groups[h].value >= groups[g].value - error) ++maybe_better;
    }
    places.push_back(surely_better >= p.top_groups ? Place::out
                     : maybe_better < p.top_groups ? Place::in
                                                   : Place::either);
  }
  return places;
}

/// Experts that nobody can tell apart: the lower number has to come first.
bool alike(const RouterBuffers& host, const std::vector<double>& x, std::int32_t a, std::int32_t b) {
  return x[std::size_t(a)] == x[std::size_t(b)] && (host.bias == nullptr || host.bias[a] == host.bias[b]);
}

std::string worse_before_better(std::int64_t t, std::int32_t worse, std::int32_t better) {
  return "token " + std::to_string(t) + ": expert " + std::to_string(worse) + " before " + std::to_string(better);
}

/// What weights and gradients are made of: for softmax over the chosen or over all, or the sigmoids.
struct Gates {
  std::vector<double> value, error;  // [experts]; the error is relative
  double sum = 1, sum_error = 0;     // what they are divided by, and its relative error
  double weight(std::size_t e) const { return value[e] / sum; }
  double weight_error(std::size_t e) const { return error[e] + sum_error; }
};

Gates gates_of(const RouterProblem& p, const std::vector<double>& x, const std::int32_t* expert) {
  Gates gates;
  const bool softmax = p.gate == RouterGate::softmax;
  double max = 0;
  if (softmax) {
    max = -kInfinity;
    for (const double value : x) max = std::isnan(value) || value > max ? value : max;
  }
  for (const double value : x) {
    gates.value.push_back(softmax ? std::exp(value - max) : sigmoid(value));
    gates.error.push_back(exponential_error(value, max) + 2 * kU);
  }
  if (!softmax && !p.renormalise) return gates;
  gates.sum = softmax ? 0 : double(kRouterEpsilon);
  const auto add = [&](std::size_t e) {
    gates.sum += gates.value[e];
    gates.sum_error = std::max(gates.sum_error, gates.value[e] > 0 ? gates.error[e] : 0);
  };
  const std::int64_t terms = p.renormalise ? p.top_k : p.experts;
  for (std::int64_t i = 0; i < terms; ++i) add(std::size_t(p.renormalise ? std::int64_t(expert[i]) : i));
  gates.sum_error += double(terms) * kU;
  // The softmax of the chosen does not care how unlikely they are among all; in fp64 e^-700 is the end of that.
  return gates;
}

}  // namespace

std::string reason_router_unfit(const RouterProblem& p) {
  const auto text = [](std::int64_t n) { return std::to_string(n); };
  if (p.experts > kRouterExperts) return "at most " + text(kRouterExperts) + " experts";
  if (p.top_k > kRouterTopK) return "at most " + text(kRouterTopK) + " experts a token";
  if (p.top_k > p.experts) return "top_k=" + text(p.top_k) + " of " + text(p.experts) + " experts";
  if (p.groups < 1 || p.experts % p.groups != 0)
    return text(p.experts) + " experts do not divide into " + text(p.groups) + " groups";
  if (p.top_groups < 1 || p.top_groups > p.groups) return "top_groups=" + text(p.top_groups) + " of " + text(p.groups);
  if (p.groups > 1 && p.gate != RouterGate::sigmoid) return "groups need the sigmoid gate";
  if (p.top_groups * p.group_size() < p.top_k)
    return text(p.top_groups) + " groups of " + text(p.group_size()) + " experts hold less than top_k=" + text(p.top_k);
  return {};
}

std::vector<std::int32_t> router_reference_choice(const RouterProblem& p, const RouterBuffers& host, std::int64_t t) {
  std::vector<LayerElement> ranks = ranks_of(p, host, logits_of(p, host.logits, t));
  if (p.groups == 1) return best_of(ranks, p.top_k);
  const std::vector<std::int32_t> groups = best_of(group_ranks_of(p, ranks), p.top_groups);
  std::vector<std::int32_t> members;
  for (std::int32_t g : groups)
    for (std::int64_t e = g * p.group_size(); e < (g + 1) * p.group_size(); ++e) members.push_back(std::int32_t(e));
  std::sort(members.begin(), members.end());
  std::stable_sort(members.begin(), members.end(), [&](std::int32_t a, std::int32_t b) {
    return ranks[std::size_t(a)].value > ranks[std::size_t(b)].value;
  });
  members.resize(std::size_t(p.top_k));
  return members;
}

std::string router_allows(const RouterProblem& p, const RouterBuffers& host, std::int64_t t,
                          const std::int32_t* expert) {
  const std::vector<double> x = logits_of(p, host.logits, t);
  const std::vector<LayerElement> ranks = ranks_of(p, host, x);
  const std::vector<Place> places = group_places(p, ranks);
  const auto surely_better = [&](std::int32_t a, std::int32_t b) {
    const LayerElement &of_a = ranks[std::size_t(a)], &of_b = ranks[std::size_t(b)];
    return of_a.value > of_b.value + of_a.allowed + of_b.allowed || (a < b && alike(host, x, a, b));
  };
  std::vector<bool> chosen(std::size_t(p.experts), false);
  for (std::int64_t i = 0; i < p.top_k; ++i) {
    const std::int32_t e = expert[i];
    if (e < 0 || e >= p.experts) return "token " + std::to_string(t) + ": no expert " + std::to_string(e);
    if (chosen[std::size_t(e)]) return "token " + std::to_string(t) + ": expert " + std::to_string(e) + " twice";
    if (places[std::size_t(e / p.group_size())] == Place::out)
      return "token " + std::to_string(t) + ": expert " + std::to_string(e) + " of a group that is not among the best";
    chosen[std::size_t(e)] = true;
    if (i > 0 && surely_better(e, expert[i - 1])) return worse_before_better(t, expert[i - 1], e);
  }
  for (std::int32_t e = 0; e < p.experts; ++e) {
    if (chosen[std::size_t(e)] || places[std::size_t(e / p.group_size())] != Place::in) continue;
    for (std::int64_t i = 0; i < p.top_k; ++i)
      if (surely_better(e, expert[i])) return worse_before_better(t, expert[i], e);
  }
  return {};
}

LayerRow router_reference_weights(const RouterProblem& p, const RouterBuffers& host, std::int64_t t,
                                  const std::int32_t* expert) {
  const Gates gates = gates_of(p, logits_of(p, host.logits, t), expert);
  LayerRow row;
  for (std::int64_t i = 0; i < p.top_k; ++i) {
    const auto e = std::size_t(expert[i]);
    const double value = double(p.scale) * gates.weight(e);
    row.add({value, std::abs(value) * (gates.weight_error(e) + 3 * kU) + kLost * (1 + std::abs(double(p.scale)))});
  }
  return row;
}

LayerRow router_reference_dlogits(const RouterProblem& p, const RouterBuffers& host, std::int64_t t) {
  const std::int32_t* expert = host.expert + t * p.top_k;
  const Gates gates = gates_of(p, logits_of(p, host.logits, t), expert);
  const bool softmax = p.gate == RouterGate::softmax, everywhere = softmax && !p.renormalise;
  std::vector<double> g(std::size_t(p.experts), 0.0);
  std::vector<bool> chosen(g.size(), false);
  double inner = 0, magnitude = 0, error = double(p.top_k + 8) * kU;  // sum_i g_i w_i; the error is relative
  for (std::int64_t i = 0; i < p.top_k; ++i) {
    const auto e = std::size_t(expert[i]);
    g[e] = double(p.scale) * host.dweight[t * p.top_k + i];
    chosen[e] = true;
    inner += g[e] * gates.weight(e);
    magnitude += std::abs(g[e] * gates.weight(e));
    error = std::max(error, double(p.top_k + 8) * kU + gates.weight_error(e));
  }
  LayerRow row;
  for (std::size_t e = 0; e < g.size(); ++e) {
    if (!chosen[e] && !everywhere) {
      row.add({0, 0});
      continue;
    }
    const bool subtracts = softmax || p.renormalise;
    const double s = gates.value[e];
    const double outer = softmax ? gates.weight(e) : s * (1 - s) / gates.sum;
    // 1 - s has the absolute error of s.
    const double outer_error =
        softmax ? outer * gates.weight_error(e) : (outer + s * s / gates.sum) * (gates.weight_error(e) + 4 * kU);
    const double value = outer * (g[e] - (subtracts ? inner : 0));
    const double terms = std::abs(g[e]) + (subtracts ? magnitude : 0);
    row.add({value, terms * (outer_error + outer * 2 * error) + unit_roundoff(p.dtype) * std::abs(value) +
                        kLost * (1 + terms)});
  }
  return row;
}

}  // namespace assay
