// Grouped GEMM on the CPU: each group is one of the CPU GEMM (kernels/gemm/cpu/blocked.h), and the threads are spread
// over groups or over the slices of one, as group_schedule.h says.
#include <algorithm>
#include <map>

#include "kernels/grouped_gemm/cpu_kernels.h"
#include "kernels/grouped_gemm/gemm_loop.h"
#include "kernels/grouped_gemm/group_schedule.h"

namespace assay {
namespace {

class CpuGroupedGemm final : public GroupedGemmOperation {
 public:
  CpuGroupedGemm(const GemmKernel& kernel, const GroupedGemmProblem& problem, const Target& target,
                 const std::vector<GroupedGemmBuffers>& sets)
      : problem_(problem), first_rows_(problem.first_rows()), threads_(std::max(target.threads, 1)) {
    std::vector<double> work;
    for (const std::int64_t rows : problem.rows) work.push_back(double(rows));
    schedule_ = schedule_groups(work, threads_);
    for (const int group : schedule_.together) add_operation(kernel, kEveryThread, group, target, sets);
    for (int thread = 0; thread < threads_; ++thread)
      for (const int group : schedule_.alone[std::size_t(thread)]) add_operation(kernel, thread, group, target, sets);
  }

  void launch(const GroupedGemmBuffers& buffers, Stream) override {
    for (const int group : schedule_.together) launch_group(kEveryThread, group, buffers);
#pragma omp parallel for num_threads(threads_) schedule(static, 1)
    for (int thread = 0; thread < threads_; ++thread)
      for (const int group : schedule_.alone[std::size_t(thread)]) launch_group(thread, group, buffers);
  }

  std::string description() const override {
    std::size_t alone = 0;
    for (const auto& groups : schedule_.alone) alone += groups.size();
    return std::to_string(schedule_.together.size()) + " groups cut across " + std::to_string(threads_) + " threads, " +
           std::to_string(alone) + " by one thread each";
  }

 private:
  static constexpr int kEveryThread = -1;
  /// A prepared GEMM has the memory it packs into, so threads cannot share one; groups of the same size can.
  struct Owner {
    int thread;
    std::int64_t rows;
    auto operator<=>(const Owner&) const = default;
  };

  std::int64_t rows_of(int group) const { return problem_.rows[std::size_t(group)]; }
  GemmBuffers group_buffers(const GroupedGemmBuffers& buffers, int group) const {
    return buffers_of_group(problem_, buffers, group, first_rows_[std::size_t(group)]);
  }

  void add_operation(const GemmKernel& kernel, int thread, int group, Target target,
                     const std::vector<GroupedGemmBuffers>& sets) {
    auto& operation = operations_[{thread, rows_of(group)}];
    if (operation) return;
    if (thread != kEveryThread) target.threads = 1;
    operation =
        kernel.prepare(problem_.gemm_of_rows(rows_of(group)), target, {group_buffers(sets.front(), group)}, nullptr);
  }

  void launch_group(int thread, int group, const GroupedGemmBuffers& buffers) const {
    operations_.at({thread, rows_of(group)})->launch(group_buffers(buffers, group), nullptr);
  }

  GroupedGemmProblem problem_;
  std::vector<std::int64_t> first_rows_;
  int threads_;
  GroupSchedule schedule_;
  std::map<Owner, std::unique_ptr<GemmOperation>> operations_;
};

}  // namespace

GroupedGemmKernel cpu_blocked_grouped_gemm() {
  return cpu_blocked_grouped_gemm(*gemm_kernel_named("cpu_blocked"));  // in every build
}

GroupedGemmKernel cpu_blocked_grouped_gemm(const GemmKernel& gemm) {
  GroupedGemmKernel row;
  row.name = gemm.name;
  row.dtypes = gemm.dtypes;
  row.supports = [&gemm](const GroupedGemmProblem& problem, const Target& target) {
    return supports_every_group(gemm, problem, target);
  };
  row.prepare = [&gemm](const GroupedGemmProblem& problem, const Target& target,
                        const std::vector<GroupedGemmBuffers>& sets,
                        Stream) { return std::make_unique<CpuGroupedGemm>(gemm, problem, target, sets); };
  return row;
}

void append_cpu_gemm_loops(std::vector<GroupedGemmKernel>& rows) {
  for (const char* library : {"openblas", "onednn"})
    if (const GemmKernel* gemm = gemm_kernel_named(library))
      rows.push_back(gemm_loop_row(library + std::string("_loop"), *gemm));
}

}  // namespace assay
