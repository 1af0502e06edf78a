// A grouped GEMM in the words of cublasGemmGroupedBatchedEx.  CUDA-free.
#pragma once
#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "kernels/gemm/vendor/cublaslt_mapping.h"
#include "kernels/grouped_gemm/grouped_gemm.h"

namespace assay {

/// What cuBLAS calls a group is a number of problems of the same shape: all experts with the same number of rows.  Like
/// cuBLASLt (gemm/vendor/cublaslt_mapping.h) it thinks in columns and computes the transpose of d, so that its a is our
/// b. Experts without rows are left out: their d stays as it is.
struct CublasGroupedMapping {
  bool transpose_a = false, transpose_b = false;  // of every group
  std::vector<int> m, n, k, lda, ldb, ldc;        // of each group
  std::vector<int> group_size;                    // problems in it
  std::vector<int> order;                         // our group of every problem, in the order of cuBLAS's pointers

  int groups() const { return static_cast<int>(group_size.size()); }
};

/// Empty where every extent fits into the 32 bits of the call.
inline std::string reason_cublas_extents_unfit(const GroupedGemmProblem& p) {
  const std::int64_t rows = p.rows.empty() ? 0 : *std::max_element(p.rows.begin(), p.rows.end());
  if (std::max({p.n, p.k, rows}) > std::numeric_limits<int>::max()) return "an extent exceeds 2^31 - 1";
  return {};
}

/// Empty where addresses are as aligned as the library wants: of FAST compute types and 16-bit elements all to 16 bytes
/// where a sum's length in bytes is a multiple of 16.  Groups start at multiples of 128 rows, which leaves only weights
/// that are not as long as that, and those only where the sum is over rows.
inline std::string reason_cublas_alignment_unfit(const GroupedGemmProblem& p) {
  if (p.pass != GroupedPass::wgrad || p.dtype != DType::tf32 || p.n * p.k % 4 == 0) return {};
  return "cuBLAS's grouped call wants each group's weights at a multiple of 16 bytes";
}

inline CublasGroupedMapping cublas_grouped_mapping(const GroupedGemmProblem& p) {
  CublasGroupedMapping out;
  for (int g = 0; g < p.groups(); ++g)
    if (p.rows[static_cast<std::size_t>(g)] > 0) out.order.push_back(g);
  const auto rows_of = [&](int g) { return p.rows[static_cast<std::size_t>(g)]; };
  std::stable_sort(out.order.begin(), out.order.end(), [&](int x, int y) { return rows_of(x) > rows_of(y); });
  for (std::size_t i = 0; i < out.order.size(); ++i) {
    if (i > 0 && rows_of(out.order[i]) == rows_of(out.order[i - 1])) {
      ++out.group_size.back();
      continue;
    }
    const GemmProblem gemm = p.gemm_of_rows(rows_of(out.order[i]));
    const CublasLtMapping mapping = cublaslt_mapping(gemm);
    out.transpose_a = mapping.first.transposed;
    out.transpose_b = mapping.second.transposed;
    out.m.push_back(static_cast<int>(mapping.result.rows));
    out.n.push_back(static_cast<int>(mapping.result.columns));
    out.k.push_back(static_cast<int>(gemm.k));
    out.lda.push_back(static_cast<int>(mapping.first.leading_dimension));
    out.ldb.push_back(static_cast<int>(mapping.second.leading_dimension));
    out.ldc.push_back(static_cast<int>(mapping.result.leading_dimension));
    out.group_size.push_back(1);
  }
  return out;
}

/// The addresses of every problem's matrices in `buffers`: all of cuBLAS's a, then all of its b, then all of its c.
inline std::vector<const void*> cublas_grouped_pointers(const GroupedGemmProblem& p,
                                                        const CublasGroupedMapping& mapping,
                                                        const GroupedGemmBuffers& buffers) {
  const auto first = p.first_rows();
  const std::size_t count = mapping.order.size();
  std::vector<const void*> pointers(3 * count);
  for (std::size_t i = 0; i < count; ++i) {
    const int g = mapping.order[i];
    const GemmBuffers group = buffers_of_group(p, buffers, g, first[static_cast<std::size_t>(g)]);
    pointers[i] = group.b;
    pointers[count + i] = group.a;
    pointers[2 * count + i] = group.d;
  }
  return pointers;
}

}  // namespace assay
