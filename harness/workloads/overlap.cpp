#include "harness/workloads/overlap.h"

#include <algorithm>
#include <exception>

#include <fmt/format.h>

#include "harness/backends/side_thread.h"
#include "harness/core/error.h"
#include "harness/workloads/collective_problem.h"
#include "harness/workloads/second_stream.h"

namespace assay {
namespace {

enum class Part { both, gemm, all_reduce };
constexpr const char* kParts[] = {"both", "gemm", "all_reduce"};

Part part_of(const Case& point) {
  return Part(std::find(std::begin(kParts), std::end(kParts), point.word("part")) - std::begin(kParts));
}

/// Pairs worth a row, ours first; those count of which this build has both.
struct KernelPair {
  const char* gemm;
  const char* all_reduce;
};
constexpr KernelPair kPairs[] = {{"cpu_blocked", "shm_ring"},
                                 {"onednn", "openmpi"},
                                 {"mma_sm80", "nccl"},
                                 {"wgmma_sm90", "nccl"},
                                 {"cublaslt_tuned", "nccl"}};

std::string name_of(const KernelPair& pair) { return fmt::format("{}+{}", pair.gemm, pair.all_reduce); }

std::vector<KernelSpec> pairs_of(const WorkloadKind& gemm, const WorkloadKind& all_reduce) {
  std::vector<KernelSpec> out;
  for (const KernelPair& pair : kPairs) {
    const KernelSpec* first = find_kernel(gemm, pair.gemm);
    const KernelSpec* second = find_kernel(all_reduce, pair.all_reduce);
    if (!first || !second) continue;
    KernelSpec both{name_of(pair), first->device, first->vendor, {}};
    for (const DType dtype : first->dtypes)
      if (std::find(second->dtypes.begin(), second->dtypes.end(), dtype) != second->dtypes.end())
        both.dtypes.push_back(dtype);
    if (!both.dtypes.empty()) out.push_back(std::move(both));
  }
  return out;
}

/// The case of one of the two workloads: its kernel, its axes.
Case part_case(const Case& point, const WorkloadKind& kind, bool first) {
  Case out = point;
  const std::size_t plus = point.kernel.find('+');
  out.workload = kind.name;
  out.kernel = first ? point.kernel.substr(0, plus) : point.kernel.substr(plus + 1);
  out.axes.clear();
  for (const CaseAxis& axis : point.axes)
    for (const AxisSpec& spec : kind.axes)
      if (spec.name == axis.name) out.axes.push_back(axis);
  if (!first) out.axes.push_back({"placement", std::string("out_of_place")});
  return out;
}

Work work_of(const WorkloadKind& gemm, const WorkloadKind& all_reduce, const Case& point, int ranks) {
  const Part part = part_of(point);
  const Work product = gemm.work(part_case(point, gemm, true), 1);
  Work work = all_reduce.work(part_case(point, all_reduce, false), ranks);
  if (part == Part::gemm) work = {};
  if (part != Part::all_reduce) work.flops = product.flops;
  work.convention =
      "flops = 2 m n k of one process or GPU; bytes = message of one rank; both over the time in which all that runs "
      "is "
      "done";
  return work;
}

/// Launches of `sets` that are used in turn, of what was launched on others.
std::vector<std::int64_t> folded(const std::vector<std::int64_t>& launches, int sets) {
  std::vector<std::int64_t> out(std::size_t(sets), 0);
  for (std::size_t set = 0; set < launches.size(); ++set) out[set % out.size()] += launches[set];
  return out;
}

/// Elements add up, the worse one's worst stays.
Check joined(const Check& first, const Check& second) {
  if (first.elements == 0 || second.elements == 0) return Check();  // nothing compared is nothing known
  Check out = second.error_over_allowed <= first.error_over_allowed ? first : second;
  out.elements = first.elements + second.elements;
  out.wrong = first.wrong + second.wrong;
  out.outside = first.outside.empty() ? second.outside : first.outside;
  out.digest = first.digest + "," + second.digest;
  return out;
}

class OverlapRun final : public Workload {
 public:
  OverlapRun(const Case& point, WorkloadContext& context, const WorkloadKind& gemm, const WorkloadKind& all_reduce)
      : backend_(context.backend), on_gpu_(point.device == Device::gpu) {
    const int ranks = context.communicator.size() * backend_.slots();
    work_ = work_of(gemm, all_reduce, point, ranks);
    // The collective first: all processes make it together, and what then fails on one alone is agreed upon outside.
    if (part_of(point) != Part::gemm) reduce_ = all_reduce.make(part_case(point, all_reduce, false), context);
    if (part_of(point) == Part::all_reduce) return;
    for (int slot = 0; slot < backend_.slots(); ++slot) {
      if (on_gpu_) second_.push_back(std::make_unique<SecondStream>(backend_, slot));
      contexts_.push_back({on_gpu_ ? *second_.back() : backend_, *alone_});
    }
    for (WorkloadContext& own : contexts_) gemms_.push_back(gemm.make(part_case(point, gemm, true), own));
    backend_.synchronize();
    if (!on_gpu_) side_ = std::make_unique<SideThread>();
  }

  Work work() const override { return work_; }

