// Collectives between buffers that only their own rank reaches, by way of shared staging memory.
//
// A message is cut into chunks.  Of a chunk every rank
//   1. stages    copies what others need of its input into its staging slot,
//   2. collects  reads what it needs from the others' slots, summing where the operation sums, into its output,
//   3. gathers   (two-shot all-reduce only) reads the sums that others collected, into its output.
//
//   operation, algorithm     what is staged                              collected
//   all_reduce, flat         the chunk                                   the sum of all slots and the own input
//   all_reduce, two_shot     the segments (n to a chunk) of the others   the sum of the own segment, into output and
//   slot reduce_scatter           the chunk of every other rank's part        the sum of the own part all_gather,
//   broadcast    the chunk                                   a copy all_to_all               the chunk of every other
//   rank's part        a copy of what every slot has for this rank send_recv                the chunk a copy of the
//   predecessor's
//
// The next chunk is staged before one is collected, and one is collected before the last one is gathered, so that what
// a rank waits for was due a step ago.  Per rank and phase a counter of chunks says how far it has come.  Slots are two
// and used in turn: before a slot is overwritten, its readers must have finished with the chunk two back.  Where every
// rank reads from every other and a launch is one chunk, that is known already: a rank that has staged the chunk
// between has collected the one before it.
//
// Slots stay in the caches, so that user buffers are read once and written once, past the caches if they do not stay
// there.  Between caches that are far apart dirty lines move slowly (five times slower than from memory, on
// two Zen 4 cores of a virtual machine); there, staging goes past the caches too.
#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/collectives/rank_algorithm.h"
#include "kernels/collectives/vector_sum.h"

namespace assay {

/// How one problem is cut; equal on every rank.
struct StagedPlan {
  CollectiveProblem problem;
  bool two_shot = false;
  std::int64_t length = 0;  // elements that are cut into chunks: of a part, else of the message
  std::int64_t chunk = 0;   // elements of a chunk
  std::int64_t chunks = 0;
  std::int64_t slices = 1;  // of a slot: one per rank where every rank gets something else
  std::int64_t slice = 0;   // elements, a multiple of 64 bytes

  std::int64_t sums_at() const { return slices * slice; }  // elements into a slot; two_shot only
  std::size_t slot_bytes() const;
  std::size_t shared_bytes() const { return 2 * slot_bytes() * std::size_t(problem.peers.ranks); }
};

StagedPlan plan_staged(const CollectiveProblem&, bool two_shot);

class StagedMember final : public RankAlgorithm {
 public:
  /// `slots`: plan.shared_bytes() zeroed bytes shared by all ranks, at least 128-byte aligned; outlives the member.
  StagedMember(const StagedPlan& plan, const ShmMember& member, std::byte* slots);
  void run(const void* input, void* output) override;

 private:
  struct Range {
    std::int64_t first, count;  // elements
  };
  Range chunk(std::int64_t c) const;              // of the length
  Range segment(std::int64_t c, int rank) const;  // two_shot: of the message, what `rank` sums
  std::byte* slot(int rank, std::int64_t c, std::int64_t element) const;
  bool reads_from(int rank, int other) const;  // does `rank` read `other`'s slot?
  const std::byte* in(std::int64_t element) const { return input_ + element * size_; }
  Destination out(std::int64_t element) const { return {output_ + element * size_, output_store_}; }

  void choose_stores();
  void stage(std::int64_t c);
  void collect(std::int64_t c);
  void collect_sum(std::int64_t c);
  void collect_copies(std::int64_t c);
  void gather(std::int64_t c);
  void finish(Phase);
  void wait_for_slot(Phase readers_phase, std::uint64_t chunk);

  StagedPlan plan_;
  ShmMember member_;
  std::byte* slots_;
  std::int64_t size_;
  bool acknowledged_;       // whether a slot's readers have to be waited for
  std::uint64_t done_ = 0;  // chunks of earlier launches
  std::uint64_t launches_ = 0;
  const std::byte* input_ = nullptr;
  std::byte* output_ = nullptr;
  StoreKind output_store_ = StoreKind::cached, slot_store_ = StoreKind::cached;
  std::vector<const void*> summands_;
};

}  // namespace assay
