// Where the scale factors of block-scaled operands lie.  The forms that hardware and cuBLASLt take, so that nothing is
// rearranged before a launch.  CUDA-free; C++17.
//
//   scaling  operand  factor of                     type  layout
//   block    a        row i, k / 128                fp32  [ceil(k / 128)][round_up(m, 4)]: rows contiguous
//   block    b        column j / 128, k / 128       fp32  [ceil(n / 128)][round_up(ceil(k / 128), 4)]: k contiguous
//   mx       both     row (or column), k / 32       e8m0  128 x 4 tiles, see below
//   nv       both     row (or column), k / 16       e4m3  128 x 4 tiles
//
// The 128 x 4 tile (cuBLAS documentation, "1D block scaling factors layout"; the order tcgen05.cp.32x128b.warpx4
// wants): 512 bytes hold the factors of 128 rows and 4 neighbouring blocks of k; row r, block c lies at byte (r % 32) *
// 16 + (r / 32 % 4) * 4 + c % 4.  Tiles follow each other along k, then along the rows.  Rows and blocks past the end
// exist in the last tiles and are zero.
#pragma once
#include <cstdint>

#include "kernels/gemm/gemm.h"

namespace assay {

/// Elements along k that share a factor.
constexpr int scale_block_k(GemmScaling s) {
  return s == GemmScaling::block ? 128 : s == GemmScaling::mx ? 32 : s == GemmScaling::nv ? 16 : 0;
}

constexpr bool has_tensor_scale(GemmScaling s) { return s == GemmScaling::tensor || s == GemmScaling::nv; }
constexpr bool has_block_scales(GemmScaling s) { return scale_block_k(s) != 0; }

constexpr std::int64_t scale_blocks(GemmScaling s, std::int64_t k) {
  return (k + scale_block_k(s) - 1) / scale_block_k(s);
}

/// Byte of the factor of row (or column) `row` and block `block` in 128 x 4 tiles over `blocks` blocks of k.
constexpr std::int64_t tiled_scale_index(std::int64_t row, std::int64_t block, std::int64_t blocks) {
  const std::int64_t tiles_along_k = (blocks + 3) / 4;
  return ((row / 128) * tiles_along_k + block / 4) * 512 + row % 32 * 16 + row / 32 % 4 * 4 + block % 4;
}

/// Index, in elements of the factor's type, of the factor of a[row, k-block] or b[k-block, column].
constexpr std::int64_t a_scale_index(const GemmProblem& p, std::int64_t row, std::int64_t block) {
  return p.scaling == GemmScaling::block ? block * ((p.m + 3) / 4 * 4) + row
                                         : tiled_scale_index(row, block, scale_blocks(p.scaling, p.k));
}
constexpr std::int64_t b_scale_index(const GemmProblem& p, std::int64_t column, std::int64_t block) {
  return p.scaling == GemmScaling::block ? column / 128 * ((scale_blocks(p.scaling, p.k) + 3) / 4 * 4) + block
                                         : tiled_scale_index(column, block, scale_blocks(p.scaling, p.k));
}

/// Bytes of the arrays of block scales; 0 where there are none.
constexpr std::int64_t tiled_scale_bytes(std::int64_t rows, std::int64_t blocks) {
  return (rows + 127) / 128 * ((blocks + 3) / 4) * 512;
}
constexpr std::int64_t a_scale_bytes(const GemmProblem& p) {
  if (!has_block_scales(p.scaling)) return 0;
  const std::int64_t blocks = scale_blocks(p.scaling, p.k);
  return p.scaling == GemmScaling::block ? blocks * ((p.m + 3) / 4 * 4) * 4 : tiled_scale_bytes(p.m, blocks);
}
constexpr std::int64_t b_scale_bytes(const GemmProblem& p) {
  if (!has_block_scales(p.scaling)) return 0;
  const std::int64_t blocks = scale_blocks(p.scaling, p.k);
  return p.scaling == GemmScaling::block ? (p.n + 127) / 128 * ((blocks + 3) / 4 * 4) * 4
                                         : tiled_scale_bytes(p.n, blocks);
}

/// The whole factor, tensor and block, of a[row, p] and of b[p, column]; `buffers` are host arrays.
double a_scale(const GemmProblem&, const GemmBuffers& buffers, std::int64_t row, std::int64_t p);
double b_scale(const GemmProblem&, const GemmBuffers& buffers, std::int64_t p, std::int64_t column);

}  // namespace assay
