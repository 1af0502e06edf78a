#include "harness/workloads/all_reduce.h"

#include <algorithm>
#include <cstring>
#include <exception>

#include <fmt/format.h>

#include "harness/core/error.h"
#include "harness/workloads/kernel_rows.h"
#include "harness/workloads/rotated_buffer.h"

namespace assay {
namespace {

constexpr int kMostRanks = 256;  // all_reduce_input() is exact up to here
constexpr int kThreadRanks = 2;  // `ranks=0` in one process on a CPU: the least that communicates

/// `offered`: processes of the launcher, or GPUs.
int ranks_of(const Case& point, int offered) {
  const auto asked = int(point.number("ranks"));
  if (asked > 0) return asked;
  if (point.device == Device::gpu) return std::max(offered, 1);
  return offered > 1 ? offered : kThreadRanks;
}

void resolve(Case& point, int offered) {
  for (CaseAxis& axis : point.axes)
    if (axis.name == "ranks") axis.value = std::int64_t(ranks_of(point, offered));
}

AllReduceProblem problem_of(const Case& point, const AllReducePeers& peers) {
  AllReduceProblem problem;
  problem.count = point.number("bytes") / std::int64_t(size_bytes(point.dtype));
  problem.dtype = point.dtype;
  problem.in_place = point.word("placement") == "in_place";
  problem.peers = peers;
  return problem;
}

AllReducePeers peers_of(int ranks, const Communicator& communicator) {
  AllReducePeers peers;
  peers.ranks = ranks;
  peers.local = ranks;
  if (communicator.size() > 1) {
    peers.mpi = true;
    peers.first_local = communicator.rank();
    peers.local = 1;
    peers.one_host = communicator.one_host();
    peers.shared_name = communicator.group_name();
  }
  return peers;
}

std::string validate(const Case& point) {
  const std::int64_t bytes = point.number("bytes"), size = std::int64_t(size_bytes(point.dtype));
  if (bytes % size != 0)
    return fmt::format("bytes={} is not a multiple of {}, the size of {}", bytes, size, name(point.dtype));
  return {};
}

// On a CPU all ranks share caches and memory, so a set is all of theirs; a GPU holds its own rank's alone.
std::size_t set_bytes_for(const Case& point, int ranks) {
  const std::size_t one = RotatedBuffer::stride_for(std::size_t(point.number("bytes")));
  const std::size_t buffers = point.word("placement") == "in_place" ? 1 : 2;
  return one * buffers * std::size_t(point.device == Device::cpu ? ranks : 1);
}

Work work_of(const Case& point, int offered) {
  AllReducePeers peers;
  peers.ranks = ranks_of(point, offered);
  Work work;
  work.bytes = double(point.number("bytes"));
  work.bus_factor = problem_of(point, peers).bus_factor();
  work.convention =
      "bytes = message of one rank (S); algbw = S / t, busbw = algbw * 2 (n - 1) / n for n ranks, as nccl-tests; "
      "inputs are integers whose sum is exact";
  return work;
}

Support supports(const std::vector<AllReduceKernel>& kernels, const Case& point, const Target& target,
                 const Communicator& communicator) {
  const AllReduceKernel* kernel = find_row(kernels, point.kernel);
  if (!kernel) return Support::no("no kernel " + point.kernel + " in this build");
  if (kernel->device != target.device)
    return Support::no(
        fmt::format("{} runs on a {}, not on a {}", point.kernel, name(kernel->device), name(target.device)));
  if (std::find(kernel->dtypes.begin(), kernel->dtypes.end(), point.dtype) == kernel->dtypes.end())
    return Support::no(point.kernel + " has no " + name(point.dtype));
  const std::int64_t asked = point.number("ranks");
  if (communicator.size() > 1 && asked > 0 && asked != communicator.size())
    return Support::no(fmt::format("ranks={}, but the launcher started {} processes", asked, communicator.size()));
  if (communicator.size() > kMostRanks) return Support::no(fmt::format("checks at most {} ranks", kMostRanks));
  const int gpus = target.device == Device::gpu ? probe_gpus().count : 0;
  if (target.device == Device::gpu && asked > gpus)
    return Support::no(fmt::format("ranks={}, but there are {} GPUs", asked, gpus));
  const int offered = target.device == Device::gpu ? gpus : communicator.size();
  return kernel->supports(problem_of(point, peers_of(ranks_of(point, offered), communicator)), target);
}

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

class AllReduceWorkload final : public Workload {
 public:
  AllReduceWorkload(const Case& point, const WorkloadContext& context, const AllReduceKernel& kernel)
      : point_(point),
        backend_(context.backend),
        ranks_(ranks_of(point, point.device == Device::gpu ? backend_.slots() : context.communicator.size())),
        problem_(problem_of(point, peers_of(ranks_, context.communicator))) {
    Communicator& communicator = context.communicator;
    together(communicator, "allocate its buffers", [&] { allocate(); });
    // Processes see the same caches but not the same free memory: all take what the first one takes.
    const double sets = communicator.maximum(sets_);
    if (sets != sets_)
      throw MeasureError(fmt::format("processes disagree on the number of buffer sets ({} and {})", sets_, sets));
    together(communicator, "prepare the kernel", [&] {
      operation_ = kernel.prepare(problem_, backend_.target(), buffers_, backend_.stream());
      backend_.synchronize();
    });
    if (problem_.in_place)
      fill_inputs(output_, &AllReduceWorkload::cancelling_input);
    else
      for (RotatedBuffer& output : output_) output.fill(0xff);
  }

