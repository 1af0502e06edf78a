// What is to be projected: a model, how its training is split over GPUs, and the batch.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "harness/model/transformer.h"

namespace assay {

/// Element type of the operands of the linear layers; attention and the head stay bf16.
enum class Precision { bf16, fp8, fp4 };
/// What the backward pass computes again: nothing, the attention's scores, or every layer.
enum class Recompute { none, selective, full };
/// The order of microbatches in a pipeline (step_time.h).
enum class Schedule { one_f_one_b, zero_bubble, dual_pipe };

const char* name_of(Precision);
const char* name_of(Recompute);
const char* name_of(Schedule);
bool parse(std::string_view, Precision&);
bool parse(std::string_view, Recompute&);
bool parse(std::string_view, Schedule&);

struct Parallelism {
  std::int64_t tensor = 1, pipeline = 1, interleave = 1, context = 1, expert = 1;
  int zero = 1;                   // stage: 0 none, 1 optimizer, 2 and gradients, 3 and weights (FSDP)
  bool sequence_parallel = true;  // of the tensor group: norms and residuals are split too
  Schedule schedule = Schedule::one_f_one_b;
};

/// What the software does, for reasons that no dimension tells.
struct Stack {
  std::string name = "current";
  double tensor_overlap = 0.7;  // share of tensor-parallel communication that runs under a GEMM
  double expert_overlap = 0;    // share of the experts' exchange that runs under other compute; DualPipe: all
  /// Tokens cross to a node once, however many of its experts they want, and spread by its links (DeepEP, HybridEP);
  /// false: a copy for each expert, all the way.
  bool dispatch_per_node = true;
  bool narrow_dispatch = false;  // tokens travel to their experts in 8 bits; back always in 16
  bool flash_attention = true;   // false: scores go to memory and back
  double attention_share = 1;    // of the published rate of attention: older kernels
  bool dropout = false;
  /// Selective recomputation is torchtitan's: every second product of a layer, all narrow ones, and what is no product.
  bool recomputes_products = false;
  int gradient_bytes = 4;    // an element, in memory and on the wire
  double compute_share = 1;  // of the rate the calibrated kernels reach: eager launches, unfused kernels
  double gather_share = 1;   // of the bus that gathers of sharded weights reach
};

/// Parts of a layer that the backward pass computes again beside attention's scores, where recomputation is selective:
/// what is kept of them is their input (Megatron Core's output-discarding checkpoints).
struct RecomputedParts {
  bool norms = false, latent_up = false, activation = false, dense = false, experts = false;
};
/// "norms,experts"; false where a word is none of them.
bool parse(std::string_view, RecomputedParts&);
std::string name_of(const RecomputedParts&);

struct TrainingPlan {
  std::string model_name;
  Transformer model;
  std::int64_t gpus = 1;
  Parallelism split;
  std::int64_t global_batch = 1, micro_batch = 1, sequence = 1;  // in sequences; sequence in tokens
  Precision precision = Precision::bf16;
  Recompute recompute = Recompute::selective;
  RecomputedParts parts;
  double expert_imbalance = 1;  // tokens of the busiest rank's experts over the mean rank's
  Stack stack;

  std::int64_t data_parallel() const { return gpus / (split.tensor * split.pipeline * split.context); }
  std::int64_t microbatches() const { return global_batch / (micro_batch * data_parallel()); }
  /// Rows of the head on one GPU: padded so that a tensor group shares them evenly, as Megatron-LM does.
  std::int64_t local_vocabulary() const { return (model.vocabulary + split.tensor - 1) / split.tensor; }
  double tokens() const { return double(global_batch) * double(sequence); }
  /// Tokens of one microbatch on one GPU, before tensor parallelism.
  double local_tokens() const { return double(micro_batch) * double(sequence) / double(split.context); }
};

/// How layers (with those that predict further tokens) are dealt to pipeline stages.
enum class Layout {
  even,    // as many each; the last stage has the head beside its layers
  ends,    // the embedding and the loss take a layer's place each (Llama 3, section 3.3.2; Megatron-LM's
           // account-for-embedding and -loss)
  uneven,  // whole layers, so that the busiest stage is least busy (Megatron Core's pipeline layouts)
};
struct StageLayers {
  double busiest = 0;  // layers of the stage that has most
  Layout layout = Layout::even;
  bool head_extra() const { return layout == Layout::even; }
};
StageLayers stage_layers(const TrainingPlan&);
/// Whether so many layers can be dealt to so many chunks that these idle little.
bool can_deal(std::int64_t layers, std::int64_t chunks);

/// A number that no split could make possible: below 1, absurd, or not one; empty where there is none.
std::string range_problem(const TrainingPlan&);
/// Why it cannot be, with what would work; empty where it can.  Memory is another question (memory.h).
std::string plan_problem(const TrainingPlan&);
/// InputError where plan_problem() finds one.
void expect_possible(const TrainingPlan&);

}  // namespace assay
