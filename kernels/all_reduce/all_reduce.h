// The contract of all-reduce (sum): after it, output of every rank holds the element-wise sum of all ranks' inputs.
// A process drives one rank (MPI) or several (threads of a CPU, GPUs of a node); `AllReducePeers` says which.
//
// Bandwidths as nccl-tests defines them, S = count * element bytes, n = ranks, t = seconds:
//   algbw = S / t        busbw = algbw * 2 (n - 1) / n
// (a ring moves 2 (n-1)/n * S through every link, so busbw compares with a link's rate whatever n is).
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kernels/common/kernel.h"

namespace assay {

/// The ranks of an all-reduce and those this process drives: first_local .. first_local + local - 1.
struct AllReducePeers {
  int ranks = 1;
  int first_local = 0;
  int local = 1;
  bool mpi = false;         // MPI is initialised and rank r is process r of MPI_COMM_WORLD
  bool one_host = true;     // all ranks reach one shared memory
  std::string shared_name;  // unique to this group of processes: names its shared-memory segments

  bool single_process() const { return local == ranks; }
};

struct AllReduceProblem {
  std::int64_t count = 1;  // elements
  DType dtype = DType::f32;
  bool in_place = false;  // output == input
  AllReducePeers peers;

  std::int64_t bytes() const { return count * std::int64_t(size_bytes(dtype)); }
  /// busbw over algbw.
  double bus_factor() const { return peers.ranks > 1 ? 2.0 * (peers.ranks - 1) / peers.ranks : 0.0; }
};

/// One entry per local rank, in rank order.  On GPUs, `streams[r]` belongs to the device of local rank r.
struct AllReduceBuffers {
  std::vector<const void*> input;
  std::vector<void*> output;
  std::vector<Stream> streams;
};

using AllReduceOperation = Operation<AllReduceBuffers>;
using AllReduceKernel = Kernel<AllReduceProblem, AllReduceBuffers>;

/// Every all-reduce of this build, ours first.
const std::vector<AllReduceKernel>& all_reduce_kernels();

/// Inputs whose sum over up to 256 ranks is exact in every dtype, whatever the order: small integers that depend on
/// rank, index and seed, each at most 256 / ranks in magnitude, so that every partial sum is at most 256 (the largest
/// integer up to which bf16 has no gaps).
double all_reduce_input(int rank, int ranks, std::int64_t index, std::uint64_t seed);
double all_reduce_expected(int ranks, std::int64_t index, std::uint64_t seed);

}  // namespace assay
