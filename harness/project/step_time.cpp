#include "harness/project/step_time.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "harness/project/communication.h"
#include "harness/project/memory.h"

namespace assay {
namespace {

/// Of the input pipeline and the launches that nothing hides, once a step.
constexpr double kHostSeconds = 5e-3;

/// One microbatch on the busiest stage.
struct Stage {
  LayerTime layer, head;
  double layers = 1, heads = 0;  // of the busiest stage
  double forward() const { return layers * layer.forward.total() + heads * head.forward.total(); }
  double backward() const { return layers * layer.backward.total() + heads * head.backward.total(); }
};

/// Whole layers dealt so that the busiest rank is least busy; the last has the head.  DualPipe's ranks have two stages
/// each, one from either end, and pass half of the microbatches through each.
void deal(Stage& stage, const TrainingPlan& s) {
  const bool both_ends = s.split.schedule == Schedule::dual_pipe;
  const double per_rank = both_ends ? 2 : 1, ranks = double(s.split.pipeline) / per_rank;
  const double layers = double(s.model.layers + s.model.prediction_layers);
  const double layer = stage.layer.total(), head = stage.head.total();
  double least = std::numeric_limits<double>::infinity();
  for (double last = 0; last <= layers; ++last) {
    const double others = ranks > 1 ? std::ceil((layers - last) / (ranks - 1)) : 0;
    if (ranks == 1 && last < layers) continue;
    const bool at_end = last * layer + head >= others * layer;
    const double busiest = at_end ? last * layer + head : others * layer;
    if (busiest >= least) continue;
    least = busiest;
    stage.layers = (at_end ? last : others) / per_rank, stage.heads = at_end ? 1 / per_rank : 0;
  }
}

Stage busiest_stage(const TrainingPlan& s, const Hardware& hw, const Shares& shares, Coverage& coverage) {
  Stage out{layer_time(s, hw, shares, &coverage), head_time(s, hw, shares, &coverage)};
  const StageLayers layers = stage_layers(s);
  out.layers = layers.busiest;
  if (s.split.pipeline == 1 || layers.head_extra()) return out.heads = 1, out;
  if (layers.layout == Layout::uneven) return deal(out, s), out;
  // The loss takes a layer's place: the last stage is the busiest where the head takes longer than a layer.
  if (out.head.total() > out.layer.total()) out.layers -= 1, out.heads = 1;
  return out;
}

void add_pass(StepTime& step, const PassTime& pass, double times) {
  step.gemm += times * pass.gemm, step.attention += times * pass.attention, step.stream += times * pass.stream;
  step.tensor += times * pass.tensor, step.context += times * pass.context, step.expert += times * pass.expert;
}

struct Volumes {
  double weights = 0, gradients = 0;  // bytes of one GPU's part, whole
};

Volumes volumes_of(const TrainingPlan& s, double elements) { return {2 * elements, s.stack.gradient_bytes * elements}; }

/// Gradients and weights that data-parallel ranks exchange once a step.  With a pipeline, all but the last (first)
/// chunk's hide under the other microbatches that are in flight; without one, under the last (first) microbatch.
double data_once(const TrainingPlan& s, const Hardware& hw, const Shares& shares, const Stage& stage) {
  const LocalParameters local = local_parameters(s);
  const double v = double(s.split.interleave), p = double(s.split.pipeline);
  const double in_flight = std::min(double(s.microbatches()), p);
  const double windows = p > 1 ? in_flight * (v - 1) / v + 1 / v : 1;
  const double pieces = p > 1 ? v * std::max(1.0, std::floor(stage_layers(s).busiest / v)) : stage.layers;
  // Gradients that are split cannot wait for the last microbatch: each one's are summed under its backward.
  const double sums = s.split.zero == 2 ? double(s.microbatches()) : 1;
  double reduce = 0, gather = 0;
  const double copies = s.split.schedule == Schedule::dual_pipe ? 2 : 1;  // of a stage: on a rank of either end
  const auto add = [&](double elements, const Group& group) {
    const Volumes bytes = volumes_of(s, copies * elements);
    if (s.split.zero == 0) return void(reduce += all_reduce_seconds(bytes.gradients, group, hw));
    reduce += gather_seconds(bytes.gradients, group, hw, s.stack.gather_share);
    gather += gather_seconds(bytes.weights, group, hw, s.stack.gather_share);  // ZeRO-3's stay whole, too (memory.cpp)
  };
  add(local.dense, data_group(s));
  add(local.experts, expert_data_group(s));
  return exposed_seconds(sums * reduce, stage.backward() * std::max(sums, windows), sums * pieces, shares.contention) +
         exposed_seconds(gather, stage.forward() * windows, pieces, shares.contention);
}

/// ZeRO-3 without a pipeline: every microbatch gathers each layer twice and scatters its gradients, one layer ahead.
double data_every_microbatch(const TrainingPlan& s, const Hardware& hw, const Stage& stage) {
  const LocalParameters local = local_parameters(s);
  double gather = 0, scatter = 0;
  const auto add = [&](double elements, const Group& group) {
    const Volumes bytes = volumes_of(s, elements / stage.layers);
    gather += gather_seconds(bytes.weights, group, hw, s.stack.gather_share);
    scatter += gather_seconds(bytes.gradients, group, hw, s.stack.gather_share);
  };
  add(local.dense, data_group(s));
  add(local.experts, expert_data_group(s));
  const double forward = stage.forward() / stage.layers, backward = stage.backward() / stage.layers;
  // Neither stream is steady: where they take alike long, each waits for the other now and then.  The root of the sum
  // of squares is at least the longer, and near it where one is much longer.
  const auto exposed = [](double communication, double window) { return std::hypot(communication, window) - window; };
  const double layer = exposed(gather, forward) + exposed(gather + scatter, backward);
  return double(s.microbatches()) * stage.layers * layer + gather + scatter;  // the first and the last find no window
}

double data_seconds(const TrainingPlan& s, const Hardware& hw, const Shares& shares, const Stage& stage) {
  if (data_group(s).size <= 1) return 0;
  return s.split.zero == 3 && s.split.pipeline == 1 ? data_every_microbatch(s, hw, stage)
                                                    : data_once(s, hw, shares, stage);
}

/// Activations to the next stage and their gradients back, for every chunk: hidden but for contention, and whole while
/// the pipeline fills and drains.
double pipeline_seconds(const TrainingPlan& s, const Hardware& hw, const Shares& shares) {
  if (s.split.pipeline == 1) return 0;
  const double bytes =
      2 * s.local_tokens() * double(s.model.hidden) / (s.split.sequence_parallel ? double(s.split.tensor) : 1);
  const double one = neighbour_seconds(bytes, s, hw), v = double(s.split.interleave);
  return 2 * one * (shares.contention * double(s.microbatches()) * v + double(s.split.pipeline - 1));
}

double optimizer_seconds(const TrainingPlan& s, const Hardware& hw) {
  const LocalParameters local = local_parameters(s);
  const bool split = s.split.zero >= 1;
  const double elements =
      local.dense / (split ? data_group(s).size : 1) + local.experts / (split ? expert_data_group(s).size : 1);
  return stream_seconds(kOptimizerBytes * elements, 1, hw);
}

}  // namespace

double bubble_seconds(const Parallelism& split, double microbatches, double forward, double backward,
                      double weight_gradient) {
  const double p = double(split.pipeline), m = microbatches, v = double(split.interleave);
  if (p <= 1) return 0;
  switch (split.schedule) {
    case Schedule::one_f_one_b:
      return (std::max(0.0, p - m) + (std::min(m, p) - 1) / v) * (forward + backward);
    case Schedule::zero_bubble:
      return std::max(0.0, (p - 1) * (forward + backward - weight_gradient) - (std::min(m, p) - 1) * weight_gradient);
    case Schedule::dual_pipe:
      return std::max(0.0, p / 2 - 1) * std::max(0.0, std::max(forward, backward) + backward - 3 * weight_gradient);
  }
  return 0;
}

double straggler_factor(double nodes, double sigma) {
  return nodes > 1 ? 1 + sigma * std::sqrt(2 * std::log(nodes)) : 1;
}

StepTime step_time(const TrainingPlan& s, const Hardware& hw, const Shares& shares) {
  StepTime out;
  const Stage stage = busiest_stage(s, hw, shares, out.coverage);
  const double microbatches = double(s.microbatches());
  for (const PassTime& pass : {stage.layer.forward, stage.layer.backward})
    add_pass(out, pass, microbatches * stage.layers);
  for (const PassTime& pass : {stage.head.forward, stage.head.backward})
    add_pass(out, pass, microbatches * stage.heads);
  // Half of a backward's products are weights' gradients, which can wait.
  const double layers = stage_layers(s).busiest;
  const double forward = layers * stage.layer.forward.total(), backward = layers * stage.layer.backward.total();
  out.bubble = bubble_seconds(s.split, microbatches, forward, backward, layers * stage.layer.backward.gemm / 2);
  out.bubble_share = out.bubble / (microbatches * (forward + backward));
  out.data = data_seconds(s, hw, shares, stage);
  out.pipeline = pipeline_seconds(s, hw, shares);
  out.optimizer = optimizer_seconds(s, hw);
  out.host = kHostSeconds;
  const double nodes = double(s.gpus) / double(hw.domain);
  out.stragglers = (straggler_factor(nodes, kStragglerSigma) - 1) * out.total();
  return out;
}

}  // namespace assay
