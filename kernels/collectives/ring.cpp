#include "kernels/collectives/ring.h"

#include <algorithm>

namespace assay {
namespace {

constexpr std::int64_t kAlignment = 64;  // bytes: a cache line, and the widest vector store

// A slot of a mailbox.  Two slots of the predecessor's mailbox and two of our own are in use at a time, and should
// stay in a second-level cache of 1 MiB beside the user's data that streams through.
constexpr std::int64_t kSlotBytes = 256 << 10;

std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

}  // namespace

RingPlan plan_ring(int ranks, DType dtype, std::int64_t count) {
  const auto size = std::int64_t(size_bytes(dtype));
  const std::int64_t bytes = count * size;
  RingPlan plan;
  plan.ranks = ranks;
  plan.dtype = dtype;
  plan.count = count;
  plan.blocks = divide_up(bytes, kSlotBytes);
  plan.segment = divide_up(divide_up(count, plan.blocks * ranks) * size, kAlignment) * kAlignment / size;
  plan.blocks = divide_up(count, plan.block());  // rounding a segment up may have made the last block superfluous
  plan.output_store = bytes >= kPastCachesBytes ? StoreKind::streaming : StoreKind::cached;
  return plan;
}

RingMember::RingMember(const RingPlan& plan, const ShmMember& member, std::byte* mailboxes)
    : plan_(plan), member_(member), mailboxes_(mailboxes) {}

std::byte* RingMember::slot(int rank) const {
  return mailboxes_ + plan_.mailbox_bytes() * std::size_t(rank) + plan_.slot_bytes() * (block_ % 2);
}

void RingMember::run(const void* input, void* output) {
  for (std::int64_t b = 0; b < plan_.blocks; ++b, ++block_) {
    const std::int64_t first = b * plan_.block();
    run_block(static_cast<const std::byte*>(input), static_cast<std::byte*>(output), first,
              std::min(plan_.block(), plan_.count - first));
  }
  if (plan_.output_store == StoreKind::streaming) complete_streaming_stores();
}

void RingMember::run_block(const std::byte* input, std::byte* output, std::int64_t first, std::int64_t count) {
  const int n = plan_.ranks, rank = member_.rank(), predecessor = (rank + n - 1) % n, successor = (rank + 1) % n;
  const auto size = std::int64_t(size_bytes(plan_.dtype));
  const std::uint64_t items_per_block = 2 * std::uint64_t(n) - 1;
  // In place, the output's cache lines were just read.
  const StoreKind output_store = input == output ? StoreKind::cached : plan_.output_store;
  if (block_ >= 2)  // the successor has read this slot's last contents
    member_.wait_for(Phase::first, successor, (block_ - 1) * items_per_block);
  for (int j = 0; j < 2 * n - 1; ++j) {
    const std::int64_t begin = std::min((rank - j + 2 * n) % n * plan_.segment, count);
    const std::int64_t elements = std::min(plan_.segment, count - begin), at = (first + begin) * size;
    if (j > 0) member_.wait_for(Phase::first, predecessor, block_ * items_per_block + std::uint64_t(j));
    run_item(j, input + at, slot(predecessor) + begin * size, slot(rank) + begin * size, {output + at, output_store},
             elements);
    member_.finish(Phase::first);
  }
}

void RingMember::run_item(int item, const std::byte* in, const std::byte* theirs, std::byte* mine, Destination out,
                          std::int64_t count) {
  const int n = plan_.ranks;
  const Destination box{mine, StoreKind::cached}, both[] = {out, box};
  const void* const summands[] = {theirs, in};
  const void* const sum[] = {theirs};
  if (item == 0)
    copy_elements(plan_.dtype, in, box, count);
  else if (item < n - 1)
    sum_elements(plan_.dtype, summands, {&box, 1}, count);
  else if (item == n - 1)
    sum_elements(plan_.dtype, summands, both, count);
  else
    sum_elements(plan_.dtype, sum, {both, item < 2 * n - 2 ? 2u : 1u}, count);  // nobody reads the last from us
}

}  // namespace assay
