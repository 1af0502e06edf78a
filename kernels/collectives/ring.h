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
#pragma once
#include <cstddef>
#include <cstdint>

#include "kernels/collectives/rank_algorithm.h"
#include "kernels/collectives/vector_sum.h"

namespace assay {

/// How one problem is cut; equal on every rank.
struct RingPlan {
  int ranks = 1;
  DType dtype = DType::f32;
  std::int64_t count = 0;
  std::int64_t blocks = 0;
  std::int64_t segment = 0;  // elements, a multiple of 64 bytes
  StoreKind output_store = StoreKind::cached;

  std::int64_t block() const { return segment * ranks; }  // elements
  std::size_t slot_bytes() const { return std::size_t(block()) * size_bytes(dtype); }
  std::size_t mailbox_bytes() const { return 2 * slot_bytes(); }
  std::size_t shared_bytes() const { return mailbox_bytes() * std::size_t(ranks); }
};

RingPlan plan_ring(int ranks, DType dtype, std::int64_t count);

class RingMember final : public RankAlgorithm {
 public:
  /// `mailboxes`: plan.shared_bytes() zeroed bytes shared by all ranks, at least 128-byte aligned; outlives the member.
  RingMember(const RingPlan& plan, const ShmMember& member, std::byte* mailboxes);

  /// Returns when this rank's output is complete (others may still be reading its mailbox).
  void run(const void* input, void* output) override;

 private:
  void run_block(const std::byte* input, std::byte* output, std::int64_t first, std::int64_t count);
  void run_item(int item, const std::byte* in, const std::byte* theirs, std::byte* mine, Destination out,
                std::int64_t count);
  std::byte* slot(int rank) const;

  RingPlan plan_;
  ShmMember member_;
  std::byte* mailboxes_;
  std::uint64_t block_ = 0;  // since the ring exists
};

}  // namespace assay
