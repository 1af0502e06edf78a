// The table of collectives in this build, and the inputs they are checked with.
#include "kernels/collectives/collectives.h"

#include <algorithm>

#include "assay/build_config.h"
#include "kernels/collectives/shm_ring.h"
#include "kernels/collectives/shm_window.h"
#if ASSAY_HAS_MPI
#include "kernels/collectives/mpi/mpi_collectives.h"
#endif
#if ASSAY_HAS_NCCL
#include "kernels/collectives/nccl.h"
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

int exact_integers(DType dtype) { return 1 << std::min(info(dtype).significand_bits, 8); }

}  // namespace

const std::vector<CollectiveKernel>& collective_kernels() {
  static const std::vector<CollectiveKernel> kernels = {
    shm_ring_kernel(),
    shm_window_kernel(),
#if ASSAY_HAS_MPI
    mpi_collectives_kernel(),
#endif
#if ASSAY_HAS_NCCL
    nccl_kernel(),
#endif
  };
  return kernels;
}

bool CollectiveProblem::has_parts() const {
  return info(operation).input_is_part || info(operation).output_is_part || operation == Collective::all_to_all;
}

double CollectiveProblem::bus_factor() const {
  if (operation == Collective::broadcast || operation == Collective::send_recv) return 1;
  const double moved = double(peers.ranks - 1) / peers.ranks;
  return operation == Collective::all_reduce ? 2 * moved : moved;
}

int most_exact_ranks(DType dtype) { return exact_integers(dtype); }

double collective_input(const CollectiveProblem& problem, int rank, std::int64_t index, std::uint64_t seed) {
  const int summands = info(problem.operation).reduces ? problem.peers.ranks : 1;
  const auto limit = std::uint64_t(exact_integers(problem.dtype) / summands);
  const std::uint64_t hash = mix(mix(seed + 0x9e3779b97f4a7c15u * std::uint64_t(rank + 1)) + std::uint64_t(index));
  // The hash as a fraction of 2^32, times the number of values -limit .. limit.
  return double(std::int64_t((hash >> 32) * (2 * limit + 1) >> 32) - std::int64_t(limit));
}

double collective_expected(const CollectiveProblem& problem, int rank, std::int64_t index, std::uint64_t seed) {
  const int ranks = problem.peers.ranks;
  const std::int64_t part = problem.part();
  const auto input = [&](int of, std::int64_t i) { return collective_input(problem, of, i, seed); };
  const auto sum = [&](std::int64_t i) {
    double total = 0;
    for (int r = 0; r < ranks; ++r) total += input(r, i);
    return total;
  };
  switch (problem.operation) {
    case Collective::all_reduce:
      return sum(index);
    case Collective::reduce_scatter:
      return sum(rank * part + index);
    case Collective::all_gather:
      return input(int(index / part), index % part);
    case Collective::all_to_all:
      return input(int(index / part), rank * part + index % part);
    case Collective::broadcast:
      return input(problem.root, index);
    case Collective::send_recv:
      return input((rank + ranks - 1) % ranks, index);
  }
  return 0;
}

}  // namespace assay
