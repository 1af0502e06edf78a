// The vendor's GEMM as two rows of the table: what its heuristic picks, and the best of what it proposes.
#include <algorithm>
#include <cstdio>
#include <stdexcept>
#include <string>

#include "kernels/common/cuda_check.h"
#include "kernels/gemm/cublaslt_matmul.h"
#include "kernels/gemm/cuda_kernel_rows.h"

namespace assay {
namespace {

constexpr int kProposals = 16;            // asked for; the heuristic may return fewer
constexpr int kRepeats = 7;               // timings per algorithm, of which the median counts
constexpr double kBatchMilliseconds = 1;  // per timing: far above the half microsecond that events resolve
constexpr int kLargestBatch = 50;
constexpr double kWorthSwitching = 0.98;  // closer than 2 % is within the noise of such short timings

class Event {
 public:
  Event() { ASSAY_CHECK_CUDA(cudaEventCreate(&event_)); }
  ~Event() { cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  void record(Stream stream) { ASSAY_CHECK_CUDA(cudaEventRecord(event_, stream)); }
  double milliseconds_since(const Event& start) const {
    ASSAY_CHECK_CUDA(cudaEventSynchronize(event_));
    float milliseconds = 0;
    ASSAY_CHECK_CUDA(cudaEventElapsedTime(&milliseconds, start.event_, event_));
    return milliseconds;
  }

 private:
  cudaEvent_t event_ = nullptr;
};

/// Milliseconds per launch of `algorithm`, over `launches` launches that rotate through the buffer sets.
double time_launches(const CublasLtMatmul& matmul, const cublasLtMatmulAlgo_t& algorithm,
                     const std::vector<GemmBuffers>& sets, int launches, Stream stream) {
  Event start, stop;
  start.record(stream);
  for (int i = 0; i < launches; ++i) matmul.launch(algorithm, sets[static_cast<std::size_t>(i) % sets.size()], stream);
  stop.record(stream);
  return stop.milliseconds_since(start) / launches;
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

struct Choice {
  std::size_t index = 0;
  double gain = 0;  // of time over the first proposal, as a fraction
};

/// The proposals that run, each launched once (which loads its code): the library refuses some of its own.
std::vector<cublasLtMatmulAlgo_t> runnable(const CublasLtMatmul& matmul,
                                           const std::vector<cublasLtMatmulAlgo_t>& proposals,
                                           const GemmBuffers& buffers, Stream stream) {
  std::vector<cublasLtMatmulAlgo_t> out;
  std::string refusal = "cuBLASLt proposes no algorithm";
  for (const auto& proposal : proposals) {
    try {
      matmul.launch(proposal, buffers, stream);
      out.push_back(proposal);
    } catch (const std::runtime_error& error) {
      refusal = error.what();
    }
  }
  if (out.empty()) throw std::runtime_error(refusal);
  return out;
}

/// Times every proposal on the real buffers, with the real beta.  Repeats go round all algorithms, so that a drifting
/// clock meets all of them alike.
Choice tune(const CublasLtMatmul& matmul, const std::vector<cublasLtMatmulAlgo_t>& algorithms,
            const std::vector<GemmBuffers>& sets, Stream stream) {
  const double once = time_launches(matmul, algorithms[0], sets, 2, stream);
  const int launches = std::clamp(static_cast<int>(kBatchMilliseconds / std::max(once, 1e-3)), 1, kLargestBatch);
  std::vector<std::vector<double>> times(algorithms.size());
  for (int repeat = 0; repeat < kRepeats; ++repeat)
    for (std::size_t i = 0; i < algorithms.size(); ++i)
      times[i].push_back(time_launches(matmul, algorithms[i], sets, launches, stream));
  Choice choice;
  const double first = median(times[0]);
  double best = first * kWorthSwitching;
  for (std::size_t i = 1; i < algorithms.size(); ++i) {
    const double time = median(times[i]);
    if (time < best) best = time, choice = {i, 1 - time / first};
  }
  return choice;
}

class CublasLtOperation final : public GemmOperation {
 public:
  CublasLtOperation(const CublasLtLibrary& lt, const GemmProblem& problem, const std::vector<GemmBuffers>& sets,
                    Stream stream, bool tuned)
      : matmul_(lt, problem, sets) {
    const auto algorithms = runnable(matmul_, matmul_.heuristics(tuned ? kProposals : 1), sets.front(), stream);
    const Choice choice = tuned ? tune(matmul_, algorithms, sets, stream) : Choice{};
    algorithm_ = algorithms[choice.index];
    description_ = matmul_.describe(algorithm_);
    if (!tuned) return;
    char note[96];
    std::snprintf(note, sizeof note, "; proposal %zu of %zu tried, %.1f %% less time than the first", choice.index + 1,
                  algorithms.size(), 100 * choice.gain);
    description_ += note;
  }
  void launch(const GemmBuffers& buffers, Stream stream) override { matmul_.launch(algorithm_, buffers, stream); }
  std::string description() const override { return description_; }

 private:
  CublasLtMatmul matmul_;
  cublasLtMatmulAlgo_t algorithm_{};
  std::string description_;
};

GemmKernel cublaslt_row(const char* row_name, bool tuned) {
  GemmKernel row;
  row.name = row_name;
  row.device = Device::gpu;
  row.vendor = true;
  row.dtypes = {DType::f32, DType::tf32, DType::bf16, DType::f16};
  row.supports = [](const GemmProblem& problem, const Target& target) {
    const bool any_gpu = problem.dtype == DType::f32 || problem.dtype == DType::f16;
    if (!any_gpu && target.compute_capability < 80)
      return Support::no("needs compute capability 8.0 or later for bf16 and tf32");
    std::string reason;
    cublaslt_library(reason);
    return Support{reason};
  };
  row.prepare = [tuned](const GemmProblem& problem, const Target&, const std::vector<GemmBuffers>& sets,
                        Stream stream) -> std::unique_ptr<GemmOperation> {
    std::string reason;
    const CublasLtLibrary* lt = cublaslt_library(reason);
    if (!lt) throw std::runtime_error(reason);
    return std::make_unique<CublasLtOperation>(*lt, problem, sets, stream, tuned);
  };
  return row;
}

}  // namespace

GemmKernel cublaslt_heuristic_row() { return cublaslt_row("cublaslt_heuristic", false); }
GemmKernel cublaslt_tuned_row() { return cublaslt_row("cublaslt_tuned", true); }

}  // namespace assay
