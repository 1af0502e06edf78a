// Softmax cross-entropy.  With gradient it leaves dlogits where the logits were, so that the next launch on the same
// buffers takes those for logits: checked after as many launches as were timed.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "harness/verify/random.h"
#include "harness/workloads/layer_frame.h"
#include "harness/workloads/layer_tokens.h"

namespace assay {
namespace {

using LossTensor = LayerTensor<CrossEntropyProblem, CrossEntropyBuffers>;

constexpr float kScale = 1.0F / 4096;   // of a batch's tokens, of which these are a chunk
constexpr std::uint64_t kLabels = 201;  // a stream apart from those of operands

CrossEntropyProblem loss_problem(const Case& point) {
  CrossEntropyProblem problem;
  problem.tokens = point.number("tokens");
  problem.vocab = point.number("vocab");
  problem.dtype = point.dtype;
  problem.gradient = point.word_or("gradient", "in_place") == "in_place";
  return problem;
}

/// Row `t` after `launches`.  dlogits are below kScale, and what an error e of logits does to them below 2 e kScale p:
/// after three launches more of them change nothing that is not far below what is allowed.
CrossEntropyRow row_after(const CrossEntropyProblem& p, const CrossEntropyBuffers& host, std::int64_t t,
                          std::int64_t launches) {
  CrossEntropyRow row = cross_entropy_reference(p, host, t);
  if (!p.gradient) return row;
  CrossEntropyProblem one = p;
  one.tokens = 1;
  std::vector<std::byte> logits(std::size_t(p.vocab) * size_bytes(p.dtype));
  CrossEntropyBuffers next = host;
  next.logits = logits.data();
  next.labels = host.labels + t;
  for (std::int64_t launch = 1; launch < std::min<std::int64_t>(launches, 3); ++launch) {
    for (std::int64_t j = 0; j < p.vocab; ++j)
      store_element(p.dtype, logits.data(), j, row.dlogits.value[std::size_t(j)]);
    // The allowed error, and the rounding above.
    const double worst = 2 * *std::max_element(row.dlogits.allowed.begin(), row.dlogits.allowed.end());
    row = cross_entropy_reference(one, next, 0);
    row.lse.allowed += worst;
    row.loss.allowed += 2 * worst;
    for (std::size_t j = 0; j < row.dlogits.value.size(); ++j) {
      const double p_j = std::abs(row.dlogits.value[j]) / double(kScale) + (std::int64_t(j) == host.labels[t] ? 1 : 0);
      row.dlogits.allowed[j] += double(kScale) * p_j * std::expm1(2 * worst);
    }
  }
  return row;
}

LayerRow one_of(const LayerElement& element) {
  LayerRow row;
  row.add(element);
  return row;
}

double row_work(const CrossEntropyProblem& p) { return 3 * kElementWork * double(p.vocab); }

/// A number of each token.  With gradient it belongs to the last launch, so that it is a state; it starts as NaN.
LossTensor of_tokens(const CrossEntropyProblem& p, const char* name, float* CrossEntropyBuffers::*member,
                     LayerElement CrossEntropyRow::*value) {
  return {{name, p.gradient ? TensorUse::state : TensorUse::output, DType::f32, p.tokens, 1},
          bind_to(member),
          [](const CrossEntropyProblem& q, const CrossEntropyBuffers&, void* data) {
            std::fill_n(static_cast<float*>(data), q.tokens, std::numeric_limits<float>::quiet_NaN());
          },
          [value](const CrossEntropyProblem& q, const CrossEntropyBuffers& host, std::int64_t t,
                  std::int64_t launches) { return one_of(row_after(q, host, t, launches).*value); },
          row_work(p)};
}

std::vector<LossTensor> loss_tensors(const CrossEntropyProblem& p) {
  LossTensor logits{{"logits", p.gradient ? TensorUse::state : TensorUse::input, p.dtype, p.tokens, p.vocab},
                    bind_to(&CrossEntropyBuffers::logits)};
  logits.reference = [](const CrossEntropyProblem& q, const CrossEntropyBuffers& host, std::int64_t t,
                        std::int64_t launches) { return row_after(q, host, t, launches).dlogits; };
  logits.row_work = row_work(p);
  return {
      {{"labels", TensorUse::input, TensorType::int32(), p.tokens, 1},
       bind_to(&CrossEntropyBuffers::labels),
       [](const CrossEntropyProblem& q, const CrossEntropyBuffers&, void* data) {
         const RandomStream random(1, kLabels);
         for (std::int64_t t = 0; t < q.tokens; ++t)
           static_cast<std::int32_t*>(data)[t] = std::int32_t(random.below(std::uint64_t(q.vocab), std::uint64_t(t)));
       }},
      {{"scale", TensorUse::input, DType::f32, 1, 1},
       bind_to(&CrossEntropyBuffers::scale),
       [](const CrossEntropyProblem&, const CrossEntropyBuffers&, void* data) { *static_cast<float*>(data) = kScale; }},
      logits,
      of_tokens(p, "loss", &CrossEntropyBuffers::loss, &CrossEntropyRow::loss),
      of_tokens(p, "lse", &CrossEntropyBuffers::lse, &CrossEntropyRow::lse)};
}

}  // namespace

WorkloadKind cross_entropy_workload(const std::vector<CrossEntropyKernel>& kernels) {
  LayerOperation<CrossEntropyProblem, CrossEntropyBuffers> operation;
  operation.name = "cross_entropy";
  operation.meaning = "softmax cross-entropy of a chunk of tokens: loss, log-sum-exp, and dlogits in the logits' place";
  operation.axes = {
      layer_count_axis("tokens", "of the chunk"), layer_count_axis("vocab", "words"),
      layer_words_axis("gradient", "in_place: dlogits replace the logits; none: loss only", {"in_place", "none"})};
  operation.convention = "bytes = logits + dlogits + labels + loss + lse; gradient=none: without dlogits";
  operation.problem = loss_problem;
  operation.tensors = loss_tensors;
  operation.validate = [](const Case& point) {
    if (point.number("vocab") >= std::int64_t(1) << 31)
      return std::string("vocab must be below 2^31: labels are int32");
    return reason_too_large(point, {"tokens", "vocab"});
  };
  return layer_workload(operation, kernels);
}

}  // namespace assay
