// Tokens to their experts and back.
#include <algorithm>
#include <mutex>

#include "harness/verify/random.h"
#include "harness/workloads/layer_frame.h"
#include "harness/workloads/layer_tokens.h"
#include "kernels/grouped_gemm/grouped_alignment.h"

namespace assay {
namespace {

using PermuteTensor = LayerTensor<PermuteProblem, PermuteBuffers>;

constexpr std::uint64_t kExperts = 203;  // a stream apart from those of operands

/// Every token's experts all differ, each as likely as any other: the first places of a shuffle that is cut short.
std::vector<std::int32_t> experts_of(const PermuteProblem& p) {
  const RandomStream random(1, kExperts);
  std::vector<std::int32_t> expert(std::size_t(p.slots())), order(std::size_t(p.experts));
  for (std::size_t e = 0; e < order.size(); ++e) order[e] = std::int32_t(e);
  for (std::int64_t slot = 0; slot < p.slots(); ++slot) {
    const auto place = std::size_t(slot % p.top_k);
    const auto other = place + random.below(std::uint64_t(order.size() - place), std::uint64_t(slot));
    std::swap(order[place], order[other]);
    expert[std::size_t(slot)] = order[place];
  }
  return expert;
}

/// The plan of these experts, made once, when it is first asked for.
class SharedPlan {
 public:
  const PermutePlan& of(const PermuteProblem& p) {
    std::call_once(made_, [&] { plan_ = permute_reference_plan(p, experts_of(p).data()); });
    return plan_;
  }

 private:
  std::once_flag made_;
  PermutePlan plan_;
};

class PermuteTensors {
 public:
  explicit PermuteTensors(const PermuteProblem& p) : p_(p), plan_(std::make_shared<SharedPlan>()) {}

  std::vector<PermuteTensor> all() const {
    using B = PermuteBuffers;
    using P = PermutePlan;
    std::vector<PermuteTensor> tensors;
    const bool plans = p_.pass == PermutePass::plan;
    if (plans)
      tensors.push_back({{"expert", TensorUse::input, TensorType::int32(), p_.tokens, p_.top_k},
                         bind_to(&B::expert),
                         [](const PermuteProblem& p, const B&, void* data) {
                           const std::vector<std::int32_t> expert = experts_of(p);
                           std::copy(expert.begin(), expert.end(), static_cast<std::int32_t*>(data));
                         }});
    tensors.push_back(of_plan("offsets", p_.experts + 1, &B::offsets, &P::offsets));
    tensors.push_back(of_plan("counts", p_.experts, &B::counts, &P::counts));
    tensors.push_back(of_plan("row_of", p_.slots(), &B::row_of, &P::row_of));
    tensors.push_back(of_plan("slot_of", p_.capacity(), &B::slot_of, &P::slot_of));
    if (!plans) add_rows(tensors);
    return tensors;
  }

 private:
  /// Written by the pass `plan`, given to the others.
  PermuteTensor of_plan(const char* name, std::int64_t count, std::int32_t* PermuteBuffers::*member,
                        std::vector<std::int32_t> PermutePlan::*array) const {
    const TensorUse use = p_.pass == PermutePass::plan ? TensorUse::output : TensorUse::input;
    return {{name, use, TensorType::int32(), count, 1},
            bind_to(member),
            [plan = plan_, array](const PermuteProblem& p, const PermuteBuffers&, void* data) {
              const std::vector<std::int32_t>& numbers = plan->of(p).*array;
              std::copy(numbers.begin(), numbers.end(), static_cast<std::int32_t*>(data));
            },
            [plan = plan_, array](const PermuteProblem& p, const PermuteBuffers&, std::int64_t i, std::int64_t) {
              LayerRow row;
              row.add({double((plan->of(p).*array)[std::size_t(i)]), 0});
              return row;
            }};
  }

