// The table of all-reduces in this build, and the inputs they are checked with.
#include "kernels/all_reduce/all_reduce.h"

#include "assay/build_config.h"
#include "kernels/all_reduce/shm_ring.h"
#if ASSAY_HAS_MPI
#include "kernels/all_reduce/mpi/mpi_all_reduce.h"
#endif
#if ASSAY_HAS_NCCL
#include "kernels/all_reduce/nccl.h"
#endif

namespace assay {
namespace {

// The finalizer of SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators): neighbouring
// inputs give unrelated outputs.
std::uint64_t mix(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

constexpr int kExactIntegers = 256;  // bf16 has 8 significand bits

}  // namespace

const std::vector<AllReduceKernel>& all_reduce_kernels() {
  static const std::vector<AllReduceKernel> kernels = {
    shm_ring_kernel(),
#if ASSAY_HAS_MPI
    mpi_all_reduce_kernel(),
#endif
#if ASSAY_HAS_NCCL
    nccl_kernel(),
#endif
  };
  return kernels;
}

double all_reduce_input(int rank, int ranks, std::int64_t index, std::uint64_t seed) {
  const auto limit = std::uint64_t(kExactIntegers / ranks);
  const std::uint64_t hash = mix(mix(seed + 0x9e3779b97f4a7c15u * std::uint64_t(rank + 1)) + std::uint64_t(index));
  // The hash as a fraction of 2^32, times the number of values -limit .. limit.
  return double(std::int64_t((hash >> 32) * (2 * limit + 1) >> 32) - std::int64_t(limit));
}

double all_reduce_expected(int ranks, std::int64_t index, std::uint64_t seed) {
  double sum = 0;
  for (int rank = 0; rank < ranks; ++rank) sum += all_reduce_input(rank, ranks, index, seed);
  return sum;
}

}  // namespace assay
