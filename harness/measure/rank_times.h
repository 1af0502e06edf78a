// Ranks' own times of the same launches: who was slowest, by how much, and how far apart they were.
#pragma once
#include <optional>

#include "harness/communicators/communicator.h"
#include "harness/measure/measurement.h"

namespace assay {

/// Ranks times samples that a record keeps; beyond, every rank_stride-th sample of each rank.  About 1.5 MB of JSON.
inline constexpr std::size_t kMostRankSeconds = std::size_t(1) << 17;

/// Collective: `own` are the times of the ranks that this process drives, one for each of `measurement.seconds`; all
/// ranks' become measurement.rank_seconds, to seven digits.  Nothing for a single rank.  MeasureError where ranks took
/// different numbers of samples, which the agreement on when to stop rules out.
void attach_rank_times(Communicator&, const std::vector<std::vector<double>>& own, Measurement& measurement);

/// Of the samples in the most frequent placement class, as summarise() has it.
struct RankSummary {
  double mean_seconds = 0;   // over ranks; median over samples
  double skew_seconds = 0;   // slowest less fastest rank; median over samples
  int slowest_rank = 0;      // the one that was slowest most often
  double slowest_share = 0;  // of the samples, in which it was
};
/// Nothing where the ranks' times are not known.
std::optional<RankSummary> summarise_ranks(const Measurement&);

}  // namespace assay
