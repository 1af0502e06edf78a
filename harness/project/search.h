// The parallelism with the shortest step, among those whose memory fits.
#pragma once
#include "harness/project/projection.h"

namespace assay {

/// What was asked for and stays; 0 or nothing: free.
struct SearchLimits {
  std::int64_t tensor = 0, pipeline = 0, interleave = 0, context = 0, expert = 0, micro_batch = 0;
  std::optional<int> zero;
  std::optional<Recompute> recompute;
  bool any() const {
    return tensor > 0 || pipeline > 0 || interleave > 0 || context > 0 || expert > 0 || micro_batch > 0 || zero ||
           recompute;
  }
};

struct SearchResult {
  std::vector<TrainingPlan> best;  // fastest first
  std::vector<double> seconds;
  std::size_t tried = 0, fitting = 0;  // possible ones, and those whose memory fits
  /// On fewer GPUs: the fastest where it is faster than any on all of them, as the batch does not divide over those.
  std::optional<TrainingPlan> fewer;
  double fewer_seconds = 0;
};

/// Over tensor, pipeline, interleave, context, expert, microbatch, ZeRO 1 and 3, and recomputation, but for the limits;
/// batch, sequence, precision and stack stay.  Tensor groups stay in one NVLink domain.  InputError where none fits.
SearchResult search(const ProjectionInput&, std::size_t keep, const SearchLimits& = {});

}  // namespace assay
