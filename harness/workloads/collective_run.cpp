#include "harness/workloads/collective_run.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <exception>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "harness/core/error.h"
#include "harness/verify/digest.h"

namespace assay {
namespace {

/// A step that may fail on one process alone: then it fails on all, so that none waits for one that has left.
template <class Step>
void together(Communicator& communicator, const char* what, const Step& step) {
  std::exception_ptr error;
  try {
    step();
  } catch (...) {
    error = std::current_exception();
  }
  const bool failed = communicator.maximum(error ? 1 : 0) > 0;
  if (error) std::rethrow_exception(error);
  if (failed) throw MeasureError(fmt::format("another process failed to {}", what));
}

/// Of a buffer that holds input and output both in place: S, as one of them has.
std::size_t whole_bytes(const CollectiveProblem& problem) {
  return std::size_t(problem.bytes_of(std::max(problem.input_count(), problem.output_count())));
}
std::size_t input_bytes(const CollectiveProblem& problem) {
  return problem.in_place ? whole_bytes(problem) : std::size_t(problem.bytes_of(problem.input_count()));
}
std::size_t output_bytes(const CollectiveProblem& problem) {
  return std::size_t(problem.bytes_of(problem.output_count()));
}

/// In place: bytes into the one buffer at which a rank's input, or output, begins.
std::size_t part_offset(const CollectiveProblem& problem, bool is_part, int rank) {
  return problem.in_place && is_part ? std::size_t(problem.bytes_of(rank * problem.part())) : 0;
}

const char* when(bool timed) { return timed ? "timed" : "launched once more"; }

}  // namespace

Work collective_work(const CollectiveProblem& problem) {
  Work work;
  work.bytes = double(problem.bytes());
  work.bus_factor = problem.bus_factor();
  if (problem.operation == Collective::all_reduce)
    work.convention =
        "bytes = message of one rank (S); algbw = S / t, busbw = algbw * 2 (n - 1) / n for n ranks, as nccl-tests; "
        "inputs are integers whose sum is exact";
  else
    work.convention = fmt::format(
        "bytes = the operation's largest buffer (S){}; algbw = S / t, busbw = algbw{} for n ranks, as nccl-tests",
        problem.has_parts() ? ", rounded down to n equal parts" : "", problem.has_parts() ? " * (n - 1) / n" : "");
  return work;
}

// On a CPU all ranks share caches and memory, so a set is all of theirs; a GPU holds its own rank's alone.
std::size_t collective_set_bytes(const CollectiveProblem& problem, Device device) {
  const std::size_t one = RotatedBuffer::stride_for(input_bytes(problem)) +
                          (problem.in_place ? 0 : RotatedBuffer::stride_for(output_bytes(problem)));
  return one * std::size_t(device == Device::cpu ? problem.peers.ranks : 1);
}

CollectiveRun::CollectiveRun(const Case& point, const WorkloadContext& context, const CollectiveKernel& kernel,
                             const CollectiveProblem& problem)
    : point_(point), backend_(context.backend), communicator_(context.communicator), problem_(problem) {
  together(communicator_, "allocate its buffers", [&] {
    if (point_.device == Device::gpu && problem_.peers.local > backend_.slots())
      throw MeasureError(fmt::format("ranks={}, but there are {} GPUs", problem_.peers.local, backend_.slots()));
    sets_ = rotation_sets(point_, collective_set_bytes(problem_, point_.device), backend_);
  });
  // Processes see the same caches but not the same free memory: all take what the first one takes.
  const double most = communicator_.maximum(sets_), least = -communicator_.maximum(-sets_);
  if (most != least)
    throw MeasureError(fmt::format("processes disagree on the number of buffer sets ({:.0f} and {:.0f})", least, most));
  together(communicator_, "allocate its buffers", [&] { allocate(kernel); });
  communicator_.barrier();  // what one process allocates longer than others is not preparing
  const auto before = std::chrono::steady_clock::now();
  together(communicator_, "prepare the kernel", [&] {
    operation_ = kernel.prepare(problem_, backend_.target(), buffers_, backend_.stream());
    backend_.synchronize();
  });
  const std::chrono::duration<double> prepared = std::chrono::steady_clock::now() - before;
  prepare_seconds_ = communicator_.maximum(prepared.count());
  fill(Pass::timed);
}

void CollectiveRun::allocate(const CollectiveKernel& kernel) {
  const auto sets = std::size_t(sets_), locals = std::size_t(problem_.peers.local);
  const std::size_t in = input_bytes(problem_), out = output_bytes(problem_);
  const std::size_t in_storage = RotatedBuffer::stride_for(in) * sets;
  const std::size_t out_storage = problem_.in_place ? 0 : RotatedBuffer::stride_for(out) * sets;
  if (problem_.buffers == BufferKind::window) {
    std::vector<Target> targets;
    for (std::size_t local = 0; local < locals; ++local) targets.push_back(backend_.target(slot_of(local)));
    window_ = kernel.make_window(problem_, targets, in_storage + out_storage);
  }
  const auto storage = [&](std::size_t local, std::size_t offset, std::size_t bytes) {
    const int slot = slot_of(local);
    return window_ ? Buffer(nullptr, slot, window_->data(int(local)) + offset, bytes) : backend_.allocate(bytes, slot);
  };
  for (std::size_t local = 0; local < locals; ++local) {
    input_.emplace_back(backend_, in, sets_, storage(local, 0, in_storage));
    if (!problem_.in_place) output_.emplace_back(backend_, out, sets_, storage(local, in_storage, out_storage));
  }
  digests_.assign(locals, Digest().text());
  for (int set = 0; set < sets_; ++set) add_set(set);
}

void CollectiveRun::add_set(int set) {
  const CollectiveInfo& kind = info(problem_.operation);
  CollectiveBuffers buffers;
  buffers.window = window_.get();
  for (std::size_t local = 0; local < input_.size(); ++local) {
    auto* const in = static_cast<std::byte*>(input_[local].data(set));
    auto* const out = problem_.in_place ? in : static_cast<std::byte*>(output_[local].data(set));
    buffers.input.push_back(in + part_offset(problem_, kind.input_is_part, rank_of(local)));
    buffers.output.push_back(out + part_offset(problem_, kind.output_is_part, rank_of(local)));
    buffers.streams.push_back(backend_.stream(slot_of(local)));
  }
  buffers_.push_back(std::move(buffers));
}

// In place, all_reduce's output is the next launch's input, n times larger on every rank: a hundred launches overflow.
// Only zero stays: so ranks cancel in pairs (an odd one out has zeros), the first timed launch of a set sums to exactly
// 0 and all later ones sum zeros.  Their values are checked by the one launch more.
double CollectiveRun::cancelling_sum(int rank, std::int64_t index) const {
  if (rank == problem_.peers.ranks - 1 && problem_.peers.ranks % 2 != 0) return 0;
  const double value = collective_input(problem_, rank / 2, index, point_.seed);
  return rank % 2 == 0 ? value : 0 - value;
}

// In place, reduce_scatter's output takes the place of the rank's own summand: the others' must cancel in pairs (an odd
// one out has zeros), for the sum to stay what the rank has itself.
double CollectiveRun::cancelling_others(int rank, std::int64_t index) const {
  const int owner = int(index / problem_.part()), others = problem_.peers.ranks - 1;
  if (rank == owner) return collective_input(problem_, rank, index, point_.seed);
  const int place = rank - (rank > owner ? 1 : 0);
  if (place == others - 1 && others % 2 != 0) return 0;
  const double value = collective_input(problem_, place / 2, index, point_.seed);
  return place % 2 == 0 ? value : 0 - value;
}

double CollectiveRun::input(Pass pass, int rank, std::int64_t index) const {
  if (point_.data == Fill::zeros) return 0;
  if (pass == Pass::timed && problem_.in_place && problem_.operation == Collective::all_reduce)
    return cancelling_sum(rank, index);
  if (pass == Pass::timed && problem_.in_place && problem_.operation == Collective::reduce_scatter)
    return cancelling_others(rank, index);
  return collective_input(problem_, rank, index, point_.seed);
}

double CollectiveRun::expected(Pass pass, int rank, std::int64_t index) const {
  if (point_.data == Fill::zeros) return 0;
  if (pass == Pass::timed && problem_.in_place && problem_.operation == Collective::all_reduce) return 0;
  if (pass == Pass::timed && problem_.in_place && problem_.operation == Collective::reduce_scatter)
    return input(pass, rank, rank * problem_.part() + index);
  return collective_expected(problem_, rank, index, point_.seed);
}

/// Inputs as they have to be, everything else poisoned with NaN.
void CollectiveRun::fill(Pass pass) {
  const std::int64_t count = problem_.input_count();
  const bool rooted = problem_.operation == Collective::broadcast;
  for (RotatedBuffer& output : output_) output.fill(0xff);
  for (std::size_t local = 0; local < input_.size(); ++local) {
    const int rank = rank_of(local);
    std::vector<std::byte> host(input_bytes(problem_), std::byte{0xff});
    std::byte* const at = host.data() + part_offset(problem_, info(problem_.operation).input_is_part, rank);
    // Nobody may read another rank's input of a broadcast: it is poison.
    if (!rooted || rank == problem_.root) {
#pragma omp parallel for num_threads(available_threads())
      for (std::int64_t i = 0; i < count; ++i) store_element(problem_.dtype, at, i, input(pass, rank, i));
    }
    input_[local].copy_in(host.data());
  }
}

std::vector<std::byte> CollectiveRun::expected_output(Pass pass, int rank) const {
  std::vector<std::byte> host(output_bytes(problem_));
#pragma omp parallel for num_threads(available_threads())
  for (std::int64_t i = 0; i < problem_.output_count(); ++i)
    store_element(problem_.dtype, host.data(), i, expected(pass, rank, i));
  return host;
}

/// Two comparisons: what the timed launches left, then one more launch from known inputs into poisoned outputs, which a
/// kernel that was right only once, or whose output was never written again, does not survive.
Check CollectiveRun::check(const std::vector<std::int64_t>& launches) {
  Check check;
  together(communicator_, "check its outputs", [&] {
    for (int set = 0; set < sets_; ++set)
      if (launches[std::size_t(set)] > 0) compare_set(check, set, Pass::timed);
    fill(Pass::once_more);
  });
  launch(0);
  together(communicator_, "check its outputs", [&] {
    backend_.synchronize();
    compare_set(check, 0, Pass::once_more);
  });
  compare_digests(check);
  return check;
}

void CollectiveRun::compare_set(Check& check, int set, Pass pass) {
  std::vector<std::byte> expected;
  for (std::size_t local = 0; local < input_.size(); ++local) {
    const int rank = rank_of(local);
    if (local == 0 || !info(problem_.operation).outputs_agree) expected = expected_output(pass, rank);
    const RotatedBuffer& buffer = problem_.in_place ? input_[local] : output_[local];
    std::vector<std::byte> got(buffer.bytes());
    buffer.copy_out(set, got.data());
    const std::byte* const output = got.data() + part_offset(problem_, info(problem_.operation).output_is_part, rank);
    compare_elements(check, output, expected, rank, set, pass);
    Digest digest(digests_[local]);
    digest.add(output, expected.size());
    digests_[local] = digest.text();
    if (!buffer.guards_intact(set))
      check.fail_outside(fmt::format("memory after the output of rank {} (set {}) was overwritten", rank, set));
  }
}

// Every element, with no tolerance.  Bytes that are equal need no conversion; only pieces that differ are looked at
// element by element.
void CollectiveRun::compare_elements(Check& check, const std::byte* got, const std::vector<std::byte>& expected,
                                     int rank, int set, Pass pass) const {
  constexpr std::int64_t kPiece = 4096;
  const std::size_t size = size_bytes(problem_.dtype);
  for (std::int64_t first = 0; first < problem_.output_count(); first += kPiece) {
    const std::int64_t end = std::min(first + kPiece, problem_.output_count());
    const bool equal = std::memcmp(got + std::size_t(first) * size, &expected[std::size_t(first) * size],
                                   std::size_t(end - first) * size) == 0;
    if (equal && check.elements > 0) {  // the first of all goes the long way, so that there is a worst element to name
      check.elements += end - first;
      continue;
    }
    for (std::int64_t i = first; i < end; ++i)
      check.compare(load_element(problem_.dtype, got, i), load_element(problem_.dtype, expected.data(), i), 0, [&] {
        return fmt::format("output of rank {}, element {}, set {}, {}", rank, i, set, when(pass == Pass::timed));
      });
  }
}

/// A digest of every rank's outputs; where they have to be the same bytes, of all ranks and processes, they must agree.
/// Where an element is wrong already, that says more.
void CollectiveRun::compare_digests(Check& check) {
  check.digest = fmt::format("{}", fmt::join(digests_, ","));
  if (!info(problem_.operation).outputs_agree || communicator_.maximum(double(check.wrong)) > 0) return;
  const std::vector<std::string> all = communicator_.gather(check.digest);
  const std::string& first = digests_.front();
  for (std::size_t local = 0; local < digests_.size(); ++local)
    if (digests_[local] != first)
      check.fail_outside(fmt::format("the outputs of rank {} are other bytes than rank {}'s (digests {} and {})",
                                     rank_of(local), rank_of(0), digests_[local], first));
  for (std::size_t process = 0; process < all.size() && problem_.peers.local == 1; ++process)
    if (all[process] != all.front())
      check.fail_outside(fmt::format("the outputs of rank {} are other bytes than rank 0's (digests {} and {})",
                                     process, all[process], all.front()));
}

/// What the kernel says last, so that launches it makes for it disturb neither times nor checks.
std::vector<Detail> CollectiveRun::details() {
  std::vector<Detail> out = {{"prepare_seconds", prepare_seconds_, {}}};
  together(communicator_, "tell its details", [&] {
    for (Detail& one : operation_->details(buffers_.front(), backend_.stream())) out.push_back(std::move(one));
    backend_.synchronize();
  });
  return out;
}

}  // namespace assay
