// Rotary position embedding.
#include "harness/workloads/layer.h"
#include "harness/workloads/layer_frame.h"

namespace assay {
namespace {

using RopeTensor = LayerTensor<RopeProblem, RopeBuffers>;

constexpr double kTheta = 500000;  // Llama 3's; the speed knows nothing of it

RopeProblem rope_problem(const Case& point) {
  RopeProblem problem;
  problem.tokens = point.number("tokens");
  problem.heads = point.number("heads");
  problem.head_dim = point.number("head_dim");
  problem.positions = point.number("seq");
  problem.dtype = point.dtype;
  problem.pass = layer_pass(point);
  return problem;
}

/// One of the two tables; the other is made beside it and dropped.
std::function<void(const RopeProblem&, const RopeBuffers&, void*)> table(bool cosine) {
  return [cosine](const RopeProblem& p, const RopeBuffers&, void* data) {
    std::vector<float> other(std::size_t(p.table_elements()));
    auto* wanted = static_cast<float*>(data);
    fill_rope_tables(p, kTheta, cosine ? wanted : other.data(), cosine ? other.data() : wanted);
  };
}

LayerRow head_of_row(const RopeProblem& p, const RopeBuffers& host, std::int64_t row, std::int64_t) {
  return rope_reference(p, host, row / p.heads, row % p.heads);
}

std::vector<RopeTensor> rope_tensors(const RopeProblem& p) {
  const bool forward = p.pass == LayerPass::forward;
  const auto heads = [&p](const char* name, TensorUse use) {
    return TensorShape{name, use, p.dtype, p.tokens * p.heads, p.head_dim};
  };
  const auto angles = [&p](const char* name) {
    return TensorShape{name, TensorUse::input, DType::f32, p.positions, p.head_dim / 2};
  };
  return {
      {heads(forward ? "x" : "dy", TensorUse::input), forward ? bind_to(&RopeBuffers::x) : bind_to(&RopeBuffers::dy)},
      {angles("cos"), bind_to(&RopeBuffers::cos), table(true)},
      {angles("sin"), bind_to(&RopeBuffers::sin), table(false)},
      {heads(forward ? "y" : "dx", TensorUse::output),
       forward ? bind_to(&RopeBuffers::y) : bind_to(&RopeBuffers::dx),
       {},
       head_of_row,
       kElementWork * double(p.head_dim)}};
}

std::string validate(const Case& point) {
  if (point.number("head_dim") % 2 != 0) return "head_dim must be even: its halves are rotated against each other";
  if (std::string reason = reason_too_large(point, {"seq", "head_dim"}); !reason.empty()) return reason;
  return reason_too_large(point, {"tokens", "heads", "head_dim"});
}

}  // namespace

WorkloadKind rope_workload(const std::vector<RopeKernel>& kernels) {
  LayerOperation<RopeProblem, RopeBuffers> operation;
  operation.name = "rope";
  operation.meaning = "rotary position embedding, halves of a head rotated against each other; backward turns back";
  operation.axes = {layer_pass_axis("forward; backward: dx from dy"), layer_count_axis("tokens", "of all sequences"),
                    layer_count_axis("seq", "tokens a sequence: token t stands at position t % seq"),
                    layer_count_axis("heads", "of a token"), layer_count_axis("head_dim", "elements of a head; even")};
  operation.convention = "bytes = x + y (dy + dx) + cos and sin of the positions there are";
  operation.problem = rope_problem;
  operation.tensors = rope_tensors;
  operation.validate = validate;
  return layer_workload(operation, kernels);
}

}  // namespace assay
