// The vendor's GEMM as two rows of the table: what its heuristic picks, and the best of what it proposes.
#include <algorithm>
#include <exception>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>

#include "kernels/common/launch_tuning.h"
#include "kernels/gemm/cuda/kernel_rows.h"
#include "kernels/gemm/vendor/cublaslt_matmul.h"

namespace assay {
namespace {

constexpr int kProposals = 16;  // asked for; the heuristic may return fewer

/// An algorithm and the description it was proposed for.
struct Proposal {
  const CublasLtMatmul* matmul;
  cublasLtMatmulAlgo_t algorithm;
  void launch(const GemmBuffers& buffers, Stream stream) const { matmul->launch(algorithm, buffers, stream); }
};

/// The proposals that run, each launched once (which loads its code): the library refuses some of its own.
std::vector<Proposal> runnable(const std::vector<Proposal>& proposals, const GemmBuffers& buffers, Stream stream) {
  std::vector<Proposal> out;
  std::exception_ptr refusal;
  for (const Proposal& proposal : proposals) {
    try {
      proposal.launch(buffers, stream);
      out.push_back(proposal);
    } catch (const std::runtime_error&) {
      refusal = std::current_exception();
    }
  }
  if (out.empty()) std::rethrow_exception(refusal);
  return out;
}

/// What the heuristic proposes for each description; the last refusal where it has nothing for any.
std::vector<Proposal> proposals(const std::vector<std::unique_ptr<CublasLtMatmul>>& matmuls, int count) {
  std::vector<Proposal> out;
  std::exception_ptr refusal;
  for (const auto& matmul : matmuls) {
    try {
      for (const auto& algorithm : matmul->heuristics(count)) out.push_back({matmul.get(), algorithm});
    } catch (const Unsupported&) {
      refusal = std::current_exception();
    }
  }
  if (out.empty()) std::rethrow_exception(refusal);
  return out;
}

/// Times every proposal on the real buffers, with the real beta.
LaunchChoice tune(const std::vector<Proposal>& all, const std::vector<GemmBuffers>& sets, Stream stream) {
  return choose_fastest(
      all.size(), [&](std::size_t proposal, std::size_t i) { all[proposal].launch(sets[i % sets.size()], stream); },
      stream);
}

/// Whether all products may be summed in the tensor core's own few bits: the fastest cuBLASLt has, and what frameworks
/// use in the forward pass.
bool has_fast_accumulation(const GemmProblem& problem, const Target& target) {
  return problem.scaling == GemmScaling::tensor && target.compute_capability < 100;
}

class CublasLtOperation final : public GemmOperation {
 public:
  CublasLtOperation(const CublasLtLibrary& lt, const GemmProblem& problem, const Target& target,
                    const std::vector<GemmBuffers>& sets, Stream stream, bool tuned) {
    const bool fast = has_fast_accumulation(problem, target);
    matmuls_.push_back(std::make_unique<CublasLtMatmul>(lt, problem, sets, fast));
    if (fast && tuned) matmuls_.push_back(std::make_unique<CublasLtMatmul>(lt, problem, sets, false));
    const auto all = runnable(proposals(matmuls_, tuned ? kProposals : 1), sets.front(), stream);
    const LaunchChoice choice = tuned ? tune(all, sets, stream) : LaunchChoice{};
    chosen_ = all[choice.index];
    description_ = chosen_.matmul->describe(chosen_.algorithm);
    if (tuned) description_ += describe_choice(choice, all.size());
  }
  void launch(const GemmBuffers& buffers, Stream stream) override { chosen_.launch(buffers, stream); }
  std::string description() const override { return description_; }

 private:
  std::vector<std::unique_ptr<CublasLtMatmul>> matmuls_;
  Proposal chosen_{};
  std::string description_;
};

/// What scale factors need: of the GPU, and of the library (its version as it numbers itself).
struct ScalingNeeds {
  GemmScaling scaling;
  int compute_capability;
  std::size_t version;
};
constexpr ScalingNeeds kScalingNeeds[] = {
    {GemmScaling::none, 0, 0},      {GemmScaling::tensor, 89, 0},   {GemmScaling::block, 90, 120900},
    {GemmScaling::mx, 100, 120800}, {GemmScaling::nv, 100, 120800},
};

std::string unmet_need(const GemmProblem& problem, const Target& target) {
  const bool any_gpu = problem.dtype == DType::f32 || problem.dtype == DType::f16;
  if (!any_gpu && target.compute_capability < 80) return "needs compute capability 8.0 or later for bf16 and tf32";
  const auto& needs = *std::find_if(std::begin(kScalingNeeds), std::end(kScalingNeeds),
                                    [&](const ScalingNeeds& row) { return row.scaling == problem.scaling; });
  if (target.compute_capability < needs.compute_capability)
    return std::string("cuBLASLt has scaling ") + name(problem.scaling) + " from compute capability " +
           std::to_string(needs.compute_capability / 10) + "." + std::to_string(needs.compute_capability % 10) + " on";
  if (std::string unfit = reason_cublaslt_unfit(problem, target.compute_capability); !unfit.empty()) return unfit;
  std::string reason;
  const CublasLtLibrary* lt = cublaslt_library(reason);
  if (lt && lt->get_version() < needs.version)
    return std::string("scaling ") + name(problem.scaling) + " needs cuBLASLt " + std::to_string(needs.version) +
           ", this is " + std::to_string(lt->get_version());
  return reason;
}

/// Of 8-bit products on Hopper and Ada.  What "moved to fp32 now and then" means is not documented: it is held to no
/// more than fast accumulation, the other thing that tuning may choose.
Accumulation accumulation(const GemmProblem& problem, const Target& target) {
  if (has_fast_accumulation(problem, target)) return hopper_8_bit_accumulation(0);
  if (problem.scaling == GemmScaling::block && target.compute_capability < 100) return hopper_8_bit_accumulation(128);
  return {};
}

GemmKernel cublaslt_row(const char* row_name, bool tuned) {
  GemmKernel row;
  row.name = row_name;
  row.device = Device::gpu;
  row.vendor = true;
  row.dtypes = {DType::f32, DType::tf32, DType::bf16, DType::f16, DType::e4m3, DType::e5m2, DType::e2m1};
  row.supports = [](const GemmProblem& problem, const Target& target) { return Support{unmet_need(problem, target)}; };
  row.accumulation = accumulation;
  row.prepare = [tuned](const GemmProblem& problem, const Target& target, const std::vector<GemmBuffers>& sets,
                        Stream stream) -> std::unique_ptr<GemmOperation> {
    std::string reason;
    const CublasLtLibrary* lt = cublaslt_library(reason);
    if (!lt) throw std::runtime_error(reason);
    return std::make_unique<CublasLtOperation>(*lt, problem, target, sets, stream, tuned);
  };
  return row;
}

}  // namespace

GemmKernel cublaslt_heuristic_row() { return cublaslt_row("cublaslt_heuristic", false); }
GemmKernel cublaslt_tuned_row() { return cublaslt_row("cublaslt_tuned", true); }

}  // namespace assay
