#include "kernels/collectives/staged.h"

#include <algorithm>

namespace assay {
namespace {

constexpr std::int64_t kAlignment = 64;  // bytes: a cache line, and the widest vector store

// Larger slots are fewer waits, and should still stay in the caches: on two Zen 4 cores 1 MiB was 10 % faster than
// 256 KiB from 1 to 16 MiB.  All ranks' together stay below the 64 MiB that a container has in /dev/shm.
constexpr std::int64_t kSlotBytes = 1 << 20, kSlotsOfAllRanks = 16 << 20;

// The distance between cores is asked for once in so many bytes moved: rarely enough not to be seen.
constexpr std::int64_t kBytesBetweenMeasurements = 1 << 20;
// Below this, a message is over before staging past the caches gains anything.
constexpr std::int64_t kLeastPastCaches = 32 << 10;

std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

std::int64_t align(std::int64_t elements, std::int64_t size) {
  return divide_up(elements * size, kAlignment) * kAlignment / size;
}

}  // namespace

std::size_t StagedPlan::slot_bytes() const {
  const std::int64_t bytes = problem.bytes_of(sums_at() + (two_shot ? slice : 0));
  return std::size_t(divide_up(bytes, 128) * 128);
}

StagedPlan plan_staged(const CollectiveProblem& problem, bool two_shot) {
  const std::int64_t n = problem.peers.ranks, size = std::int64_t(size_bytes(problem.dtype));
  StagedPlan plan;
  plan.problem = problem;
  plan.two_shot = two_shot;
  plan.length = problem.has_parts() ? problem.part() : problem.count;
  const bool sliced = two_shot || (problem.has_parts() && problem.operation != Collective::all_gather);
  plan.slices = sliced ? n : 1;
  const std::int64_t slot = std::min(kSlotBytes, kSlotsOfAllRanks / n);
  plan.slice = std::max(slot / size / plan.slices / kAlignment * kAlignment, kAlignment / size);
  // Chunks of about the same length: a short last one is a wait for little work.
  const std::int64_t most = two_shot ? plan.slice * n : plan.slice;
  plan.chunks = divide_up(plan.length, most);
  const std::int64_t even = divide_up(plan.length, plan.chunks);
  plan.slice = align(two_shot ? divide_up(even, n) : even, size);
  plan.chunk = two_shot ? plan.slice * n : plan.slice;
  plan.chunks = divide_up(plan.length, plan.chunk);
  return plan;
}

StagedMember::StagedMember(const StagedPlan& plan, const ShmMember& member, std::byte* slots)
    : plan_(plan),
      member_(member),
      slots_(slots),
      size_(std::int64_t(size_bytes(plan.problem.dtype))),
      acknowledged_(plan.chunks > 1 || plan.problem.operation == Collective::broadcast ||
                    plan.problem.operation == Collective::send_recv),
      summands_(std::size_t(plan.problem.peers.ranks)) {}

StagedMember::Range StagedMember::chunk(std::int64_t c) const {
  const std::int64_t first = c * plan_.chunk;
  return {first, std::min(plan_.chunk, plan_.length - first)};
}

StagedMember::Range StagedMember::segment(std::int64_t c, int rank) const {
  const Range whole = chunk(c);
  const std::int64_t begin = std::min(rank * plan_.slice, whole.count);
  return {whole.first + begin, std::min(plan_.slice, whole.count - begin)};
}

std::byte* StagedMember::slot(int rank, std::int64_t c, std::int64_t element) const {
  const std::uint64_t turn = (done_ + std::uint64_t(c)) % 2;
  return slots_ + plan_.slot_bytes() * (2 * std::size_t(rank) + turn) + element * size_;
}

bool StagedMember::reads_from(int rank, int other) const {
  if (rank == other) return false;
  if (plan_.problem.operation == Collective::broadcast) return other == plan_.problem.root;
  if (plan_.problem.operation == Collective::send_recv) return (other + 1) % member_.ranks() == rank;
  return true;
}

void StagedMember::run(const void* input, void* output) {
  input_ = static_cast<const std::byte*>(input);
  output_ = static_cast<std::byte*>(output);
  choose_stores();
  stage(0);
  for (std::int64_t c = 0; c < plan_.chunks; ++c) {
    if (c + 1 < plan_.chunks) stage(c + 1);
    collect(c);
    if (plan_.two_shot && c > 0) gather(c - 1);
  }
  if (plan_.two_shot) gather(plan_.chunks - 1);
  if (output_store_ == StoreKind::streaming) complete_streaming_stores();
  done_ += std::uint64_t(plan_.chunks);
  ++launches_;
}

void StagedMember::choose_stores() {
  const std::int64_t bytes = plan_.problem.bytes();
  if (bytes >= kLeastPastCaches) {
    if (launches_ % std::uint64_t(std::max(kBytesBetweenMeasurements / bytes, std::int64_t(1))) == 0)
      member_.measure_distance();
    slot_store_ = member_.far() ? StoreKind::streaming : StoreKind::cached;
  }
  // In place, the output's cache lines were just read.
  output_store_ = bytes >= kPastCachesBytes && !plan_.problem.in_place ? StoreKind::streaming : StoreKind::cached;
}

void StagedMember::wait_for_slot(Phase readers_phase, std::uint64_t chunk) {
  if (!acknowledged_ || chunk < 2) return;
  for (int i = 1; i < member_.ranks(); ++i) {
    const int reader = (member_.rank() + i) % member_.ranks();
    if (reads_from(reader, member_.rank())) member_.wait_for(readers_phase, reader, chunk - 1);
  }
}

void StagedMember::stage(std::int64_t c) {
  wait_for_slot(Phase::second, done_ + std::uint64_t(c));
  const int rank = member_.rank();
  const Range whole = chunk(c);
  const auto copy = [&](std::int64_t from, std::int64_t to, std::int64_t count) {
    copy_elements(plan_.problem.dtype, in(from), {slot(rank, c, to), slot_store_}, count);
  };
  if (plan_.slices == 1) {
    if (plan_.problem.operation != Collective::broadcast || rank == plan_.problem.root)
      copy(whole.first, 0, whole.count);
  } else {
    for (int i = 1; i < member_.ranks(); ++i) {
      const int reader = (rank + i) % member_.ranks();
      const Range piece = plan_.two_shot ? segment(c, reader) : Range{reader * plan_.length + whole.first, whole.count};
      copy(piece.first, reader * plan_.slice, piece.count);
    }
  }
  finish(Phase::first);
}

void StagedMember::collect(std::int64_t c) {
  if (info(plan_.problem.operation).reduces)
    collect_sum(c);
  else
    collect_copies(c);
  finish(Phase::second);
}

// Others read slots, but not the output: that one may be on its way to memory until the end.
void StagedMember::finish(Phase phase) {
  if (slot_store_ == StoreKind::streaming) complete_streaming_stores();
  member_.finish(phase);
}

void StagedMember::collect_sum(std::int64_t c) {
  const std::uint64_t k = done_ + std::uint64_t(c);
  const int rank = member_.rank();
  const Range whole = chunk(c), mine = plan_.two_shot ? segment(c, rank) : whole;
  const bool scatter = plan_.problem.operation == Collective::reduce_scatter;
  const std::int64_t slice = plan_.slices == 1 ? 0 : rank * plan_.slice;
  if (plan_.two_shot) wait_for_slot(Phase::third, k);
  member_.wait_for_all(Phase::first, k + 1);
  // In rank order, so that where several ranks sum the same elements (flat) all round alike.
  for (int r = 0; r < member_.ranks(); ++r)
    summands_[std::size_t(r)] =
        r == rank ? in(scatter ? rank * plan_.length + whole.first : mine.first) : slot(r, c, slice);
  const Destination to[] = {out(mine.first), {slot(rank, c, plan_.sums_at()), slot_store_}};
  sum_elements(plan_.problem.dtype, summands_, {to, plan_.two_shot ? 2u : 1u}, mine.count);
}

void StagedMember::collect_copies(std::int64_t c) {
  const std::uint64_t k = done_ + std::uint64_t(c);
  const Collective operation = plan_.problem.operation;
  const int rank = member_.rank();
  const Range whole = chunk(c);
  const auto copy = [&](const void* from, std::int64_t to) {
    copy_elements(plan_.problem.dtype, from, out(to), whole.count);
  };
  if (!plan_.problem.in_place) {  // what the rank has of its own
    const std::int64_t part = rank * plan_.length + whole.first;
    if (operation == Collective::all_gather) copy(in(whole.first), part);
    if (operation == Collective::all_to_all) copy(in(part), part);
    if (operation == Collective::broadcast && rank == plan_.problem.root) copy(in(whole.first), whole.first);
  }
  for (int i = 1; i < member_.ranks(); ++i) {
    const int writer = (rank + i) % member_.ranks();
    if (!reads_from(rank, writer)) continue;
    member_.wait_for(Phase::first, writer, k + 1);
    copy(slot(writer, c, plan_.slices == 1 ? 0 : rank * plan_.slice),
         whole.first + (plan_.problem.has_parts() ? writer * plan_.length : 0));
  }
}

void StagedMember::gather(std::int64_t c) {
  for (int i = 1; i < member_.ranks(); ++i) {
    const int writer = (member_.rank() + i) % member_.ranks();
    const Range sums = segment(c, writer);
    member_.wait_for(Phase::second, writer, done_ + std::uint64_t(c) + 1);
    copy_elements(plan_.problem.dtype, slot(writer, c, plan_.sums_at()), out(sums.first), sums.count);
  }
  member_.finish(Phase::third);
}

}  // namespace assay
