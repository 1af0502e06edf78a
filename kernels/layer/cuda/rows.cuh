// Rows of a tensor in the registers of a team (cuda/teams.cuh), 16 bytes at a time.  C++17.
#pragma once
#include <cstdint>

#include "kernels/layer/cuda/elements.cuh"

namespace assay::layer_cuda {

/// A lane's vectors of a row: those of neighbouring lanes are neighbours in memory.
template <int kVectors>
struct RowPart {
  uint4 vector[kVectors];
};

/// Calls use(j, i) for this lane's vectors i of a row; j counts them.
template <class Team, int kVectors, class Use>
__device__ __forceinline__ void for_row_vectors(int vectors, const Use& use) {
#pragma unroll
  for (int j = 0; j < kVectors; ++j) {
    const int i = Team::lane() + j * Team::lanes();
    if (i < vectors) use(j, i);
  }
}

/// Past the row's end there are zeros, which add nothing to any sum.
template <class Team, int kVectors>
__device__ __forceinline__ RowPart<kVectors> load_row(const void* row, int vectors) {
  RowPart<kVectors> part;
#pragma unroll
  for (int j = 0; j < kVectors; ++j) part.vector[j] = make_uint4(0, 0, 0, 0);
  for_row_vectors<Team, kVectors>(
      vectors, [&](int j, int i) { part.vector[j] = ptx::load_once(static_cast<const uint4*>(row) + i); });
  return part;
}

template <class Element>
__device__ __forceinline__ typename Element::Storage* row_of(void* tensor, std::int64_t row, int columns) {
  return static_cast<typename Element::Storage*>(tensor) + row * columns;
}
template <class Element>
__device__ __forceinline__ const typename Element::Storage* row_of(const void* tensor, std::int64_t row, int columns) {
  return static_cast<const typename Element::Storage*>(tensor) + row * columns;
}

}  // namespace assay::layer_cuda
