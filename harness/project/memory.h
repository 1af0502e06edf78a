// Memory of the fullest GPU, by part.
#pragma once
#include "harness/project/hardware.h"

namespace assay {

/// Bytes.  Formulas: Korthikanti et al. (arXiv 2205.05198, section 4) for activations, Rajbhandari et al. (1910.02054,
/// section 5) for states split by ZeRO.
struct Memory {
  double weights = 0, gradients = 0, optimizer = 0;
  double activations = 0;  // of all microbatches in flight on the fullest stage
  double logits = 0;
  double gathered = 0;  // ZeRO-3: two layers' weights, whole; with a pipeline all of a stage's
  double overhead = 0;  // context, communicators, fragmentation
  double states() const { return weights + gradients + optimizer; }
  double total() const { return states() + activations + logits + gathered + overhead; }
};

struct LocalParameters {
  double dense = 0, experts = 0;  // elements on one GPU, before ZeRO splits them
  double total() const { return dense + experts; }
};
/// Of the fullest stage.
LocalParameters local_parameters(const TrainingPlan&);
/// Bytes of activations that one layer keeps for one microbatch.
double activation_bytes(const TrainingPlan&);
/// Microbatches that pass a chunk of an interleaved pipeline one after the other: as few as there are stages, if what
/// is left over is none or as many (Megatron Core's microbatch_group_size_per_vp_stage).
std::int64_t microbatch_group(const TrainingPlan&);
/// Microbatches' layers that the first stage holds at once.
double layers_in_flight(const TrainingPlan&);
Memory memory_of(const TrainingPlan&);
/// Of a parameter, gradients apart: the bf16 weight; fp32 master copy and two moments.
inline constexpr double kStateBytes = 14;

}  // namespace assay