  Work work() const override { return work_of(point_, ranks_); }
  int sets() const override { return sets_; }
  void launch(int set) override { operation_->launch(buffers_[std::size_t(set)], backend_.stream()); }
  bool probe_placement() const override { return point_.device == Device::cpu && ranks_ > 1; }
  bool own_threads() const override { return true; }  // a thread or a process is a rank
  std::string description() const override { return operation_->description(); }

  /// Two comparisons: what the timed launches left, then one more launch from known inputs into poisoned outputs, which
  /// a kernel that was right only once, or whose output was never written again, does not survive.
  Check check(const std::vector<std::int64_t>& launches) override {
    const std::vector<std::byte> sums = expected_sums();
    const std::vector<std::byte> zeros(problem_.in_place ? sums.size() : 0);
    Check check;
    for (int set = 0; set < sets_; ++set)
      if (launches[std::size_t(set)] > 0) compare_set(check, set, problem_.in_place ? zeros : sums, "timed");
    if (problem_.in_place)
      fill_inputs(output_, &AllReduceWorkload::input);
    else
      for (RotatedBuffer& output : output_) output.fill(0xff);
    launch(0);
    backend_.synchronize();
    compare_set(check, 0, sums, "launched once more");
    return check;
  }

 private:
  using Input = double (AllReduceWorkload::*)(int rank, std::int64_t index) const;

  double input(int rank, std::int64_t index) const {
    return point_.data == Fill::zeros ? 0 : all_reduce_input(rank, ranks_, index, point_.seed);
  }

  // In place, a launch's output is the next one's input, n times larger on every rank: a hundred launches overflow.
  // Only zero stays: so ranks cancel in pairs (an odd one out has zeros), the first timed launch of a set sums to
  // exactly 0 and all later ones sum zeros.  Their values are checked by the one launch more.
  double cancelling_input(int rank, std::int64_t index) const {
    if (rank == ranks_ - 1 && ranks_ % 2 != 0) return 0;
    const double value = input(rank / 2, index);
    return rank % 2 == 0 ? value : 0 - value;
  }

  int local_slot(int local) const { return point_.device == Device::gpu ? local : 0; }

  void allocate() {
    if (point_.device == Device::gpu && ranks_ > backend_.slots())
      throw MeasureError(fmt::format("ranks={}, but there are {} GPUs", ranks_, backend_.slots()));
    const auto bytes = std::size_t(problem_.bytes());
    sets_ = rotation_sets(point_, set_bytes_for(point_, ranks_), backend_);
    for (int local = 0; local < problem_.peers.local; ++local) {
      output_.emplace_back(backend_, bytes, sets_, local_slot(local));
      if (!problem_.in_place) input_.emplace_back(backend_, bytes, sets_, local_slot(local));
    }
    fill_inputs(problem_.in_place ? output_ : input_, &AllReduceWorkload::input);
    for (int set = 0; set < sets_; ++set) {
      AllReduceBuffers buffers;
      for (std::size_t local = 0; local < output_.size(); ++local) {
        buffers.output.push_back(output_[local].data(set));
        buffers.input.push_back(problem_.in_place ? output_[local].data(set) : input_[local].data(set));
        buffers.streams.push_back(backend_.stream(local_slot(int(local))));
      }
      buffers_.push_back(std::move(buffers));
    }
  }

