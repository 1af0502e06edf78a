#include "harness/workloads/unit_peak.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <vector>

namespace assay {
namespace {

// Kernels' own numbers give launches of 0.5 to 3 ms: starting one costs a hundredth.  Twenty times that is no hardware
// that they were made for, and long enough on any.
constexpr double kLongEnoughSeconds = 0.02;
constexpr int kFewestLaunches = 3, kMostLaunches = 20;
constexpr double kEnoughSeconds = 0.2;  // for all launches of a kernel, but the fewest

/// One kernel with the memory that it writes.
class Peak {
 public:
  Peak(const PeakKernel& kernel, Backend& backend, Communicator& communicator)
      : kernel_(kernel), backend_(backend), communicator_(communicator) {}

  /// The rate of its fastest launch, since a low peak would flatter the step.
  double rate(PeakProblem problem) {
    problem.size = peak_steps(kernel_, problem, backend_.target(), [this](const PeakProblem& p) {
      prepare(p);
      const double first = launch();  // may wait for the kernel's code to be loaded, or for threads to start
      return communicator_.maximum(std::min(first, launch()));
    });
    prepare(problem);
    communicator_.barrier();  // all ranks at once, as in the step
    double least = std::numeric_limits<double>::infinity(), sum = 0;
    for (int i = 0; i < kMostLaunches && (i < kFewestLaunches || sum < kEnoughSeconds); ++i) {
      const double seconds = launch();
      least = std::min(least, seconds), sum += seconds;
    }
    const PeakArithmetic arithmetic = kernel_.arithmetic(problem, backend_.target());
    const double slowest = communicator_.maximum(least);
    return 2.0 * double(arithmetic.accumulators) * arithmetic.multiply_adds * double(problem.size) / slowest;
  }

 private:
  void prepare(const PeakProblem& problem) {
    const Target target = backend_.target();
    output_ = backend_.allocate(std::size_t(kernel_.arithmetic(problem, target).accumulators) * sizeof(float));
    buffers_ = {nullptr, output_.data()};
    operation_ = kernel_.prepare(problem, target, {buffers_}, backend_.stream());
  }

  double launch() {
    return backend_.time([&] { operation_->launch(buffers_, backend_.stream()); });
  }

  const PeakKernel& kernel_;
  Backend& backend_;
  Communicator& communicator_;
  Buffer output_;
  PeakBuffers buffers_;
  std::unique_ptr<PeakOperation> operation_;
};

/// A half, a third or a fifth of a size that the kernel takes too; 0: there is none.
std::int64_t part_of(const PeakKernel& kernel, PeakProblem problem, const Target& target) {
  const std::int64_t size = problem.size;
  for (const int divisor : {2, 3, 5}) {
    problem.size = size / divisor;
    if (size % divisor == 0 && kernel.supports(problem, target).ok()) return problem.size;
  }
  return 0;
}

}  // namespace

std::int64_t peak_steps(const PeakKernel& kernel, PeakProblem problem, const Target& target,
                        const std::function<double(const PeakProblem&)>& seconds_of) {
  problem.size = kernel.default_size;
  std::vector<std::int64_t> sizes = {problem.size};
  while ((problem.size = part_of(kernel, problem, target)) > 0) sizes.push_back(problem.size);
  for (; sizes.size() > 1; sizes.pop_back()) {
    problem.size = sizes.back();
    if (!(seconds_of(problem) < kLongEnoughSeconds)) break;
  }
  return sizes.back();
}

UnitsPeak measured_peak(DType dtype, Backend& backend, Communicator& communicator) {
  UnitsPeak best;
  const Target target = backend.target();
  backend.settle();
  for (const PeakKernel& kernel : peak_kernels()) {
    if (kernel.device != target.device || std::count(kernel.dtypes.begin(), kernel.dtypes.end(), dtype) == 0) continue;
    for (const PeakUnit unit : kernel.units) {
      const PeakProblem problem{unit, dtype, kernel.default_size};
      if (is_arithmetic(unit) && kernel.supports(problem, target).ok())
        best = higher(best, {Peak(kernel, backend, communicator).rate(problem), kernel.name});
    }
  }
  return best;
}

}  // namespace assay
