// Collectives between buffers that every rank reaches: no staging, each rank reads the others' inputs where they lie.
//
//   all_reduce      rank r sums segment r of all inputs and stores it into all outputs: every input is read once and
//                   every output written once, the least there is
//   reduce_scatter  rank r sums part r of all inputs
//   all_gather, all_to_all, broadcast, send_recv   each rank copies what it gets
//
// A barrier before (the others' inputs are there, their outputs are free) and one after (nobody reads ours any more,
// nobody writes to it any more), each one counter per rank.  In place, all_reduce is safe because only rank r touches
// segment r, and reads an element of all ranks before it writes it.
//
// Large messages are stored past the caches, small ones through them, and between the two the first rank finds out by
// trial (store_trials.h), for all.
#pragma once
#include <cstddef>
#include <vector>

#include "kernels/collectives/rank_algorithm.h"
#include "kernels/collectives/store_trials.h"
#include "kernels/collectives/vector_sum.h"

namespace assay {

class WindowDirectMember final : public RankAlgorithm {
 public:
  /// `pieces`: of the window, by rank; buffers lie in the piece of their rank at the same offset.
  WindowDirectMember(const CollectiveProblem& problem, const ShmMember& member, std::vector<std::byte*> pieces);
  void run(const void* input, void* output) override;

 private:
  bool tries() const;
  void choose_store();
  void transfer(const std::byte* input, std::byte* output);
  void sum_segment(const std::byte* input, std::byte* output);
  /// Where `rank` has what lies at `mine` here.
  template <class Byte>
  Byte* at(int rank, Byte* mine) const {
    return pieces_[std::size_t(rank)] + (mine - pieces_[std::size_t(member_.rank())]);
  }
  /// `rank`'s input, `elements` in, seen from this rank's input; parts of one rank's buffer are placed by rank.
  const void* input_of(int rank, const std::byte* input, std::int64_t elements) const;

  CollectiveProblem problem_;
  ShmMember member_;
  std::vector<std::byte*> pieces_;
  std::int64_t size_;
  StoreKind store_;
  StoreTrials trials_;  // of rank 0
  std::uint64_t launches_ = 0;
  std::vector<const void*> sources_;
  std::vector<Destination> destinations_;
};

}  // namespace assay
