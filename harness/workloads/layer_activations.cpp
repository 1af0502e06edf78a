// SwiGLU, GELU, the skip connection's addition: every element by itself.
#include "harness/workloads/layer.h"
#include "harness/workloads/layer_frame.h"

namespace assay {
namespace {

using SwigluTensor = LayerTensor<SwigluProblem, SwigluBuffers>;
using GeluTensor = LayerTensor<GeluProblem, GeluBuffers>;
using AddTensor = LayerTensor<ResidualAddProblem, ResidualAddBuffers>;

/// `reference` of each element of a row.
template <class Problem, class Buffers, class Reference>
std::function<LayerRow(const Problem&, const Buffers&, std::int64_t, std::int64_t)> row_of(std::int64_t columns,
                                                                                           Reference reference) {
  return [=](const Problem& problem, const Buffers& host, std::int64_t row, std::int64_t) {
    LayerRow result;
    for (std::int64_t c = 0; c < columns; ++c) result.add(reference(problem, host, row, c));
    return result;
  };
}

bool is_fused(const Case& point) { return point.word_or("inputs", "separate") == "fused"; }

SwigluProblem swiglu_problem(const Case& point) {
  SwigluProblem problem;
  problem.tokens = point.number("tokens");
  problem.ffn = point.number("ffn");
  problem.row_stride = is_fused(point) ? 2 * problem.ffn : 0;
  problem.dtype = point.dtype;
  problem.pass = layer_pass(point);
  return problem;
}

/// Of one product's output, whose halves are gate and up (or their gradients); a lone tensor otherwise.
std::function<void(SwigluBuffers&, void*)> bind_halves(const SwigluProblem& p, bool gradients) {
  const std::size_t half = std::size_t(p.ffn) * size_bytes(p.dtype);
  return [=](SwigluBuffers& buffers, void* data) {
    void* second = data == nullptr ? nullptr : static_cast<char*>(data) + half;
    if (gradients)
      buffers.d_gate = data, buffers.d_up = second;
    else
      buffers.gate = data, buffers.up = second;
  };
}

LayerElement swiglu_gradient(const SwigluProblem& p, const SwigluBuffers& host, std::int64_t row, std::int64_t column) {
  const SwigluGradients both = swiglu_reference_backward(p, host, row, column % p.ffn);
  return column < p.ffn ? both.d_gate : both.d_up;
}

LayerElement swiglu_d_up(const SwigluProblem& p, const SwigluBuffers& host, std::int64_t row, std::int64_t column) {
  return swiglu_gradient(p, host, row, column + p.ffn);
}

std::vector<SwigluTensor> swiglu_tensors(const SwigluProblem& p) {
  const auto row = [](auto reference, std::int64_t columns) {
    return row_of<SwigluProblem, SwigluBuffers>(columns, reference);
  };
  const auto tensor = [&p](std::string name, TensorUse use, std::int64_t columns) {
    return TensorShape{std::move(name), use, p.dtype, p.tokens, columns};
  };
  const std::int64_t n = p.ffn;
  const double work = kElementWork * double(n);
  std::vector<SwigluTensor> tensors;
  if (p.row_stride > 0) {
    tensors.push_back({tensor("gate_up", TensorUse::input, 2 * n), bind_halves(p, false)});
  } else {
    tensors.push_back({tensor("gate", TensorUse::input, n), bind_to(&SwigluBuffers::gate)});
    tensors.push_back({tensor("up", TensorUse::input, n), bind_to(&SwigluBuffers::up)});
  }
  if (p.pass == LayerPass::forward) {
    tensors.push_back(
        {tensor("y", TensorUse::output, n), bind_to(&SwigluBuffers::y), {}, row(swiglu_reference, n), work});
    return tensors;
  }
  tensors.push_back({tensor("dy", TensorUse::input, n), bind_to(&SwigluBuffers::dy)});
  if (p.row_stride > 0) {
    tensors.push_back({tensor("d_gate_up", TensorUse::output, 2 * n),
                       bind_halves(p, true),
                       {},
                       row(swiglu_gradient, 2 * n),
                       2 * work});
  } else {
    tensors.push_back(
        {tensor("d_gate", TensorUse::output, n), bind_to(&SwigluBuffers::d_gate), {}, row(swiglu_gradient, n), work});
    tensors.push_back(
        {tensor("d_up", TensorUse::output, n), bind_to(&SwigluBuffers::d_up), {}, row(swiglu_d_up, n), work});
  }
  return tensors;
}

GeluProblem gelu_problem(const Case& point) {
  return {point.number("tokens"), point.number("ffn"), point.dtype, layer_pass(point)};
}

LayerElement gelu_element(const GeluProblem& p, const GeluBuffers& host, std::int64_t row, std::int64_t column) {
  return gelu_reference(p, host, row * p.ffn + column);
}

std::vector<GeluTensor> gelu_tensors(const GeluProblem& p) {
  const auto shape = [&](const char* name, TensorUse use) { return TensorShape{name, use, p.dtype, p.tokens, p.ffn}; };
  const auto reference = row_of<GeluProblem, GeluBuffers>(p.ffn, gelu_element);
  const double work = kElementWork * double(p.ffn);
  std::vector<GeluTensor> tensors = {{shape("x", TensorUse::input), bind_to(&GeluBuffers::x)}};
  if (p.pass == LayerPass::forward) {
    tensors.push_back({shape("y", TensorUse::output), bind_to(&GeluBuffers::y), {}, reference, work});
  } else {
    tensors.push_back({shape("dy", TensorUse::input), bind_to(&GeluBuffers::dy)});
    tensors.push_back({shape("dx", TensorUse::output), bind_to(&GeluBuffers::dx), {}, reference, work});
  }
  return tensors;
}

ResidualAddProblem add_problem(const Case& point) {
  return {point.number("tokens"), point.number("hidden"), point.dtype};
}

LayerElement add_element(const ResidualAddProblem& p, const ResidualAddBuffers& host, std::int64_t row,
                         std::int64_t column) {
  return residual_add_reference(p, host, row * p.hidden + column);
}

std::vector<AddTensor> add_tensors(const ResidualAddProblem& p) {
  const auto shape = [&](const char* name, TensorUse use) {
    return TensorShape{name, use, p.dtype, p.tokens, p.hidden};
  };
  return {{shape("a", TensorUse::input), bind_to(&ResidualAddBuffers::a)},
          {shape("b", TensorUse::input), bind_to(&ResidualAddBuffers::b)},
          {shape("out", TensorUse::output),
           bind_to(&ResidualAddBuffers::out),
           {},
           row_of<ResidualAddProblem, ResidualAddBuffers>(p.hidden, add_element),
           kElementWork * double(p.hidden)}};
}

}  // namespace

WorkloadKind swiglu_workload(const std::vector<SwigluKernel>& kernels) {
  LayerOperation<SwigluProblem, SwigluBuffers> operation;
  operation.name = "swiglu";
  operation.meaning = "SwiGLU's activation, silu(gate) * up, and its gradients";
  operation.axes = {layer_pass_axis("forward; backward: d_gate and d_up from gate, up and dy"),
                    layer_count_axis("tokens", "rows"), layer_count_axis("ffn", "elements of a row of gate and of up"),
                    layer_words_axis("inputs", "gate and up in arrays of their own; fused: halves of each row of one",
                                     {"separate", "fused"})};
  operation.convention = "bytes = gate + up + y; backward: gate + up + dy + d_gate + d_up";
  operation.problem = swiglu_problem;
  operation.tensors = swiglu_tensors;
  operation.validate = [](const Case& point) { return reason_too_large(point, {"tokens", "ffn"}); };
  return layer_workload(operation, kernels);
}

WorkloadKind gelu_workload(const std::vector<GeluKernel>& kernels) {
  LayerOperation<GeluProblem, GeluBuffers> operation;
  operation.name = "gelu";
  operation.meaning = "GELU in its tanh form, and its gradient";
  operation.axes = {layer_pass_axis("forward; backward: dx from x and dy"), layer_count_axis("tokens", "rows"),
                    layer_count_axis("ffn", "elements of a row")};
  operation.convention = "bytes = x + y; backward: x + dy + dx";
  operation.problem = gelu_problem;
  operation.tensors = gelu_tensors;
  operation.validate = [](const Case& point) { return reason_too_large(point, {"tokens", "ffn"}); };
  return layer_workload(operation, kernels);
}

WorkloadKind residual_add_workload(const std::vector<ResidualAddKernel>& kernels) {
  LayerOperation<ResidualAddProblem, ResidualAddBuffers> operation;
  operation.name = "residual_add";
  operation.meaning = "the skip connection's addition; two gradients of one tensor are added the same way";
  operation.axes = {layer_count_axis("tokens", "rows"), layer_count_axis("hidden", "elements of a row")};
  operation.convention = "bytes = a + b + out";
  operation.problem = add_problem;
  operation.tensors = add_tensors;
  operation.validate = [](const Case& point) { return reason_too_large(point, {"tokens", "hidden"}); };
  return layer_workload(operation, kernels);
}

}  // namespace assay
