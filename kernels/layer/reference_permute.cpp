#include <cmath>

#include "kernels/layer/permute.h"

namespace assay {
namespace {

const double kU = unit_roundoff(DType::f32);

}  // namespace

bool parse_permute_pass(std::string_view text, PermutePass& out) {
  for (const PermutePassName& row : kPermutePasses)
    if (text == row.name) return out = row.pass, true;
  return false;
}

std::string reason_experts_unfit(const PermuteProblem& p, const std::int32_t* expert) {
  for (std::int64_t slot = 0; slot < p.slots(); ++slot)
    if (expert[slot] < 0 || expert[slot] >= p.experts)
      return "token " + std::to_string(slot / p.top_k) + " goes to expert " + std::to_string(expert[slot]) +
             ", which is not in 0 .. " + std::to_string(p.experts - 1);
  return {};
}

PermutePlan permute_reference_plan(const PermuteProblem& p, const std::int32_t* expert) {
  PermutePlan plan;
  plan.row_of.resize(std::size_t(p.slots()));
  plan.slot_of.assign(std::size_t(p.capacity()), -1);
  std::int64_t row = 0;
  for (std::int64_t e = 0; e < p.experts; ++e) {
    plan.offsets.push_back(std::int32_t(row));
    const std::int64_t first = row;
    for (std::int64_t slot = 0; slot < p.slots(); ++slot) {
      if (expert[slot] != e) continue;
      plan.row_of[std::size_t(slot)] = std::int32_t(row);
      plan.slot_of[std::size_t(row++)] = std::int32_t(slot);
    }
    plan.counts.push_back(std::int32_t(row - first));
    row = (row + p.alignment - 1) / p.alignment * p.alignment;
  }
  plan.offsets.push_back(std::int32_t(row));
  return plan;
}

// top_k products, or the numbers themselves, are summed in fp32 and rounded to the type once.
LayerRow permute_reference_token(const PermuteProblem& p, const PermuteBuffers& host, std::int64_t t) {
  LayerRow out;
  for (std::int64_t c = 0; c < p.dim; ++c) {
    double value = 0, magnitude = 0;
    for (std::int64_t s = 0; s < p.top_k; ++s) {
      const std::int64_t slot = t * p.top_k + s;
      const double weight = p.pass == PermutePass::unpermute ? double(host.weight[slot]) : 1;
      const double product = weight * load_element(p.dtype, host.rows, host.row_of[slot] * p.dim + c);
      value += product;
      magnitude += std::abs(product);
    }
    const double fp32 = double(p.top_k) * kU * magnitude;
    out.add({value, fp32 + unit_roundoff(p.dtype) * (std::abs(value) + fp32)});
  }
  return out;
}

LayerRow permute_reference_row(const PermuteProblem& p, const PermuteBuffers& host, std::int64_t row) {
  LayerRow out;
  const std::int64_t slot = host.slot_of[row];
  for (std::int64_t c = 0; c < p.dim; ++c) {
    if (slot < 0) {
      out.add({0, 0});
      continue;
    }
    const double token = load_element(p.dtype, host.tokens, slot / p.top_k * p.dim + c);
    if (p.pass == PermutePass::permute) {
      out.add({token, 0});
      continue;
    }
    const double value = double(host.weight[slot]) * token;
    out.add({value, (kU + unit_roundoff(p.dtype)) * std::abs(value)});
  }
  return out;
}

LayerElement permute_reference_dweight(const PermuteProblem& p, const PermuteBuffers& host, std::int64_t t,
                                       std::int64_t s) {
  double value = 0, magnitude = 0;
  for (std::int64_t c = 0; c < p.dim; ++c) {
    const double product = load_element(p.dtype, host.tokens, t * p.dim + c) *
                           load_element(p.dtype, host.rows, host.row_of[t * p.top_k + s] * p.dim + c);
    value += product;
    magnitude += std::abs(product);
  }
  return {value, 2 * std::sqrt(double(p.dim)) * kU * magnitude};
}

}  // namespace assay
