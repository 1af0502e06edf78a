#include "tests/simt/gemm/gemm_on_simt.h"

#include <cmath>
#include <random>
#include <stdexcept>

#include "kernels/gemm/cuda/simt_f32.h"
#include "kernels/gemm/sm80/mma.h"

namespace assay {
namespace {

/// An array on the functional GPU, and its values in fp64 on the host.
struct Array {
  void* device;
  std::vector<double> values;
};

char* allocate(simt::DeviceHeap& heap, DType dtype, std::int64_t count, int misalign) {
  const auto slack = static_cast<std::size_t>(misalign) * size_bytes(dtype);
  return static_cast<char*>(heap.allocate(static_cast<std::size_t>(count) * size_bytes(dtype) + slack)) + slack;
}

Array random_array(simt::DeviceHeap& heap, DType dtype, std::int64_t count, int misalign, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<double> normal;
  Array array{allocate(heap, dtype, count, misalign), std::vector<double>(static_cast<std::size_t>(count))};
  for (std::int64_t i = 0; i < count; ++i) {
    store_element(dtype, array.device, i, normal(generator));
    array.values[static_cast<std::size_t>(i)] = load_element(dtype, array.device, i);
  }
  return array;
}

/// Element (i, j) of a * b in fp64, and the sum of its terms' magnitudes.
std::pair<double, double> reference(const GemmProblem& p, const Array& a, const Array& b, std::int64_t i,
                                    std::int64_t j) {
  double value = 0, magnitude = 0;
  for (std::int64_t q = 0; q < p.k; ++q) {
    const double term =
        a.values[static_cast<std::size_t>(p.a_index(i, q))] * b.values[static_cast<std::size_t>(p.b_index(q, j))];
    value += term;
    magnitude += std::abs(term);
  }
  return {value, magnitude};
}

std::string compare(const GemmProblem& p, const Array& a, const Array& b, const std::vector<double>& before,
                    const void* d) {
  const double accumulation = 2 * std::sqrt(static_cast<double>(p.k)) * unit_roundoff(DType::f32);
  std::size_t wrong = 0;
  std::string first;
  for (std::int64_t i = 0; i < p.m; ++i)
    for (std::int64_t j = 0; j < p.n; ++j) {
      auto [expected, magnitude] = reference(p, a, b, i, j);
      if (p.accumulates()) {
        const double old = before[static_cast<std::size_t>(i * p.n + j)];
        expected += old, magnitude += std::abs(old);
      }
      const double got = load_element(p.output(), d, i * p.n + j);
      const double allowed = accumulation * magnitude + unit_roundoff(p.output()) * std::abs(expected);
      if (!(std::abs(got - expected) <= allowed) && wrong++ == 0)
        first = simt::format("d[%lld][%lld] is %g, expected %g +- %g", static_cast<long long>(i),
                             static_cast<long long>(j), got, expected, allowed);
    }
  if (wrong == 0) return {};
  return simt::format("%zu of %lld elements wrong, first ", wrong, static_cast<long long>(p.m * p.n)) + first;
}

}  // namespace

std::string describe(const GemmRun& run) {
  const GemmProblem& p = run.problem;
  return run.kernel + " " + name(p.dtype) + " " + name(p.layout) + " " + std::to_string(p.m) + "x" +
         std::to_string(p.n) + "x" + std::to_string(p.k) +
         (run.misalign ? " misaligned by " + std::to_string(run.misalign) : "");
}

LaunchPlan<GemmKernelParams> plan(const GemmRun& run, const GemmBuffers& buffers) {
  Target target;
  target.device = Device::gpu;
  target.compute_capability = 80;
  target.multiprocessors = run.multiprocessors;
  if (run.kernel == "mma_sm80") return plan_mma_sm80(run.problem, buffers, target);
  if (run.kernel == "simt_f32") return plan_simt_f32(run.problem, buffers, target);
  throw std::invalid_argument("no GEMM kernel is called " + run.kernel);
}

GemmOutcome run_gemm(const simt::ptx::Module& module, const GemmRun& run, simt::Options options) {
  const GemmProblem& p = run.problem;
  simt::DeviceHeap heap;
  options.heap = &heap;
  const Array a = random_array(heap, p.dtype, p.m * p.k, run.misalign, 1);
  const Array b = random_array(heap, p.dtype, p.k * p.n, run.misalign, 2);
  Array d{nullptr, {}};
  if (p.accumulates())
    d = random_array(heap, p.output(), p.m * p.n, run.misalign, 3);
  else
    d.device = allocate(heap, p.output(), p.m * p.n, run.misalign);  // NaN: an element never written is wrong
  const auto launch_plan = plan(run, {a.device, b.device, d.device});
  GemmOutcome outcome;
  outcome.stats = simt::launch(module.kernel(launch_plan.kernel), launch_plan, options);
  outcome.wrong = compare(p, a, b, d.values, d.device);
  return outcome;
}

}  // namespace assay
