#include "kernels/grouped_gemm/gemm_loop.h"

#include <algorithm>
#include <map>

namespace assay {
namespace {

/// One prepared GEMM for each distinct number of rows, and the order of launches.
class GemmLoop final : public GroupedGemmOperation {
 public:
  GemmLoop(const GemmKernel& kernel, const GroupedGemmProblem& problem, const Target& target,
           const std::vector<GroupedGemmBuffers>& sets, Stream stream)
      : problem_(problem), first_rows_(problem.first_rows()) {
    for (const std::int64_t rows : problem.rows)
      if (rows > 0 && !operations_.count(rows))
        operations_[rows] =
            kernel.prepare(problem.gemm_of_rows(rows), target, buffers_of_equal_groups(rows, sets), stream);
  }

  void launch(const GroupedGemmBuffers& buffers, Stream stream) override {
    for (int g = 0; g < problem_.groups(); ++g)
      if (const std::int64_t rows = problem_.rows[std::size_t(g)]; rows > 0)
        operations_.at(rows)->launch(group_buffers(buffers, g), stream);
  }

  std::string description() const override {
    if (operations_.empty()) return {};
    const std::string largest = operations_.rbegin()->second->description();
    if (largest.empty()) return {};
    return largest + (operations_.size() > 1
                          ? " (largest group; " + std::to_string(operations_.size()) + " distinct sizes)"
                          : "");
  }

 private:
  GemmBuffers group_buffers(const GroupedGemmBuffers& buffers, int group) const {
    return buffers_of_group(problem_, buffers, group, first_rows_[std::size_t(group)]);
  }

  /// Every group of that size in every set: a library may tune on them, and must not count on more alignment than all
  /// of them have.
  std::vector<GemmBuffers> buffers_of_equal_groups(std::int64_t rows,
                                                   const std::vector<GroupedGemmBuffers>& sets) const {
    std::vector<GemmBuffers> all;
    for (const GroupedGemmBuffers& set : sets)
      for (int g = 0; g < problem_.groups(); ++g)
        if (problem_.rows[std::size_t(g)] == rows) all.push_back(group_buffers(set, g));
    return all;
  }

  GroupedGemmProblem problem_;
  std::vector<std::int64_t> first_rows_;
  std::map<std::int64_t, std::unique_ptr<GemmOperation>> operations_;  // by rows
};

}  // namespace

const GemmKernel* gemm_kernel_named(const std::string& name) {
  const auto& kernels = gemm_kernels();
  const auto found = std::find_if(kernels.begin(), kernels.end(), [&](const GemmKernel& k) { return k.name == name; });
  return found == kernels.end() ? nullptr : &*found;
}

Support supports_every_group(const GemmKernel& kernel, const GroupedGemmProblem& problem, const Target& target) {
  for (const std::int64_t rows : problem.rows)
    if (rows > 0)
      if (Support support = kernel.supports(problem.gemm_of_rows(rows), target); !support.ok()) return support;
  return Support::yes();
}

GroupedGemmKernel gemm_loop_row(std::string name, const GemmKernel& kernel) {
  GroupedGemmKernel row;
  row.name = std::move(name);
  row.device = kernel.device;
  row.vendor = kernel.vendor;
  row.dtypes = kernel.dtypes;
  row.supports = [&kernel](const GroupedGemmProblem& problem, const Target& target) {
    return supports_every_group(kernel, problem, target);
  };
  row.prepare = [&kernel](const GroupedGemmProblem& problem, const Target& target,
                          const std::vector<GroupedGemmBuffers>& sets,
                          Stream stream) { return std::make_unique<GemmLoop>(kernel, problem, target, sets, stream); };
  return row;
}

}  // namespace assay
