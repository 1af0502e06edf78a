// The products of attention in fp32 on ordinary cores, forward and backward: of tiles in shared memory, by 16 x 16
// threads.
//
// Thread (y, x) owns rows 4 y .. 4 y + 3 of every product.  Of a b^T it has the columns x, x + 16, ...; of w b the
// columns that load_columns says.  The 16 threads of a row are half a warp: what one of them writes of w, only these
// read, so that __syncwarp() orders the two.
// Shared memory  Rows of a and b are padded by 16 bytes: threads that differ in x read 16 bytes each from rows of b
//                that follow one another, and the padding puts those four banks apart.  All 16 threads of a row read
//                the same of a and of w.  w's padding puts rows that are four apart (two y of a warp) 16 banks apart.
// Each product is one FMA a term.  C++17.
#pragma once
#include <cstdint>

namespace assay::simt_f32 {

constexpr int kRows = 4;      // of every product per thread
constexpr int kColumns = 16;  // threads that share a row

/// Over the 16 threads of a row.
__device__ __forceinline__ float row_max(float value) {
#pragma unroll
  for (int distance = kColumns / 2; distance > 0; distance /= 2)
    value = fmaxf(value, __shfl_xor_sync(0xffffffff, value, distance));
  return value;
}
__device__ __forceinline__ float row_sum(float value) {
#pragma unroll
  for (int distance = kColumns / 2; distance > 0; distance /= 2) value += __shfl_xor_sync(0xffffffff, value, distance);
  return value;
}

__device__ __forceinline__ void load_4(float (&values)[4], const float* from) {
  const float4 v = *reinterpret_cast<const float4*>(from);
  values[0] = v.x, values[1] = v.y, values[2] = v.z, values[3] = v.w;
}

/// A thread's columns of a row of `Width`: of each whole 64 four, of 32 more two, neighbours each time.  Half a warp
/// reads or writes whole vectors side by side.
template <int Width>
__device__ __forceinline__ void load_columns(float (&columns)[Width / kColumns], const float* row, int x) {
  static_assert(Width % 32 == 0, "two columns a thread at least");
#pragma unroll
  for (int j = 0; j < Width / 64; ++j) {
    const float4 v = *reinterpret_cast<const float4*>(row + j * 64 + x * 4);
    columns[4 * j] = v.x, columns[4 * j + 1] = v.y, columns[4 * j + 2] = v.z, columns[4 * j + 3] = v.w;
  }
  if constexpr (Width % 64 != 0) {
    const float2 v = *reinterpret_cast<const float2*>(row + Width / 64 * 64 + x * 2);
    columns[Width / 64 * 4] = v.x, columns[Width / 64 * 4 + 1] = v.y;
  }
}

/// The same columns, times `factor`.
template <int Width>
__device__ __forceinline__ void store_columns(float* row, const float (&columns)[Width / kColumns], float factor,
                                              int x) {
#pragma unroll
  for (int j = 0; j < Width / 64; ++j)
    *reinterpret_cast<float4*>(row + j * 64 + x * 4) = make_float4(
        columns[4 * j] * factor, columns[4 * j + 1] * factor, columns[4 * j + 2] * factor, columns[4 * j + 3] * factor);
  if constexpr (Width % 64 != 0)
    *reinterpret_cast<float2*>(row + Width / 64 * 64 + x * 2) =
        make_float2(columns[Width / 64 * 4] * factor, columns[Width / 64 * 4 + 1] * factor);
}

/// s[r][c] = a_row . b_column over `Width` elements, of rows first_row + r of a and rows x + 16 c of b.  `Unroll`:
/// times four elements.
template <int Width, int Unroll = 2, int RowsA, int RowsB, int Stride>
__device__ __forceinline__ void multiply_rows(float (&s)[kRows][RowsB / kColumns], const float (&a)[RowsA][Stride],
                                              const float (&b)[RowsB][Stride], int first_row, int x) {
  constexpr int kOwn = RowsB / kColumns;
#pragma unroll
  for (int r = 0; r < kRows; ++r)
#pragma unroll
    for (int c = 0; c < kOwn; ++c) s[r][c] = 0;
#pragma unroll Unroll
  for (int d = 0; d < Width; d += 4) {
    float row[kRows][4], column[kOwn][4];
#pragma unroll
    for (int r = 0; r < kRows; ++r) load_4(row[r], &a[first_row + r][d]);
#pragma unroll
    for (int c = 0; c < kOwn; ++c) load_4(column[c], &b[x + c * kColumns][d]);
#pragma unroll
    for (int e = 0; e < 4; ++e)
#pragma unroll
      for (int r = 0; r < kRows; ++r)
#pragma unroll
        for (int c = 0; c < kOwn; ++c) s[r][c] += row[r][e] * column[c][e];
  }
}

/// sum[r] += w_row b, of rows first_row + r of w, whose columns are the rows of b; in the columns of load_columns.
template <int Width, int Rows, int RowsB, int StrideW, int Stride>
__device__ __forceinline__ void add_product(float (&sum)[kRows][Width / kColumns], const float (&w)[Rows][StrideW],
                                            const float (&b)[RowsB][Stride], int first_row, int x) {
#pragma unroll 1
  for (int i = 0; i < RowsB; i += 4) {
    float weight[kRows][4];
#pragma unroll
    for (int r = 0; r < kRows; ++r) load_4(weight[r], &w[first_row + r][i]);
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      float row[Width / kColumns];
      load_columns<Width>(row, b[i + e], x);
#pragma unroll
      for (int r = 0; r < kRows; ++r)
#pragma unroll
        for (int d = 0; d < Width / kColumns; ++d) sum[r][d] += weight[r][e] * row[d];
    }
  }
}

}  // namespace assay::simt_f32
