// Time of one layer and of the head on one GPU, for one microbatch, by what takes it.
#pragma once
#include "harness/project/kernel_time.h"

namespace assay {

/// Calibrated against published runs (calibration.h), or 1 and a guess where it was not.
struct Shares {
  double compute[3] = {1, 1, 1};  // of the GEMM rate, by Precision
  double contention = 0.3;        // of hidden communication, by which it slows the compute above it
};

struct PassTime {
  double gemm = 0, attention = 0, stream = 0;
  double tensor = 0, context = 0, expert = 0;  // exposed communication
  double compute() const { return gemm + attention + stream; }
  double total() const { return compute() + tensor + context + expert; }
};

struct LayerTime {
  PassTime forward, backward;  // recomputation is in backward
  double total() const { return forward.total() + backward.total(); }
};

/// The mean layer, where some have experts and some have none.
LayerTime layer_time(const TrainingPlan&, const Hardware&, const Shares&, Coverage* = nullptr);
/// Projection to the vocabulary with the loss, in bf16, forward and backward; with what predicts further tokens beside
/// its layers: a projection and the head again for each.
LayerTime head_time(const TrainingPlan&, const Hardware&, const Shares&, Coverage* = nullptr);

}  // namespace assay