  int sets() const override {
    int most = reduce_ ? reduce_->sets() : 1;
    for (const auto& gemm : gemms_) most = std::max(most, gemm->sets());
    return most;
  }

  void launch(int set) override {
    if (!side_) return launch_here(set);
    side_->start([this, set] {
      backend_.settle();  // the OpenMP team of this thread is its own
      launch_gemms(set);
    });
    std::exception_ptr error;
    try {
      if (reduce_) reduce_->launch(set % reduce_->sets());
    } catch (...) {
      error = std::current_exception();
    }
    side_->wait();
    if (error) std::rethrow_exception(error);
  }

  Check check(const std::vector<std::int64_t>& launches) override {
    std::vector<Check> checks;
    if (reduce_) checks.push_back(reduce_->check(folded(launches, reduce_->sets())));
    for (const auto& gemm : gemms_) checks.push_back(gemm->check(folded(launches, gemm->sets())));
    Check out = checks.front();
    for (std::size_t i = 1; i < checks.size(); ++i) out = joined(out, checks[i]);
    return out;
  }

  bool probe_placement() const override {
    return !on_gpu_ && (backend_.target().threads > 1 || (reduce_ && reduce_->probe_placement()));
  }
  /// All parts alike, so that they are measured in turns: the product readies its threads itself.
  bool own_threads() const override { return true; }

  std::string description() const override {
    std::string text = gemms_.empty() ? "" : gemms_.front()->description();
    if (reduce_ && !reduce_->description().empty()) text += (text.empty() ? "" : "; ") + reduce_->description();
    return text;
  }

 private:
  void launch_gemms(int set) {
    for (const auto& gemm : gemms_) gemm->launch(set % gemm->sets());
  }

  /// On GPUs nothing waits; on a CPU there is no product here.
  void launch_here(int set) {
    launch_gemms(set);
    if (reduce_) reduce_->launch(set % reduce_->sets());
  }

  Backend& backend_;
  const bool on_gpu_;
  Work work_;
  const std::unique_ptr<Communicator> alone_ = make_single_communicator();
  std::vector<std::unique_ptr<SecondStream>> second_;
  std::vector<WorkloadContext> contexts_;  // of each product
  std::unique_ptr<Workload> reduce_;
  std::vector<std::unique_ptr<Workload>> gemms_;  // one for each slot
  std::unique_ptr<SideThread> side_;
};

Support supports(const WorkloadKind& gemm, const WorkloadKind& all_reduce, const Case& point, const Target& target,
                 const Communicator& communicator) {
  const Support reduces = all_reduce.supports(part_case(point, all_reduce, false), target, communicator);
  if (!reduces.ok()) return reduces;
  return gemm.supports(part_case(point, gemm, true), target, *make_single_communicator());
}

std::vector<AxisSpec> axes() {
  constexpr std::int64_t kLargest = std::int64_t(1) << 40;
  const AxisValue automatic = std::int64_t(0);
  return {
      {"layout", "operand layouts of the product, BLAS letters", {"tn", "nn", "nt"}, 0, 0, AxisValue("tn")},
      {"m", "rows of d", {}, 1, kLargest, std::nullopt},
      {"n", "columns of d", {}, 1, kLargest, std::nullopt},
      {"k", "length of the dot products", {}, 1, kLargest, std::nullopt},
      {"bytes", "message of one rank", {}, 1, kLargest, std::nullopt},
      {"ranks", "0: all processes of the MPI launcher, all GPUs, or 2 threads", {}, 0, kMostCollectiveRanks, automatic},
      {"part", "both at once, or one alone", {std::begin(kParts), std::end(kParts)}, 0, 0, AxisValue("both")},
  };
}

}  // namespace

WorkloadKind overlap_workload(const WorkloadKind& gemm, const WorkloadKind& all_reduce) {
  WorkloadKind kind;
  kind.name = "overlap";
  kind.meaning = "a matrix product and an all-reduce at once, and each alone: what they cost each other";
  kind.axes = axes();
  kind.kernels = pairs_of(gemm, all_reduce);
  kind.validate = [&](const Case& point) -> std::string {
    if (point.word("layout") == "nt") return "layout nt adds into d, and so is another product in every launch";
    const std::string product = gemm.validate(part_case(point, gemm, true));
    return product.empty() ? all_reduce.validate(part_case(point, all_reduce, false)) : product;
  };
  kind.resolve = [](Case& point, int offered) {
    for (CaseAxis& axis : point.axes)
      if (axis.name == "ranks") axis.value = std::int64_t(collective_ranks(point, offered));
  };
  kind.set_bytes = [&](const Case& point) {
    return gemm.set_bytes(part_case(point, gemm, true)) + all_reduce.set_bytes(part_case(point, all_reduce, false));
  };
  kind.work = [&](const Case& point, int ranks) { return work_of(gemm, all_reduce, point, ranks); };
  kind.supports = [&](const Case& point, const Target& target, const Communicator& communicator) {
    return supports(gemm, all_reduce, point, target, communicator);
  };
  kind.make = [&](const Case& point, WorkloadContext& context) -> std::unique_ptr<Workload> {
    return std::make_unique<OverlapRun>(point, context, gemm, all_reduce);
  };
  return kind;
}

}  // namespace assay
