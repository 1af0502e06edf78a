// The token embedding and its gradient.
#include <algorithm>
#include <cmath>

#include "harness/verify/random.h"
#include "harness/workloads/layer_frame.h"
#include "harness/workloads/layer_tokens.h"

namespace assay {
namespace {

using EmbeddingTensor = LayerTensor<EmbeddingProblem, EmbeddingBuffers>;

constexpr std::uint64_t kIds = 202;  // a stream apart from those of operands

/// Any word as often as any other, which repeats the fewest rows: the most that must move.
std::vector<std::int32_t> ids_of(const EmbeddingProblem& p) {
  const RandomStream random(1, kIds);
  std::vector<std::int32_t> ids(std::size_t(p.tokens));
  for (std::size_t t = 0; t < ids.size(); ++t) ids[t] = std::int32_t(random.below(std::uint64_t(p.vocab), t));
  return ids;
}

EmbeddingProblem embedding_problem(const Case& point) {
  EmbeddingProblem problem;
  problem.pass = layer_pass(point);
  problem.tokens = point.number("tokens");
  problem.vocab = point.number("vocab");
  problem.dim = point.number("dim");
  problem.dtype = point.dtype;
  std::vector<std::int32_t> ids = ids_of(problem);
  std::sort(ids.begin(), ids.end());
  problem.distinct = std::unique(ids.begin(), ids.end()) - ids.begin();
  return problem;
}

LayerRow row_of_token(const EmbeddingProblem& p, const EmbeddingBuffers& host, std::int64_t t, std::int64_t) {
  LayerRow row;
  for (std::int64_t c = 0; c < p.dim; ++c) row.add({load_element(p.dtype, host.w, host.ids[t] * p.dim + c), 0});
  return row;
}

/// dw after several launches: its own start, and as many times what one adds.
LayerRow row_of_dw(const EmbeddingProblem& p, const EmbeddingBuffers& host, std::int64_t word, std::int64_t launches) {
  LayerRow row = embedding_reference_dw(p, host, word);
  const double n = double(launches);
  for (std::int64_t c = 0; c < p.dim; ++c) {
    const double start = double(host.dw[word * p.dim + c]);
    double& value = row.value[std::size_t(c)];
    value = start + n * (value - start);
    // n times as many roundings, random, of sums at most n times as large.
    row.allowed[std::size_t(c)] *= n * std::sqrt(n);
  }
  return row;
}

std::vector<EmbeddingTensor> embedding_tensors(const EmbeddingProblem& p) {
  std::vector<EmbeddingTensor> tensors = {{{"ids", TensorUse::input, TensorType::int32(), p.tokens, 1},
                                           bind_to(&EmbeddingBuffers::ids),
                                           [](const EmbeddingProblem& q, const EmbeddingBuffers&, void* data) {
                                             const std::vector<std::int32_t> ids = ids_of(q);
                                             std::copy(ids.begin(), ids.end(), static_cast<std::int32_t*>(data));
                                           }}};
  if (p.pass == LayerPass::forward) {
    tensors.push_back({{"w", TensorUse::input, p.dtype, p.vocab, p.dim}, bind_to(&EmbeddingBuffers::w)});
    tensors.push_back({{"y", TensorUse::output, p.dtype, p.tokens, p.dim},
                       bind_to(&EmbeddingBuffers::y),
                       {},
                       row_of_token,
                       kElementWork * double(p.dim)});
    return tensors;
  }
  tensors.push_back({{"dy", TensorUse::input, p.dtype, p.tokens, p.dim}, bind_to(&EmbeddingBuffers::dy)});
  tensors.push_back({{"dw", TensorUse::state, DType::f32, p.vocab, p.dim},
                     bind_to(&EmbeddingBuffers::dw),
                     {},
                     row_of_dw,
                     double(p.tokens) + kElementWork * double(p.dim)});
  return tensors;
}

}  // namespace

WorkloadKind embedding_workload(const std::vector<EmbeddingKernel>& kernels) {
  LayerOperation<EmbeddingProblem, EmbeddingBuffers> operation;
  operation.name = "embedding";
  operation.meaning =
      "rows of the embedding for tokens, and their gradients added to its fp32 gradient in a fixed order";
  AxisSpec tokens = layer_count_axis("tokens", "of uniformly random words");
  tokens.maximum = std::int64_t(1) << 24;  // whoever asks for the work draws them
  operation.axes = {layer_pass_axis("forward; backward: dw += dy"), tokens, layer_count_axis("vocab", "words"),
                    layer_count_axis("dim", "elements of a row")};
  operation.convention = "bytes = ids + y + rows of w named (backward: dy + 2 rows of dw named)";
  operation.problem = embedding_problem;
  operation.tensors = embedding_tensors;
  operation.validate = [](const Case& point) {
    for (const char* axis : {"tokens", "vocab"})
      if (point.number(axis) >= std::int64_t(1) << 31) return std::string(axis) + " must be below 2^31: ids are int32";
    if (std::string reason = reason_too_large(point, {"vocab", "dim"}); !reason.empty()) return reason;
    return reason_too_large(point, {"tokens", "dim"});
  };
  return layer_workload(operation, kernels);
}

}  // namespace assay
