#include "harness/measure/rank_times.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <numeric>

#include "harness/core/error.h"
#include "harness/measure/statistics.h"

namespace assay {
namespace {

constexpr int kDigits = 7;  // more than any clock here has, and half the JSON of a double that round-trips

using Times = std::vector<std::vector<double>>;  // [rank][sample]

/// Ranks end with ';', samples with ' '.
std::string text_of(const Times& times, std::size_t stride) {
  std::string out;
  for (const auto& rank : times) {
    for (std::size_t i = 0; i < rank.size(); i += stride) {
      char number[32];
      std::snprintf(number, sizeof number, "%.*g ", kDigits, rank[i]);
      out += number;
    }
    out += ';';
  }
  return out;
}

void append_times(const std::string& text, Times& out) {
  const char* at = text.c_str();
  while (*at) {
    auto& rank = out.emplace_back();
    while (*at && *at != ';') {
      char* end = nullptr;
      rank.push_back(std::strtod(at, &end));
      at = *end == ' ' ? end + 1 : end;
    }
    if (*at) ++at;
  }
}

/// Whether samples of that class count; all do where samples carry none.
bool counts(const Measurement& m, std::size_t sample, Placement dominant) {
  return m.placement.size() != m.seconds.size() || m.placement[sample] == dominant;
}

double median_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return quantile(values, 0.5);
}

}  // namespace

void attach_rank_times(Communicator& communicator, const Times& own, Measurement& measurement) {
  const std::size_t samples = measurement.seconds.size();
  if (communicator.size() == 1 && own.size() < 2) return;
  const double ranks = communicator.maximum(double(own.size())) * communicator.size();
  const auto stride = std::size_t(std::max(1.0, (ranks * double(samples) - 1) / double(kMostRankSeconds) + 1));
  Times all;
  for (const std::string& text : communicator.gather(text_of(own, stride))) append_times(text, all);
  const std::size_t expected = (samples + stride - 1) / stride;
  for (std::size_t rank = 0; rank < all.size(); ++rank)
    if (all[rank].size() != expected)
      throw MeasureError("rank " + std::to_string(rank) + " has " + std::to_string(all[rank].size()) +
                         " times where this rank has " + std::to_string(expected));
  if (samples == 0) return;
  measurement.rank_seconds = std::move(all);
  measurement.rank_stride = int(stride);
}

std::optional<RankSummary> summarise_ranks(const Measurement& m) {
  if (m.rank_seconds.size() < 2 || m.rank_seconds.front().empty()) return std::nullopt;
  const Placement dominant = dominant_placement(m.placement);
  std::vector<double> means, skews;
  std::vector<int> slowest(m.rank_seconds.size(), 0);
  for (std::size_t i = 0; i < m.rank_seconds.front().size(); ++i) {
    if (!counts(m, i * std::size_t(m.rank_stride), dominant)) continue;
    std::vector<double> of_ranks;
    for (const auto& rank : m.rank_seconds) of_ranks.push_back(rank[i]);
    const auto [fastest, latest] = std::minmax_element(of_ranks.begin(), of_ranks.end());
    means.push_back(std::accumulate(of_ranks.begin(), of_ranks.end(), 0.0) / double(of_ranks.size()));
    skews.push_back(*latest - *fastest);
    ++slowest[std::size_t(latest - of_ranks.begin())];
  }
  if (means.empty()) return std::nullopt;
  const auto worst = std::max_element(slowest.begin(), slowest.end());
  return RankSummary{median_of(means), median_of(skews), int(worst - slowest.begin()),
                     double(*worst) / double(means.size())};
}

}  // namespace assay
