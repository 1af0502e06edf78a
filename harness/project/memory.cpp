#include "harness/project/memory.h"

#include <algorithm>

#include "harness/project/communication.h"

namespace assay {
namespace {

// Bytes an element of weights: bf16; fp32 master copy and two moments.
constexpr double kWeight = 2, kOptimizer = 12;

struct StateSplit {
  double weight = 1, gradient = 1, optimizer = 1;
};

/// ZeRO-3 with a pipeline gathers a stage's weights once a step and sums its gradients at its end, as the step's time
/// has it (step_time.cpp): between, both are whole.
bool whole_for_a_step(const TrainingPlan& s) { return s.split.zero == 3 && s.split.pipeline > 1; }

StateSplit split_of(const TrainingPlan& s, double ranks) {
  const int zero = s.split.zero;
  return {zero >= 3 ? ranks : 1, zero >= 2 && !whole_for_a_step(s) ? ranks : 1, zero >= 1 ? ranks : 1};
}

void add_states(Memory& memory, const TrainingPlan& s, double elements, double ranks) {
  const StateSplit split = split_of(s, std::max(1.0, ranks));
  memory.weights += kWeight * elements / split.weight;
  memory.gradients += s.stack.gradient_bytes * elements / split.gradient;
  memory.optimizer += kOptimizer * elements / split.optimizer;
}

/// Of what a linear layer keeps of its input: as narrow as it multiplied it.
double kept_bytes(const TrainingPlan& s) { return s.precision == Precision::bf16 ? 2 : 1; }

/// Bytes a token keeps in the feed-forward network: its input, what the activation reads, what it writes.
double network_bytes(const TrainingPlan& s, const FeedForward& network, double split, double residual_split) {
  const double f = double(network.size), kept = kept_bytes(s);
  const bool again = s.recompute == Recompute::selective && s.parts.activation;  // what the activation writes
  return kept * double(s.model.hidden) / residual_split + ((network.gated ? 4 : 2) + (again ? 0 : kept)) * f / split;
}

/// Of a stage with such weights and so many microbatches' layers in flight.
Memory stage_memory(const TrainingPlan& s, const LocalParameters& local, double in_flight) {
  Memory out;
  add_states(out, s, local.dense, data_group(s).size);
  add_states(out, s, local.experts, expert_data_group(s).size);
  // DualPipe keeps two stages' weights and their gradients (DeepSeek-V3, table 2).
  if (s.split.schedule == Schedule::dual_pipe) {
    out.weights *= 2, out.gradients *= 2;
    if (s.split.zero == 0) out.optimizer *= 2;  // else split over the copies, too
  }
  out.activations = activation_bytes(s) * in_flight;
  if (s.recompute == Recompute::full) {  // the layer at hand, whole
    TrainingPlan kept = s;
    kept.recompute = Recompute::selective;
    out.activations += activation_bytes(kept);
  }
  // bf16 and fp32 of one microbatch.  On a last stage of its own they stand where the first has more in flight.
  const double logits = 6 * s.local_tokens() * double(s.local_vocabulary());
  const double lighter = s.split.pipeline > 1 ? out.activations * (1 - 1 / double(s.split.pipeline)) : 0;
  out.logits = std::max(0.0, logits - lighter);
  if (s.split.zero == 3)
    out.gathered = kWeight * local.total() * (whole_for_a_step(s) ? 1 : 2 / std::max(1.0, stage_layers(s).busiest));
  constexpr double kContext = 1.5e9, kFragmentation = 0.06;  // CUDA context and NCCL's buffers; the allocator's loss
  out.overhead = kContext + kFragmentation * (out.activations + out.logits + out.gathered);
  return out;
}

}  // namespace

LocalParameters local_parameters(const TrainingPlan& s) {
  const Parameters p = parameters(s.model);
  const double t = double(s.split.tensor), stages = double(s.split.pipeline);
  const double further = double(s.model.prediction_layers), layers = double(s.model.layers) + further;
  const double share = stage_layers(s).busiest / layers;
  double dense = layers * (p.attention + 2 * double(s.model.hidden)) + further * p.prediction;
  LocalParameters out;
  if (s.model.expert_layers() > 0) {
    const double routed = double(s.model.experts) * p.expert, with = double(s.model.expert_layers()) + further;
    dense += double(s.model.dense_layers) * p.dense + with * (p.experts - routed);
    out.experts = share * with * routed / double(s.split.expert);
  } else {
    dense += (double(s.model.dense_layers) + further) * p.dense;
  }
  // The first stage has the embedding, the last the head; on one stage both.
  const double ends = stages > 1 ? p.embedding : p.embedding + p.head;
  out.dense = (share * dense + (stage_layers(s).head_extra() || stages == 1 ? ends : 0)) / t;
  return out;
}

double activation_bytes(const TrainingPlan& s) {
  const Transformer& m = s.model;
  const double t = double(s.split.tensor), h = double(m.hidden), residual = s.split.sequence_parallel ? t : 1;
  const double tokens = s.local_tokens();
  if (s.recompute == Recompute::full) return 2 * h * tokens / residual;
  const double kv = double(m.latent() ? m.heads : m.kv_heads);
  // Norms' inputs and the input of QKV; q, k, v; the output projection's input; masks of dropout.
  const double kept = kept_bytes(s);
  const bool selective = s.recompute == Recompute::selective;
  double bytes = (4 + kept) * h / residual + kept * double(m.heads) * double(m.v_dim()) / t +
                 (s.stack.dropout ? 2 * h / residual : 0);
  if (m.latent()) bytes += 2 * double(m.q_rank + m.kv_rank + m.rope_head_dim);
  if (!(selective && s.parts.latent_up && m.latent()))
    bytes += 2 * ((double(m.heads) + kv) * double(m.qk_dim()) + kv * double(m.v_dim())) / t;
  if (selective && s.parts.norms) bytes -= 2 * kept * h / residual;  // what both norms write
  const double dense = double(m.dense_layers) / double(m.layers);
  if (dense > 0)
    bytes += dense * (selective && s.parts.dense ? kept * h / residual : network_bytes(s, m.dense, t, residual));
  if (m.expert_layers() > 0) {
    double routed = s.expert_imbalance * double(m.experts_per_token) / t * network_bytes(s, m.expert, 1, 1);
    if (m.shared.size > 0) routed += network_bytes(s, m.shared, t, residual);
    if (selective && s.parts.experts) routed = kept * h / residual;  // the block's input
    bytes += (1 - dense) * routed;
  }
  // Scores, their softmax and dropout's mask, where attention keeps them.
  if (!s.stack.flash_attention && s.recompute == Recompute::none) bytes += 5 * double(m.heads) * double(s.sequence) / t;
  return bytes * tokens;
}

std::int64_t microbatch_group(const TrainingPlan& s) {
  const std::int64_t p = s.split.pipeline, m = s.microbatches();
  std::int64_t group = std::min(p, m);
  while (m % group != 0 && m % group < p) ++group;
  return group;
}

double layers_in_flight(const TrainingPlan& s) {
  const double p = double(s.split.pipeline), v = double(s.split.interleave), m = double(s.microbatches());
  const double layers = stage_layers(s).busiest;
  if (p == 1) return layers;
  if (s.split.schedule == Schedule::dual_pipe) return std::min(m, p + 1) * layers;  // DeepSeek-V3, table 2
  if (m <= p) return m * layers;
  if (v == 1) return p * layers;
  return std::min(m, (2 * p - 1 + (v - 1) * double(microbatch_group(s))) / v) * layers;  // chunks: Megatron's warm-up
}

Memory memory_of(const TrainingPlan& s) {
  const LocalParameters local = local_parameters(s);
  const Memory out = stage_memory(s, local, layers_in_flight(s));
  if (s.split.pipeline == 1 || stage_layers(s).head_extra()) return out;
  // An end has its matrix, which may be larger, in a layer's place.
  const double rest = 1 - 1 / stage_layers(s).busiest;
  const double matrix = double(s.model.vocabulary) * double(s.model.hidden) / double(s.split.tensor);
  const Memory end = stage_memory(s, {rest * local.dense + matrix, rest * local.experts}, rest * layers_in_flight(s));
  return end.total() > out.total() ? end : out;
}

}  // namespace assay
