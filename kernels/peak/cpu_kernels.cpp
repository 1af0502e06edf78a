// The CPU rows: every thread of the target runs the loop of cpu_loops.h on its own part.
#include "kernels/peak/cpu_kernels.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "kernels/peak/cpu_loops.h"

namespace assay {
namespace {

Support supports_unit(const PeakKernel& row, const PeakProblem& problem) {
  if (std::find(row.units.begin(), row.units.end(), problem.unit) != row.units.end()) return Support::yes();
  return Support::no(row.name + " does not measure " + name(problem.unit));
}

/// Null where this CPU has no instruction for that type.
const ArithmeticLoop* loop_for(DType dtype) {
  static const ArithmeticLoop f32 = fma_f32_loop();
  if (dtype == DType::bf16) return dot_bf16_loop();
  return dtype == DType::f32 ? &f32 : nullptr;
}

const ArithmeticLoop* amx_loop_for(DType dtype) { return dtype == DType::bf16 ? dot_amx_loop() : nullptr; }

/// Which loop computes in a type; null where this CPU has none.
using LoopFor = const ArithmeticLoop* (*)(DType);

PeakArithmetic fma_arithmetic(const ArithmeticLoop* loop, const Target& target) {
  if (!loop) return {};
  return {std::int64_t(loop->accumulators) * target.threads, loop->multiply_adds, loop->multiply_adds};
}

class CpuFma final : public PeakOperation {
 public:
  CpuFma(const ArithmeticLoop& loop, const PeakProblem& problem, const Target& target)
      : loop_(loop), steps_(problem.size), threads_(std::max(target.threads, 1)) {}

  void launch(const PeakBuffers& buffers, Stream) override {
    auto* output = static_cast<float*>(buffers.output);
#pragma omp parallel for num_threads(threads_) schedule(static, 1)
    for (int thread = 0; thread < threads_; ++thread) {
      const std::int64_t first = std::int64_t(thread) * loop_.accumulators;
      for (std::int64_t i = first; i < first + loop_.accumulators; ++i) output[i] = float(peak_start(i));
      loop_.run(steps_, one_, output + first);
    }
  }
  std::string description() const override { return loop_.name; }

 private:
  const ArithmeticLoop& loop_;
  std::int64_t steps_;
  int threads_;
  volatile float one_ = 1;  // see ArithmeticLoop
};

/// Part `thread` of `threads` of a buffer, whole pages.
struct Part {
  std::int64_t begin, bytes;
};
Part part_of(std::int64_t size, int threads, int thread) {
  const std::int64_t pages = size / kPeakGranule;
  const std::int64_t begin = pages * thread / threads, end = pages * (thread + 1) / threads;
  return {begin * kPeakGranule, (end - begin) * kPeakGranule};
}

void launch_stream(const PeakProblem& problem, const PeakBuffers& buffers, const Target& target, Stream) {
  const int threads = std::max(target.threads, 1);
#pragma omp parallel for num_threads(threads) schedule(static, 1)
  for (int thread = 0; thread < threads; ++thread) {
    const auto [begin, bytes] = part_of(problem.size, threads, thread);
    const char* from = static_cast<const char*>(buffers.input) + (buffers.input ? begin : 0);
    char* to = static_cast<char*>(buffers.output);
    if (problem.unit == PeakUnit::copy) stream_copy(from, to + begin, std::size_t(bytes));
    if (problem.unit == PeakUnit::triad)
      stream_triad(from, from + problem.size, kPeakScale, to + begin, std::size_t(bytes));
    if (problem.unit == PeakUnit::write) stream_write(to + begin, std::size_t(bytes), kPeakPattern);
    if (problem.unit != PeakUnit::read) continue;
    auto* partials = static_cast<std::uint64_t*>(buffers.output);
    for (std::int64_t i = thread; i < kPeakPartials; i += threads) partials[i] = 0;
    partials[thread] = stream_read(from, std::size_t(bytes));
  }
}

/// The least any threaded kernel costs: to start all threads and wait for them.
void launch_nothing(const PeakProblem&, const PeakBuffers&, const Target& target, Stream) {
#pragma omp parallel num_threads(std::max(target.threads, 1))
  {
    asm volatile("" ::: "memory");  // a region without a statement would not be entered
  }
}

PeakKernel fma_row(const std::string& name, const std::vector<DType>& dtypes, std::int64_t steps, LoopFor loop_for) {
  PeakKernel row;
  row.name = name;
  row.dtypes = dtypes;
  row.units = {PeakUnit::fma};
  row.default_size = steps;
  row.arithmetic = [loop_for](const PeakProblem& problem, const Target& target) {
    return fma_arithmetic(loop_for(problem.dtype), target);
  };
  row.supports = [row, loop_for](const PeakProblem& problem, const Target& target) {
    if (const Support unit = supports_unit(row, problem); !unit.ok()) return unit;
    const ArithmeticLoop* loop = loop_for(problem.dtype);
    if (!loop) return Support::no(std::string("this CPU has no dot product of ") + assay::name(problem.dtype));
    return Support{reason_steps_unfit(problem, fma_arithmetic(loop, target))};
  };
  row.prepare = [loop_for](const PeakProblem& problem, const Target& target, const std::vector<PeakBuffers>&, Stream) {
    return std::make_unique<CpuFma>(*loop_for(problem.dtype), problem, target);
  };
  return row;
}

}  // namespace

PeakKernel cpu_fma_peak() {
  // 20 FMA a step, two a cycle: some 3 ms
  return fma_row("peak_cpu_fma", {DType::f32, DType::bf16}, std::int64_t(1) << 20, loop_for);
}

void append_cpu_amx_peak(std::vector<PeakKernel>& rows) {
  // 6 tile products a step, of 16 cycles each: some 2 ms
  if (dot_amx_loop()) rows.push_back(fma_row("peak_cpu_amx_fma", {DType::bf16}, std::int64_t(1) << 16, amx_loop_for));
}

PeakKernel cpu_stream_peak() {
  PeakKernel row;
  row.name = "peak_cpu_stream";
  row.dtypes = {DType::f32};
  row.units = {PeakUnit::copy, PeakUnit::triad, PeakUnit::read, PeakUnit::write};
  row.default_size = std::int64_t(256) << 20;
  row.supports = [row](const PeakProblem& problem, const Target& target) {
    if (target.threads > kPeakPartials) return Support::no("at most " + std::to_string(kPeakPartials) + " threads");
    return supports_unit(row, problem);
  };
  row.prepare = stateless<PeakProblem, PeakBuffers>(launch_stream);
  return row;
}

PeakKernel cpu_floor_peak() {
  PeakKernel row;
  row.name = "peak_cpu_floor";
  row.dtypes = {DType::f32};
  row.units = {PeakUnit::floor};
  row.default_size = 1;
  row.supports = [row](const PeakProblem& problem, const Target&) { return supports_unit(row, problem); };
  row.prepare = stateless<PeakProblem, PeakBuffers>(launch_nothing);
  return row;
}

}  // namespace assay
