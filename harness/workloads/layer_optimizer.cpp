// AdamW, whose state each launch moves on: checked after as many steps as were timed.
#include <cmath>

#include "harness/workloads/layer_frame.h"
#include "harness/workloads/layer_tokens.h"

namespace assay {
namespace {

using AdamWTensor = LayerTensor<AdamWProblem, AdamWBuffers>;

// A step somewhere in a training run; the speed knows nothing of it.
constexpr std::int64_t kStep = 100;
constexpr double kLearningRate = 3e-4, kWeightDecay = 0.1;
constexpr float kClip = 0.5F;

AdamWProblem adamw_problem(const Case& point) {
  AdamWProblem problem;
  problem.elements = point.number("elements");
  problem.dtype = point.dtype;
  problem.gradient_dtype = point.word_or("gradient", "same") == "f32" ? DType::f32 : point.dtype;
  return problem;
}

/// One element on its way through several steps.
struct Walk {
  float m, v, master;
  double m_error = 0, v_error = 0, master_error = 0;
};

/// What errors of the state before a step become in it.
void carry_errors(const AdamWProblem& p, const AdamWStep& step, const AdamWElement& after, Walk& walk) {
  const double u = unit_roundoff(DType::f32), root_v = std::sqrt(after.v.value);
  const double denominator = root_v * double(step.root) + double(p.epsilon);
  walk.m_error = double(p.beta1) * walk.m_error + after.m.allowed + u * std::abs(after.m.value);
  walk.v_error = double(p.beta2) * walk.v_error + after.v.allowed + u * after.v.value;
  const double of_m = double(step.rate) * walk.m_error / denominator;
  const double of_v = std::abs(double(step.rate) * after.m.value) / (denominator * denominator) * double(step.root) *
                      walk.v_error / (2 * root_v + double(p.epsilon));
  walk.master_error += after.master.allowed + u * std::abs(after.master.value) + of_m + of_v;
}

Walk walk_of(const AdamWProblem& p, const AdamWBuffers& host, std::int64_t i, std::int64_t launches) {
  Walk walk{host.m[i], host.v[i], host.master[i]};
  AdamWBuffers one = host;
  one.gradient = static_cast<const char*>(host.gradient) + i * std::int64_t(size_bytes(p.gradient_dtype));
  one.m = &walk.m, one.v = &walk.v, one.master = &walk.master;
  for (std::int64_t launch = 0; launch < launches; ++launch) {
    const AdamWElement after = adamw_reference(p, one, 0);
    carry_errors(p, *host.step, after, walk);
    walk.m = float(after.m.value), walk.v = float(after.v.value), walk.master = float(after.master.value);
  }
  return walk;
}

AdamWTensor state(const AdamWProblem& p, const char* name, float* AdamWBuffers::*member, float Walk::*value,
                  double Walk::*error) {
  constexpr double kLaunches = 256;  // about as many as are timed
  return {{name, TensorUse::state, DType::f32, p.elements, 1},
          bind_to(member),
          {},
          [value, error](const AdamWProblem& q, const AdamWBuffers& host, std::int64_t i, std::int64_t launches) {
            const Walk walk = walk_of(q, host, i, launches);
            LayerRow row;
            row.add({double(walk.*value), walk.*error});
            return row;
          },
          kElementWork * kLaunches};
}

/// Written only, but after as many steps as the others.
AdamWTensor parameters(const AdamWProblem& p) {
  AdamWTensor tensor = state(p, "param", &AdamWBuffers::master, &Walk::master, &Walk::master_error);
  tensor.shape.type = p.dtype;
  tensor.bind = bind_to(&AdamWBuffers::param);
  tensor.reference = [](const AdamWProblem& q, const AdamWBuffers& host, std::int64_t i, std::int64_t launches) {
    const Walk walk = walk_of(q, host, i, launches);
    const double u = unit_roundoff(q.dtype);
    LayerRow row;
    row.add({double(walk.master), walk.master_error + u * (std::abs(double(walk.master)) + walk.master_error)});
    return row;
  };
  return tensor;
}

std::vector<AdamWTensor> adamw_tensors(const AdamWProblem& p) {
  std::vector<AdamWTensor> tensors = {
      {{"gradient", TensorUse::input, p.gradient_dtype, p.elements, 1}, bind_to(&AdamWBuffers::gradient)},
      {{"step", TensorUse::input, DType::f32, 1, 3},
       bind_to(&AdamWBuffers::step),
       [](const AdamWProblem& q, const AdamWBuffers&, void* data) {
         static_assert(sizeof(AdamWStep) == 3 * sizeof(float));
         *static_cast<AdamWStep*>(data) = adamw_step(q, kStep, kLearningRate, kWeightDecay);
       }},
      {{"gradient_scale", TensorUse::input, DType::f32, 1, 1},
       bind_to(&AdamWBuffers::gradient_scale),
       [](const AdamWProblem&, const AdamWBuffers&, void* data) { *static_cast<float*>(data) = kClip; }},
      state(p, "master", &AdamWBuffers::master, &Walk::master, &Walk::master_error),
      state(p, "m", &AdamWBuffers::m, &Walk::m, &Walk::m_error),
      state(p, "v", &AdamWBuffers::v, &Walk::v, &Walk::v_error)};
  tensors.back().fill = [](const AdamWProblem& q, const AdamWBuffers& host, void* data) {
    constexpr float kLeast = 1e-3F;  // of a second moment; never negative
    for (std::int64_t i = 0; i < q.elements; ++i) static_cast<float*>(data)[i] = host.m[i] * host.m[i] + kLeast;
  };
  if (p.has_master()) tensors.push_back(parameters(p));
  return tensors;
}

}  // namespace

WorkloadKind adamw_workload(const std::vector<AdamWKernel>& kernels) {
  LayerOperation<AdamWProblem, AdamWBuffers> operation;
  operation.name = "adamw";
  operation.meaning =
      "the AdamW update with fp32 master weights and moments, its gradient scaled on the way (clipping)";
  operation.axes = {layer_count_axis("elements", "parameters"),
                    layer_words_axis("gradient", "type of the gradients: the parameters', or fp32", {"same", "f32"})};
  operation.convention = "bytes = gradient + 2 (master + m + v); bf16: + parameters";
  operation.problem = adamw_problem;
  operation.tensors = adamw_tensors;
  operation.validate = [](const Case& point) { return reason_too_large(point, {"elements"}); };
  return layer_workload(operation, kernels);
}

}  // namespace assay
