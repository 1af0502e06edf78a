// Copies between a joint matrix and the columns that it consists of (columns.h), for any GPU from sm_80 on.
//
// Algorithm   One thread a word of the joint matrix, which is read or written in one piece: word i lies in row
//             i / words of a row (a product and a shift) and in the part whose columns it is in (two comparisons and
//             selects, no indexing of the parameters, which would put them into local memory).  A thread asks for all
//             its words before it stores the first; blocks come and go, as in cuda/elementwise.cuh.
// Tile        256 threads x 8 words of 16 bytes: 32 KB.
// In flight   128 bytes a thread, at least 1024 threads a multiprocessor: 128 KB, where Little's law asks for 18
//             (H100), 25 (H200) and 38 KB (B200).
// Arithmetic  some 20 integer instructions a word; words of 16 bytes at 8 TB/s on a B200's 148 multiprocessors at
//             1.9 GHz are 0.9 a cycle for each way, 18 of the 128 lanes issued.
// Shapes      One to three parts of any width, fewer than 2^31 elements; widths and arrays that are multiples of 16
//             bytes in vectors, all others an element at a time.
// Hints       Reads past L1 (read once); writes as usual, since the next kernel reads them.
// Status      Proven in tests/simt; not yet run on a GPU.
// Source      Written for this project.
#pragma once
#include "kernels/common/ptx/global_vectors.cuh"
#include "kernels/layer/cuda/columns.h"

namespace assay::layer_cuda {

struct SixteenBytes {
  using Word = uint4;
  static __device__ __forceinline__ Word load(const Word* from) { return ptx::load_once(from); }
};
struct FourBytes {
  using Word = std::uint32_t;
  static __device__ __forceinline__ Word load(const Word* from) { return *from; }
};
struct TwoBytes {
  using Word = std::uint16_t;
  static __device__ __forceinline__ Word load(const Word* from) { return *from; }
};

/// Where in its part word `i` of the joint matrix lies.
template <class Word>
__device__ __forceinline__ Word* place_in_part(const ColumnsParams& p, std::uint32_t i) {
  const std::uint32_t row = p.words_of_row.quotient(i), column = i - row * p.words_of_row.divisor;
  const bool third = column >= p.begin[2], second = column >= p.begin[1];
  void* const part = third ? p.part[2] : second ? p.part[1] : p.part[0];
  const std::uint32_t begin = third ? p.begin[2] : second ? p.begin[1] : 0;
  const std::uint32_t width = third ? p.width[2] : second ? p.width[1] : p.width[0];
  return static_cast<Word*>(part) + (std::uint64_t(row) * width + (column - begin));
}

/// kSplit: from joint to the parts; else the other way.
template <class Access, bool kSplit>
__global__ void __launch_bounds__(kColumnsThreads, 4) columns(ColumnsParams p) {
  using Word = typename Access::Word;
  const std::uint32_t first = blockIdx.x * (kColumnsThreads * kColumnsUnroll) + threadIdx.x;
  auto* joint = static_cast<Word*>(p.joint);
  Word word[kColumnsUnroll];
#pragma unroll
  for (int u = 0; u < kColumnsUnroll; ++u) {
    const std::uint32_t i = first + u * kColumnsThreads;
    if (i < p.words) word[u] = Access::load(kSplit ? joint + i : place_in_part<Word>(p, i));
  }
#pragma unroll
  for (int u = 0; u < kColumnsUnroll; ++u) {
    const std::uint32_t i = first + u * kColumnsThreads;
    if (i < p.words) *(kSplit ? place_in_part<Word>(p, i) : joint + i) = word[u];
  }
}

}  // namespace assay::layer_cuda