  void add_rows(std::vector<PermuteTensor>& tensors) const {
    using B = PermuteBuffers;
    const bool sums = p_.pass == PermutePass::unpermute || p_.pass == PermutePass::permute_backward;
    const bool weighted = p_.pass == PermutePass::unpermute || p_.pass == PermutePass::unpermute_backward;
    // Rows that no expert has are not written, so that none are there.
    const std::int64_t rows = plan_->of(p_).offsets.back();
    const auto tensor = [&](const char* name, TensorUse use, std::int64_t count) {
      return TensorShape{name, use, p_.dtype, count, p_.dim};
    };
    if (weighted)
      tensors.push_back({{"weight", TensorUse::input, DType::f32, p_.tokens, p_.top_k}, bind_to(&B::weight)});
    if (!sums) tensors.push_back({tensor("tokens", TensorUse::input, p_.tokens), bind_to(&B::tokens)});
    if (p_.pass != PermutePass::permute) tensors.push_back({tensor("rows", TensorUse::input, rows), bind_to(&B::rows)});
    if (sums)
      tensors.push_back({tensor("tokens_out", TensorUse::output, p_.tokens),
                         bind_to(&B::tokens_out),
                         {},
                         [](const PermuteProblem& p, const B& host, std::int64_t t, std::int64_t) {
                           return permute_reference_token(p, host, t);
                         },
                         kElementWork * double(p_.dim * p_.top_k)});
    else
      tensors.push_back({tensor("rows_out", TensorUse::output, rows),
                         bind_to(&B::rows_out),
                         {},
                         [](const PermuteProblem& p, const B& host, std::int64_t row, std::int64_t) {
                           return permute_reference_row(p, host, row);
                         },
                         kElementWork * double(p_.dim)});
    if (p_.pass == PermutePass::unpermute_backward) tensors.push_back(dweight());
  }

  PermuteTensor dweight() const {
    return {{"dweight", TensorUse::output, DType::f32, p_.tokens, p_.top_k},
            bind_to(&PermuteBuffers::dweight),
            {},
            [](const PermuteProblem& p, const PermuteBuffers& host, std::int64_t t, std::int64_t) {
              LayerRow row;
              for (std::int64_t s = 0; s < p.top_k; ++s) row.add(permute_reference_dweight(p, host, t, s));
              return row;
            },
            kElementWork * double(p_.dim * p_.top_k)};
  }

  const PermuteProblem p_;
  std::shared_ptr<SharedPlan> plan_;
};

PermuteProblem permute_problem(const Case& point) {
  PermuteProblem problem;
  parse_permute_pass(point.word("pass"), problem.pass);
  problem.tokens = point.number("tokens");
  problem.experts = point.number("experts");
  problem.top_k = point.number("top_k");
  problem.dim = point.number("dim");
  problem.alignment = point.word_or("padding", "none") == "grouped_gemm" ? kGroupAlignment : 1;
  problem.dtype = point.dtype;
  return problem;
}

std::string validate(const Case& point) {
  const PermuteProblem p = permute_problem(point);
  if (p.top_k > p.experts) return "top_k must not be above experts: a token's experts all differ";
  if (double(p.tokens) * double(p.top_k) + double(p.experts) * double(p.alignment) >= 0x1p31)
    return "tokens * top_k, and padding, must be below 2^31: rows are counted in int32";
  return reason_too_large(point, {"tokens", "top_k", "dim"});
}

}  // namespace

WorkloadKind permute_workload(const std::vector<PermuteKernel>& kernels) {
  LayerOperation<PermuteProblem, PermuteBuffers> operation;
  operation.name = "permute";
  operation.meaning = "tokens brought to the experts' order and back, weighted; their gradients; the plan of it";
  AxisSpec pass{"pass", "which of the five (kernels/layer/permute.h)", {}, 0, 0, AxisValue("permute")};
  for (const PermutePassName& row : kPermutePasses) pass.words.emplace_back(row.name);
  operation.axes = {
      pass,
      layer_count_axis("tokens", "each to top_k random experts"),
      layer_count_axis("experts", "of this rank"),
      layer_count_axis("top_k", "experts a token"),
      layer_count_axis("dim", "elements of a row"),
      layer_words_axis("padding", "grouped_gemm: experts begin where its tiles do", {"none", "grouped_gemm"})};
  operation.convention = "bytes = tokens' rows + experts' rows (unpermute_backward: rows and drows) + row_of, weights";
  operation.problem = permute_problem;
  operation.tensors = [](const PermuteProblem& p) { return PermuteTensors(p).all(); };
  operation.validate = validate;
  return layer_workload(operation, kernels);
}

}  // namespace assay
