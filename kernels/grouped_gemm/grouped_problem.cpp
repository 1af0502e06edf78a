// The arithmetic of grouped GEMM's contract: where groups lie, and which GEMM each of them is.
#include <numeric>

#include "kernels/grouped_gemm/grouped_gemm.h"

namespace assay {

bool parse_pass(std::string_view text, GroupedPass& out) {
  for (const GroupedPass pass : {GroupedPass::forward, GroupedPass::dgrad, GroupedPass::wgrad})
    if (text == name(pass)) return out = pass, true;
  return false;
}

std::int64_t GroupedGemmProblem::total_rows() const {
  return std::accumulate(rows.begin(), rows.end(), std::int64_t(0));
}

std::vector<std::int64_t> GroupedGemmProblem::first_rows() const {
  std::vector<std::int64_t> first{0};
  for (const std::int64_t count : rows)
    first.push_back(first.back() + (count + kGroupAlignment - 1) / kGroupAlignment * kGroupAlignment);
  return first;
}

GemmProblem GroupedGemmProblem::gemm_of_rows(std::int64_t group_rows) const {
  GemmProblem gemm;
  gemm.dtype = dtype;
  switch (pass) {
    case GroupedPass::forward:
      gemm.layout = GemmLayout::tn, gemm.m = group_rows, gemm.n = n, gemm.k = k;
      break;
    case GroupedPass::dgrad:
      gemm.layout = GemmLayout::nn, gemm.m = group_rows, gemm.n = k, gemm.k = n;
      break;
    case GroupedPass::wgrad:
      gemm.layout = GemmLayout::nt, gemm.m = n, gemm.n = k, gemm.k = group_rows;
      break;
  }
  return gemm;
}

GemmBuffers buffers_of_group(const GroupedGemmProblem& p, const GroupedGemmBuffers& whole, int group,
                             std::int64_t first_row) {
  const std::int64_t weights = group * p.n * p.k;
  const std::int64_t a = first_row * (p.pass == GroupedPass::forward ? p.k : p.n);
  const std::int64_t b = p.pass == GroupedPass::wgrad ? first_row * p.k : weights;
  const std::int64_t d = p.pass == GroupedPass::wgrad     ? weights
                         : p.pass == GroupedPass::forward ? first_row * p.n
                                                          : first_row * p.k;
  const auto at = [](const void* base, std::int64_t element, DType dtype) {
    return base ? static_cast<const char*>(base) + storage_bytes(dtype, element) : nullptr;
  };
  return {at(whole.a, a, p.dtype), at(whole.b, b, p.dtype), const_cast<char*>(at(whole.d, d, p.output()))};
}

GroupedGemmElements elements_of(const GroupedGemmProblem& p, std::int64_t padded_rows) {
  switch (p.pass) {
    case GroupedPass::forward:
      return {padded_rows * p.k, p.weight_elements(), padded_rows * p.n};
    case GroupedPass::dgrad:
      return {padded_rows * p.n, p.weight_elements(), padded_rows * p.k};
    case GroupedPass::wgrad:
      break;
  }
  return {padded_rows * p.n, padded_rows * p.k, p.weight_elements()};
}

}  // namespace assay
