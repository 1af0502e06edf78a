// How the layer's CPU kernels share work among threads, and when they write past the caches.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "kernels/common/dtype.h"
#include "kernels/common/kernel.h"

namespace assay::cpu {

inline constexpr std::uintptr_t kVectorBytes = 64;  // of the widest vectors: a cache line

/// Begin and end of thread `thread`'s part of `count`, in whole granules but for the last.
struct PartOf {
  std::int64_t begin = 0, end = 0;
};
inline PartOf part_of(std::int64_t count, std::int64_t granule, int threads, int thread) {
  const std::int64_t granules = (count + granule - 1) / granule;
  return {std::min(count, granules * thread / threads * granule),
          std::min(count, granules * (thread + 1) / threads * granule)};
}

/// part(begin, end) on every thread of the target.
template <class Part>
void for_parts(const Target& target, std::int64_t count, std::int64_t granule, const Part& part) {
  const int threads = std::max(target.threads, 1);
#pragma omp parallel for num_threads(threads) schedule(static, 1)
  for (int thread = 0; thread < threads; ++thread) {
    const PartOf range = part_of(count, granule, threads, thread);
    if (range.begin < range.end) part(range.begin, range.end);
  }
}

/// Whether `bytes` in all, read and written, are more than caches keep until they are wanted again.  Of the third level
/// a core of a server has 2 to 4 MiB; what the system says of it is the host's on a virtual machine.
inline bool exceeds_caches(double bytes, const Target& target) {
  constexpr double kKeptByCore = 8 << 20;
  return bytes > kKeptByCore * std::max(target.threads, 1);
}

inline bool is_aligned(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer) % kVectorBytes == 0; }

/// `array` + `elements` of the type; null stays null.
inline const void* advanced(DType t, const void* array, std::int64_t elements) {
  return array == nullptr ? nullptr : static_cast<const char*>(array) + elements * std::int64_t(size_bytes(t));
}
inline void* advanced(DType t, void* array, std::int64_t elements) {
  return const_cast<void*>(advanced(t, static_cast<const void*>(array), elements));
}

/// The table's row of a kernel that takes any shape, in f32 and bf16; it still lacks what prepares it.
template <class Problem, class Buffers>
Kernel<Problem, Buffers> vector_row() {
  Kernel<Problem, Buffers> row;
  row.name = "cpu_vector";
  row.dtypes = {DType::f32, DType::bf16};
  row.supports = [](const Problem&, const Target&) { return Support::yes(); };
  return row;
}

/// The same of one that is one function.
template <class Problem, class Buffers>
Kernel<Problem, Buffers> vector_row(void (*launch)(const Problem&, const Buffers&, const Target&, Stream)) {
  Kernel<Problem, Buffers> row = vector_row<Problem, Buffers>();
  row.prepare = stateless<Problem, Buffers>(launch);
  return row;
}

}  // namespace assay::cpu
