// The parallelism with the shortest step, among those whose memory fits.
#pragma once
#include "harness/project/projection.h"

namespace assay {

struct SearchResult {
  std::vector<TrainingPlan> best;  // fastest first
  std::vector<double> seconds;
  std::size_t tried = 0, fitting = 0;  // possible ones, and those whose memory fits
};

/// Over tensor, pipeline, interleave, context, expert, microbatch, ZeRO 1 and 3, and recomputation; batch, sequence,
/// precision and stack stay.  Tensor groups stay in one NVLink domain.  InputError where none fits.
SearchResult search(const ProjectionInput&, std::size_t keep);

}  // namespace assay
