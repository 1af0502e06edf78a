// The parameter of our CUDA GEMM kernels, and what their launch plans have in common.  CUDA-free; C++17.
#pragma once
#include <algorithm>
#include <cstdint>
#include <limits>
#include <stdexcept>

#include "kernels/gemm/gemm.h"

namespace assay {

/// Operands as GemmProblem describes them; offsets into them are computed in 64 bits.
struct GemmKernelParams {
  const void* a;
  const void* b;
  void* d;
  int m, n, k;
  int tile_rows, tile_columns;  // of d, in CTA tiles
  int group;                    // tile rows that are walked together, see tile_of_block()
  bool a_words, b_words;        // every row starts on a 4-byte boundary
  bool d_pairs;                 // n is even and d aligned: neighbouring elements are stored together
};

inline bool is_aligned(const void* pointer, std::size_t bytes) {
  return reinterpret_cast<std::uintptr_t>(pointer) % bytes == 0;
}

/// Whether every row of a matrix at `base` with rows of `elements` starts on a boundary of `bytes`.
inline bool rows_are_aligned(const void* base, std::int64_t elements, DType dtype, std::size_t bytes) {
  return is_aligned(base, bytes) && elements * static_cast<std::int64_t>(size_bytes(dtype)) % bytes == 0;
}

/// Elements between neighbouring rows of a and of b as stored.
inline std::int64_t leading_dimension_a(const GemmProblem& p) { return p.a_is_k_major() ? p.k : p.m; }
inline std::int64_t leading_dimension_b(const GemmProblem& p) { return p.b_is_k_major() ? p.k : p.n; }

/// Empty where the extents fit the kernels' 32-bit coordinates, with room for the overhang of edge tiles.
inline std::string reason_extents_unfit(const GemmProblem& p, int tile_m, int tile_n) {
  constexpr std::int64_t kLargest = std::numeric_limits<int>::max() - 4096;
  if (std::max({p.m, p.n, p.k}) > kLargest) return "an extent exceeds " + std::to_string(kLargest);
  const std::int64_t tiles = ((p.m + tile_m - 1) / tile_m) * ((p.n + tile_n - 1) / tile_n);
  if (tiles > std::numeric_limits<int>::max()) return "more than 2^31 - 1 tiles, the largest grid";
  return {};
}

/// How many tile rows to walk together so that the CTAs that run at once read the fewest distinct rows of a and b:
/// `concurrent` CTAs form a block of `group` tile rows by concurrent / group tile columns.
inline int raster_group(int tile_m, int tile_n, int concurrent) {
  int best = 1;
  std::int64_t fewest = std::numeric_limits<std::int64_t>::max();
  for (const int group : {1, 2, 4, 8, 16}) {
    const std::int64_t rows = std::int64_t(group) * tile_m + std::int64_t((concurrent + group - 1) / group) * tile_n;
    if (rows < fewest) fewest = rows, best = group;
  }
  return best;
}

/// Everything of the parameters that does not depend on the kernel beyond its tile.
inline GemmKernelParams make_gemm_params(const GemmProblem& p, const GemmBuffers& buffers, int tile_m, int tile_n,
                                         int concurrent) {
  GemmKernelParams params{};
  params.a = buffers.a;
  params.b = buffers.b;
  params.d = buffers.d;
  params.m = static_cast<int>(p.m);
  params.n = static_cast<int>(p.n);
  params.k = static_cast<int>(p.k);
  params.tile_rows = static_cast<int>((p.m + tile_m - 1) / tile_m);
  params.tile_columns = static_cast<int>((p.n + tile_n - 1) / tile_n);
  params.group = raster_group(tile_m, tile_n, concurrent);
  params.a_words = rows_are_aligned(buffers.a, leading_dimension_a(p), p.dtype, 4);
  params.b_words = rows_are_aligned(buffers.b, leading_dimension_b(p), p.dtype, 4);
  params.d_pairs = p.n % 2 == 0 && is_aligned(buffers.d, 2 * size_bytes(p.output()));
  return params;
}

}  // namespace assay
