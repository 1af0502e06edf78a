// The router of a mixture of experts.  Where two experts rank closer than an fp32 sigmoid tells apart, either may come
// out first, and both are right: such tokens are few, and pass with any expert.
#include <algorithm>

#include "harness/workloads/layer_frame.h"
#include "harness/workloads/layer_tokens.h"

namespace assay {
namespace {

using RouterTensor = LayerTensor<RouterProblem, RouterBuffers>;

RouterProblem router_problem(const Case& point) {
  RouterProblem problem;
  problem.pass = layer_pass(point);
  problem.tokens = point.number("tokens");
  problem.experts = point.number("experts");
  problem.top_k = point.number("top_k");
  problem.gate = point.word_or("gate", "softmax") == "sigmoid" ? RouterGate::sigmoid : RouterGate::softmax;
  problem.groups = point.number_or("groups", 1);
  problem.top_groups = point.number_or("top_groups", 1);
  problem.dtype = point.dtype;
  return problem;
}

/// Whether a right fp32 router may choose otherwise than the reference: two neighbours exchanged, the next expert in
/// the last one's place, or what one group more or less would give.
bool is_ambiguous(const RouterProblem& p, const RouterBuffers& host, std::int64_t t,
                  const std::vector<std::int32_t>& choice) {
  if (p.gate == RouterGate::softmax) return false;
  const auto allowed = [&](const std::vector<std::int32_t>& other) {
    return other != choice && router_allows(p, host, t, other.data()).empty();
  };
  for (std::size_t i = 0; i + 1 < choice.size(); ++i) {
    std::vector<std::int32_t> other = choice;
    std::swap(other[i], other[i + 1]);
    if (allowed(other)) return true;
  }
  const auto choice_of = [&](const RouterProblem& problem) {
    return reason_router_unfit(problem).empty() ? router_reference_choice(problem, host, t) : choice;
  };
  RouterProblem more = p;
  ++more.top_k;
  std::vector<std::int32_t> next = choice_of(more);
  if (next.size() > choice.size()) {
    next.erase(next.end() - 2);
    if (allowed(next)) return true;
  }
  for (const std::int64_t groups : {p.top_groups - 1, p.top_groups + 1}) {
    RouterProblem other = p;
    other.top_groups = groups;
    if (allowed(choice_of(other))) return true;
  }
  return false;
}

LayerRow experts_of(const RouterProblem& p, const RouterBuffers& host, std::int64_t t, std::int64_t) {
  const std::vector<std::int32_t> choice = router_reference_choice(p, host, t);
  const double allowed = is_ambiguous(p, host, t, choice) ? double(p.experts) : 0;
  LayerRow row;
  for (const std::int32_t e : choice) row.add({double(e), allowed});
  return row;
}

LayerRow weights_of(const RouterProblem& p, const RouterBuffers& host, std::int64_t t, std::int64_t) {
  const std::vector<std::int32_t> choice = router_reference_choice(p, host, t);
  LayerRow row = router_reference_weights(p, host, t, choice.data());
  if (is_ambiguous(p, host, t, choice)) row.allowed.assign(row.allowed.size(), 1);  // other experts' weights
  return row;
}

std::vector<RouterTensor> router_tensors(const RouterProblem& p) {
  std::vector<RouterTensor> tensors = {
      {{"logits", TensorUse::input, p.dtype, p.tokens, p.experts}, bind_to(&RouterBuffers::logits)}};
  if (p.gate == RouterGate::sigmoid)
    tensors.push_back({{"bias", TensorUse::input, DType::f32, 1, p.experts},
                       bind_to(&RouterBuffers::bias),
                       [](const RouterProblem& q, const RouterBuffers&, void* data) {
                         constexpr double kSpread = 0.1;  // what balancing by a bias ends with
                         for (std::int64_t e = 0; e < q.experts; ++e)
                           static_cast<float*>(data)[e] = float(kSpread * (double(e * 7 % 11) / 5 - 1));
                       }});
  const TensorShape choice{"expert", p.pass == LayerPass::forward ? TensorUse::output : TensorUse::input,
                           TensorType::int32(), p.tokens, p.top_k};
  // Ranks, a sort and the tests of ambiguity: some tens of passes over the experts.
  const double work = 32 * kElementWork * double(p.experts);
  if (p.pass == LayerPass::forward) {
    tensors.push_back({choice, bind_to(&RouterBuffers::expert), {}, experts_of, work});
    tensors.push_back({{"weight", TensorUse::output, DType::f32, p.tokens, p.top_k},
                       bind_to(&RouterBuffers::weight),
                       {},
                       weights_of,
                       work});
    return tensors;
  }
  tensors.push_back(
      {choice, bind_to(&RouterBuffers::expert), [](const RouterProblem& q, const RouterBuffers& host, void* data) {
#pragma omp parallel for schedule(static) num_threads(available_threads())
         for (std::int64_t t = 0; t < q.tokens; ++t) {
           const std::vector<std::int32_t> best = router_reference_choice(q, host, t);
           std::copy(best.begin(), best.end(), static_cast<std::int32_t*>(data) + t * q.top_k);
         }
       }});
  tensors.push_back({{"dweight", TensorUse::input, DType::f32, p.tokens, p.top_k}, bind_to(&RouterBuffers::dweight)});
  tensors.push_back({{"dlogits", TensorUse::output, p.dtype, p.tokens, p.experts},
                     bind_to(&RouterBuffers::dlogits),
                     {},
                     [](const RouterProblem& q, const RouterBuffers& host, std::int64_t t, std::int64_t) {
                       return router_reference_dlogits(q, host, t);
                     },
                     kElementWork * double(p.experts)});
  return tensors;
}

AxisSpec optional_count(std::string name, std::string meaning) {
  AxisSpec axis = layer_count_axis(std::move(name), std::move(meaning));
  axis.default_value = AxisValue(std::int64_t(1));
  axis.optional = true;
  return axis;
}

}  // namespace

WorkloadKind router_workload(const std::vector<RouterKernel>& kernels) {
  LayerOperation<RouterProblem, RouterBuffers> operation;
  operation.name = "router";
  operation.meaning = "the router of a mixture of experts: gate, top-k, renormalised weights; backward: dlogits";
  operation.axes = {
      layer_pass_axis("forward; backward: dlogits from dweight"),
      layer_count_axis("tokens", "rows"),
      layer_count_axis("experts", "of all ranks"),
      layer_count_axis("top_k", "experts a token"),
      layer_words_axis("gate", "softmax; sigmoid: with a bias that moves the choice only", {"softmax", "sigmoid"}),
      optional_count("groups", "sigmoid: of neighbouring experts"),
      optional_count("top_groups", "groups a token may choose from")};
  operation.convention = "bytes = logits + expert + weight; backward: logits + dlogits + expert + dweight";
  operation.problem = router_problem;
  operation.tensors = router_tensors;
  operation.validate = [](const Case& point) {
    if (std::string reason = reason_too_large(point, {"tokens", "experts"}); !reason.empty()) return reason;
    return reason_router_unfit(router_problem(point));
  };
  return layer_workload(operation, kernels);
}

}  // namespace assay
