#include "kernels/all_reduce/ring.h"

#include <hwy/cache_control.h>

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <string>
#include <thread>

namespace assay {
namespace {

constexpr std::int64_t kAlignment = 64;  // bytes: a cache line, and the widest vector store

// Below this a message goes flat: reading n small mailboxes costs less than 2 (n-1) hand-overs.
constexpr std::int64_t kFlatBytes = 16 << 10;

// A slot of a mailbox.  Two slots of the predecessor's mailbox and two of our own are in use at a time, and should
// stay in a second-level cache of 1 MiB beside the user's data that streams through.
constexpr std::int64_t kSlotBytes = 256 << 10;

// From this size on a message and its sum do not stay in the caches: storing past them saves reading the output's lines
// first.
constexpr std::int64_t kStreamingBytes = 1 << 20;

std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

}  // namespace

RingPlan plan_ring(int ranks, DType dtype, std::int64_t count) {
  const auto size = std::int64_t(size_bytes(dtype));
  const std::int64_t bytes = count * size;
  RingPlan plan;
  plan.ranks = ranks;
  plan.dtype = dtype;
  plan.count = count;
  plan.flat = bytes <= kFlatBytes;
  plan.blocks = plan.flat ? 1 : divide_up(bytes, kSlotBytes);
  const std::int64_t shares = plan.flat ? 1 : plan.blocks * ranks;
  plan.segment = divide_up(divide_up(count, shares) * size, kAlignment) * kAlignment / size;
  plan.blocks = divide_up(count, plan.block());  // rounding a segment up may have made the last block superfluous
  plan.output_store = bytes >= kStreamingBytes ? StoreKind::streaming : StoreKind::cached;
  // With a core for every rank the wait is shorter than a switch; without, whoever is waited for needs this core.
  plan.spins = unsigned(ranks) <= std::thread::hardware_concurrency() ? 1000 : 64;
  return plan;
}

RingMember::RingMember(const RingPlan& plan, std::byte* memory, int rank)
    : plan_(plan),
      control_(reinterpret_cast<RingControl*>(memory)),
      mailboxes_(memory + sizeof(RingControl)),
      rank_(rank) {}

std::byte* RingMember::slot(int rank) const {
  return mailboxes_ + plan_.mailbox_bytes() * std::size_t(rank) + plan_.slot_bytes() * (block_ % 2);
}

void RingMember::run(const void* input, void* output) {
  const auto* from = static_cast<const std::byte*>(input);
  auto* to = static_cast<std::byte*>(output);
  for (std::int64_t b = 0; b < plan_.blocks; ++b, ++block_) {
    const std::int64_t first = b * plan_.block(), count = std::min(plan_.block(), plan_.count - first);
    if (plan_.ranks == 1) {
      if (from != to) copy_elements(plan_.dtype, from, to, nullptr, plan_.count, StoreKind::cached);
      return;
    }
    if (plan_.flat)
      flat_block(from, to, first, count);
    else
      ring_block(from, to, first, count);
  }
}

void RingMember::ring_block(const std::byte* input, std::byte* output, std::int64_t first, std::int64_t count) {
  const int n = plan_.ranks, predecessor = (rank_ + n - 1) % n, successor = (rank_ + 1) % n;
  const auto size = std::int64_t(size_bytes(plan_.dtype));
  const std::uint64_t items_per_block = 2 * std::uint64_t(n) - 1;
  // In place, the output's cache lines were just read.
  const StoreKind output_store = input == output ? StoreKind::cached : plan_.output_store;
  std::byte* const mine = slot(rank_);
  const std::byte* const theirs = slot(predecessor);
  if (block_ >= 2) wait_for(successor, (block_ - 1) * items_per_block);  // it has read this slot's last contents
  for (int j = 0; j < 2 * n - 1; ++j) {
    const std::int64_t begin = std::min((rank_ - j + 2 * n) % n * plan_.segment, count);
    const std::int64_t elements = std::min(plan_.segment, count - begin);
    const std::byte* const in = input + (first + begin) * size;
    std::byte* const out = output + (first + begin) * size;
    std::byte* const box = mine + begin * size;
    if (j > 0) wait_for(predecessor, block_ * items_per_block + std::uint64_t(j));
    std::byte* const box_if_read = j < 2 * n - 2 ? box : nullptr;  // nobody reads the last segment from us
    if (j == 0)
      copy_elements(plan_.dtype, in, box, nullptr, elements, StoreKind::cached);
    else if (j < n - 1)
      sum_elements(plan_.dtype, theirs + begin * size, in, box, nullptr, elements, StoreKind::cached);
    else if (j == n - 1)
      sum_elements(plan_.dtype, theirs + begin * size, in, out, box, elements, output_store);
    else
      copy_elements(plan_.dtype, theirs + begin * size, out, box_if_read, elements, output_store);
    finish_item();
  }
}

void RingMember::flat_block(const std::byte* input, std::byte* output, std::int64_t first, std::int64_t count) {
  const auto size = std::int64_t(size_bytes(plan_.dtype));
  constexpr std::uint64_t kItems = 2;  // mailbox filled; all mailboxes read
  std::byte* const out = output + first * size;
  for (int r = 0; r < plan_.ranks && block_ >= 2; ++r) wait_for(r, (block_ - 1) * kItems);
  copy_elements(plan_.dtype, input + first * size, slot(rank_), nullptr, count, StoreKind::cached);
  finish_item();
  for (int r = 0; r < plan_.ranks; ++r) wait_for(r, block_ * kItems + 1);
  // In rank order on every rank, so that all ranks round alike and hold the same bits.
  sum_elements(plan_.dtype, slot(0), slot(1), out, nullptr, count, StoreKind::cached);
  for (int r = 2; r < plan_.ranks; ++r) sum_elements(plan_.dtype, out, slot(r), out, nullptr, count, StoreKind::cached);
  finish_item();
}

void RingMember::wait_for(int rank, std::uint64_t items) {
  const std::atomic<std::uint64_t>& finished = control_->ranks[rank].finished;
  for (int spin = 0; spin < plan_.spins; ++spin) {
    if (finished.load(std::memory_order_acquire) >= items) return;
    hwy::Pause();
  }
  wait_slowly(rank, items);
}

void RingMember::wait_slowly(int rank, std::uint64_t items) {
  using Clock = std::chrono::steady_clock;
  const std::atomic<std::uint64_t>& finished = control_->ranks[rank].finished;
  const auto deadline = Clock::now() + std::chrono::duration<double>(plan_.deadline_seconds);
  while (finished.load(std::memory_order_acquire) < items) {
    if (const std::int32_t missing = control_->missing.load(std::memory_order_acquire)) give_up(missing - 1);
    if (Clock::now() > deadline) {
      // Whoever we wait for may itself be waiting: the one to name is furthest behind.
      const auto* behind =
          std::min_element(control_->ranks, control_->ranks + plan_.ranks, [](const auto& a, const auto& b) {
            return a.finished.load(std::memory_order_relaxed) < b.finished.load(std::memory_order_relaxed);
          });
      std::int32_t none = 0;
      const auto missing = std::int32_t(behind - control_->ranks);
      control_->missing.compare_exchange_strong(none, missing + 1, std::memory_order_acq_rel);
      give_up(none ? none - 1 : missing);
    }
    std::this_thread::yield();
  }
}

void RingMember::give_up(int missing) const {
  throw std::runtime_error("all-reduce: rank " + std::to_string(missing) + " of " + std::to_string(plan_.ranks) +
                           " did not arrive in time (rank " + std::to_string(rank_) + " waited for it in block " +
                           std::to_string(block_) + ")");
}

}  // namespace assay