  template <class Value>
  std::vector<std::byte> tensor(const Value& value) const {
    std::vector<std::byte> host(std::size_t(problem_.bytes()));
#pragma omp parallel for num_threads(available_threads())
    for (std::int64_t i = 0; i < problem_.count; ++i) store_element(problem_.dtype, host.data(), i, value(i));
    return host;
  }

  void fill_inputs(std::vector<RotatedBuffer>& buffers, Input value) {
    for (std::size_t local = 0; local < buffers.size(); ++local) {
      const int rank = problem_.peers.first_local + int(local);
      buffers[local].copy_in(tensor([&](std::int64_t i) { return (this->*value)(rank, i); }).data());
    }
  }

  std::vector<std::byte> expected_sums() const {
    return tensor(
        [&](std::int64_t i) { return point_.data == Fill::zeros ? 0 : all_reduce_expected(ranks_, i, point_.seed); });
  }

  void compare_set(Check& check, int set, const std::vector<std::byte>& expected, const char* when) const {
    std::vector<std::byte> got(expected.size());
    for (std::size_t local = 0; local < output_.size(); ++local) {
      const int rank = problem_.peers.first_local + int(local);
      output_[local].copy_out(set, got.data());
      compare_elements(check, got, expected, [&](std::int64_t i) {
        return fmt::format("output of rank {}, element {}, set {}, {}", rank, i, set, when);
      });
      check.include_digest(got.data(), got.size());
      if (!output_[local].guards_intact(set))
        check.fail_outside(fmt::format("memory after the output of rank {} (set {}) was overwritten", rank, set));
    }
  }

  // Every element, with no tolerance.  Bytes that are equal need no conversion; only pieces that differ are looked at
  // element by element.
  template <class Where>
  void compare_elements(Check& check, const std::vector<std::byte>& got, const std::vector<std::byte>& expected,
                        const Where& where) const {
    constexpr std::int64_t kPiece = 4096;
    const std::size_t size = size_bytes(problem_.dtype);
    for (std::int64_t first = 0; first < problem_.count; first += kPiece) {
      const std::int64_t end = std::min(first + kPiece, problem_.count);
      std::int64_t i = first;
      if (std::memcmp(&got[std::size_t(first) * size], &expected[std::size_t(first) * size],
                      std::size_t(end - first) * size) == 0) {
        if (check.elements > 0) {  // the first of all goes the long way, so that the check has a worst element to name
          check.elements += end - first;
          continue;
        }
      }
      for (; i < end; ++i)
        check.compare(load_element(problem_.dtype, got.data(), i), load_element(problem_.dtype, expected.data(), i), 0,
                      [&] { return where(i); });
    }
  }

  Case point_;
  Backend& backend_;
  int ranks_;
  AllReduceProblem problem_;
  int sets_ = 1;
  std::vector<RotatedBuffer> input_, output_;  // per local rank; in place, output alone
  std::vector<AllReduceBuffers> buffers_;      // per set
  std::unique_ptr<AllReduceOperation> operation_;
};

}  // namespace

WorkloadKind all_reduce_workload(const std::vector<AllReduceKernel>& kernels) {
  WorkloadKind kind;
  kind.name = "all_reduce";
  kind.meaning = "sum over ranks, in every rank (threads, MPI processes or GPUs of a node)";
  kind.axes = {
      {"bytes", "message of one rank, bytes", {}, 1, std::int64_t(1) << 40, std::nullopt},
      {"ranks",
       "0: all processes of the MPI launcher, all GPUs, or 2 threads",
       {},
       0,
       kMostRanks,
       AxisValue(std::int64_t(0))},
      {"placement",
       "in_place: the output overwrites the input",
       {"out_of_place", "in_place"},
       0,
       0,
       AxisValue("out_of_place")},
  };
  kind.kernels = kernel_specs(kernels);
  kind.validate = validate;
  kind.resolve = resolve;
  kind.set_bytes = [](const Case& point) { return set_bytes_for(point, ranks_of(point, 0)); };
  kind.work = work_of;
  kind.supports = [&kernels](const Case& point, const Target& target, const Communicator& communicator) {
    return supports(kernels, point, target, communicator);
  };
  kind.make = [&kernels](const Case& point, WorkloadContext& context) -> std::unique_ptr<Workload> {
    return std::make_unique<AllReduceWorkload>(point, context, kernel_named(kernels, point.kernel));
  };
  return kind;
}

}  // namespace assay
