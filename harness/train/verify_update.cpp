// One step of AdamW against fp64: on the state that the step before left, so that moments have a past and the bias
// corrections of t = 1 and t = 2 differ.
#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "harness/train/verify.h"
#include "kernels/layer/adamw.h"
#include "kernels/layer/grad_norm.h"

namespace assay {
namespace {

// What an element of the fp64 update costs, in multiply-adds of the budget: two square roots, divisions, three
// comparisons.
constexpr double kElementCost = 200;

/// The numbers of step `t`, from the settings alone.
AdamWStep expected_step(const OptimizerSettings& o, std::int64_t t, double weight_decay) {
  double power1 = 1, power2 = 1;
  for (std::int64_t i = 0; i < t; ++i) power1 *= double(o.beta1), power2 *= double(o.beta2);
  return {float(o.learning_rate / (1 - power1)), float(1 / std::sqrt(1 - power2)),
          float(o.learning_rate * weight_decay)};
}

class UpdateComparison {
 public:
  UpdateComparison(Check& check, const TrainStep& step, const TrainStep::OptimizerState& before)
      : check_(check),
        step_(step),
        before_(before),
        after_(step.optimizer_state()),
        gradients_(step.gradients()),
        parameters_(step.parameters()),
        norm_(step.gradient_norm()) {
    const OptimizerSettings& o = step.setup().optimizer;
    problem_.beta1 = o.beta1, problem_.beta2 = o.beta2, problem_.epsilon = o.epsilon;
    problem_.dtype = step.setup().dtype, problem_.elements = step.layout().size, problem_.gradient_dtype = DType::f32;
  }

  void norm() {
    GradNormProblem p;
    p.elements = {step_.layout().size}, p.max_norm = step_.setup().optimizer.max_norm;
    const void* const pointers[] = {gradients_.data()};
    const GradNormReference expected = grad_norm_reference(p, {pointers, p.elements.data(), nullptr});
    compare(double(norm_.norm), expected.norm, [] { return std::string("norm of all gradients"); });
    compare(double(norm_.clip), expected.clip, [] { return std::string("factor that clips the gradients"); });
  }

  /// Every `stride`-th element, its first among them.
  void tensor(const ParameterTensor& tensor, std::int64_t stride) {
    const OptimizerSettings& o = step_.setup().optimizer;
    const AdamWStep numbers =
        expected_step(o, step_.steps(), tensor.offset < step_.layout().decayed ? o.weight_decay : 0);
    AdamWBuffers host;
    host.master = const_cast<float*>(before_.master.data()), host.gradient = gradients_.data();
    host.m = const_cast<float*>(before_.moment1.data()), host.v = const_cast<float*>(before_.moment2.data());
    host.step = &numbers, host.gradient_scale = &norm_.clip;
    for (std::int64_t i = 0; i < tensor.count(); i += stride) element(tensor, i, host);
  }

 private:
  void element(const ParameterTensor& tensor, std::int64_t i, const AdamWBuffers& host) {
    const auto at = std::size_t(tensor.offset + i);
    const AdamWElement expected = adamw_reference(problem_, host, tensor.offset + i);
    const auto of = [&](const char* what) {
      return [&tensor, i, what] {
        return fmt::format("{} of {}[{}, {}] after AdamW", what, tensor.name, i / tensor.columns, i % tensor.columns);
      };
    };
    compare(double(after_.moment1[at]), expected.m, of("first moment"));
    compare(double(after_.moment2[at]), expected.v, of("second moment"));
    compare(double(after_.master[at]), expected.master, of("master"));
    if (problem_.has_master())
      check_.compare(parameters_[at], round_to(problem_.dtype, double(after_.master[at])), 0, of("parameter"));
  }

  template <class Where>
  void compare(double got, const LayerElement& expected, const Where& where) {
    check_.compare(got, expected.value, expected.allowed, where);
  }

  Check& check_;
  const TrainStep& step_;
  const TrainStep::OptimizerState& before_;
  const TrainStep::OptimizerState after_;
  const std::vector<float> gradients_;
  const std::vector<double> parameters_;
  const GradNorm norm_;
  AdamWProblem problem_;
};

}  // namespace

void compare_update(Check& check, TrainStep& step, const Communicator& communicator) {
  step.reset();
  step.run();
  const TrainStep::OptimizerState before =
      communicator.is_root() ? step.optimizer_state() : TrainStep::OptimizerState();
  step.run();
  if (!communicator.is_root()) return;
  UpdateComparison comparison(check, step, before);
  comparison.norm();
  const double most = std::max(1.0, kReferenceBudget / kElementCost);
  const auto stride = std::int64_t(std::ceil(double(step.layout().size) / most));
  for (const ParameterTensor* tensor : step.layout().all()) comparison.tensor(*tensor, stride);
}

}  // namespace assay
