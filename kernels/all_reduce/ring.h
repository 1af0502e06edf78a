// The shared-memory ring all-reduce: one member per rank, threads of one process or processes of one host.
//
// Rank r owns a mailbox that its successor r + 1 reads.  A message is cut into blocks, a block into one segment per
// rank.  In item j of a block, rank r works on segment (r - j) mod n:
//   j = 0              copies its input segment into its mailbox
//   j = 1 .. n-1       reduce-scatter: adds its input to what the predecessor has in its mailbox, into its own mailbox
//                      (at j = n-1 that is the full sum: also into the output)
//   j = n .. 2n-2      all-gather: copies the full sum from the predecessor's mailbox to the output and its own mailbox
// Item j needs exactly the predecessor's item j-1.  Every rank moves 2 (n-1)/n of the message, whatever n is.
//
// Synchronisation is one counter per rank of the items it has finished, ever growing over blocks and launches:
//   - data: item j of block b waits until the predecessor's counter is at least b (2n-1) + j;
//   - mailboxes have two slots used in turn: before block b a rank waits until its successor has finished block b-2;
//   - within a block a slot's segment is written twice (partial sum, then full sum).  The full sum only exists after it
//     passed through the successor, which read the partial sum to make it; so it cannot be overwritten unread.
// Mailboxes are small enough to stay in cache, so user buffers are read once and written once.
//
// Small messages take the flat way: every rank puts its whole input into its mailbox and sums all mailboxes in rank
// order; one hop instead of 2 (n-1).
#pragma once
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "kernels/all_reduce/vector_sum.h"
#include "kernels/common/dtype.h"

namespace assay {

inline constexpr int kMaxRingRanks = 64;

/// Two cache lines: the hardware prefetcher fetches lines in pairs, which would make neighbours share.
struct alignas(128) RingRank {
  std::atomic<std::uint64_t> finished;  // items
};

/// At the start of the shared segment.  Zeroed pages are its valid initial state.
struct RingControl {
  std::atomic<std::int32_t> mapped;    // ranks that have the segment mapped
  std::atomic<std::int32_t> unlinked;  // 1 once its name is gone
  std::atomic<std::int32_t> missing;   // 0, or 1 + the rank that did not arrive: everybody gives up
  RingRank ranks[kMaxRingRanks];
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free && std::atomic<std::int32_t>::is_always_lock_free,
              "processes share them");

/// How one problem is cut; equal on every rank.
struct RingPlan {
  int ranks = 1;
  DType dtype = DType::f32;
  std::int64_t count = 0;
  bool flat = false;
  std::int64_t blocks = 0;
  std::int64_t segment = 0;  // elements of a segment (ring) or of a block (flat), a multiple of 64 bytes
  StoreKind output_store = StoreKind::cached;
  int spins = 0;  // looks at a counter before the processor is offered to others
  double deadline_seconds = 60;

  std::int64_t block() const { return flat ? segment : segment * ranks; }  // elements
  std::size_t slot_bytes() const { return std::size_t(block()) * size_bytes(dtype); }
  std::size_t mailbox_bytes() const { return 2 * slot_bytes(); }
  std::size_t segment_bytes() const { return sizeof(RingControl) + mailbox_bytes() * std::size_t(ranks); }
};

RingPlan plan_ring(int ranks, DType dtype, std::int64_t count);

/// One rank.  `run` is called by one thread at a time; all ranks run the same sequence.
class RingMember {
 public:
  /// `memory`: plan.segment_bytes() zeroed bytes shared by all ranks, at least 128-byte aligned; outlives the member.
  RingMember(const RingPlan& plan, std::byte* memory, int rank);

  /// Returns when this rank's output is complete (others may still be reading its mailbox).  std::runtime_error naming
  /// the rank that did not arrive before the deadline; after that the ring is unusable for all.
  void run(const void* input, void* output);

 private:
  void ring_block(const std::byte* input, std::byte* output, std::int64_t first, std::int64_t count);
  void flat_block(const std::byte* input, std::byte* output, std::int64_t first, std::int64_t count);
  std::byte* slot(int rank) const;
  void finish_item() { control_->ranks[rank_].finished.store(++items_, std::memory_order_release); }
  void wait_for(int rank, std::uint64_t items);
  void wait_slowly(int rank, std::uint64_t items);
  [[noreturn]] void give_up(int missing) const;

  RingPlan plan_;
  RingControl* control_;
  std::byte* mailboxes_;
  int rank_;
  std::uint64_t block_ = 0;  // since the ring exists
  std::uint64_t items_ = 0;
};

}  // namespace assay
