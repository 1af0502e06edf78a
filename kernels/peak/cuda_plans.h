// The host side of our CUDA peak kernels: parameters and launch plans.  CUDA-free; C++17.
#pragma once
#include <stdexcept>
#include <string>

#include "kernels/common/launch_plan.h"
#include "kernels/common/tcgen05_descriptors.h"
#include "kernels/peak/peak.h"

namespace assay {

/// Empty where a row measures the unit; of every row's `supports`.
inline std::string reason_unit_unfit(const PeakKernel& row, const PeakProblem& problem) {
  for (const PeakUnit unit : row.units)
    if (unit == problem.unit) return {};
  return row.name + " does not measure " + name(problem.unit);
}

/// fma_f32.cuh, mma_sm80.cuh, wgmma_sm90.cuh.
struct PeakArithmeticParams {
  float* output;  // accumulators, fp32
  int turns;      // of the loop
  float one;      // 1, so that no compiler knows what it multiplies by
};

/// stream.cuh.
struct PeakStreamParams {
  const void* input;
  void* output;
  std::int64_t vectors;  // of 16 bytes
};

/// What one kernel of fma_f32.cuh or mma_sm80.cuh is.  One CTA a multiprocessor, so that the work is even.
struct PeakArithmeticShape {
  const char* kernel;  // as in its table of instances
  DType dtype;
  int threads;        // of a CTA
  int accumulators;   // of a thread
  int multiply_adds;  // of a step on one accumulator
  int steps_per_turn;
  int increment;  // of an accumulator, a step
  std::int64_t exact = kPeakExact;
  unsigned shared_bytes = 0;
};

inline constexpr PeakArithmeticShape kFmaF32 = {"peak_fma_f32", DType::f32, 1024, 8, 1, 32, 1};
inline constexpr PeakArithmeticShape kMmaSm80[] = {
    {"peak_mma_sm80<assay::PeakMmaBf16>", DType::bf16, 512, 32, 16, 8, 16},
    {"peak_mma_sm80<assay::PeakMmaF16>", DType::f16, 512, 32, 16, 8, 16},
    {"peak_mma_sm80<assay::PeakMmaTf32>", DType::tf32, 512, 32, 8, 8, 8},
};

/// Only where mma.sync is the way to the tensor cores' peak: elsewhere its rate, taken for a peak, would flatter.
inline Support supports_mma_sm80_peak(const Target& target) {
  const int major = target.compute_capability / 10;
  if (major < 8) return Support::no("needs compute capability 8.0");
  if (major >= 9 && major < 12)
    return Support::no("these tensor cores reach their peak by wgmma or tcgen05, not by mma.sync");
  return Support::yes();
}

/// Hopper adds 8-bit products to sums of 14 bits: whole numbers are exact up to 2^13.
inline constexpr std::int64_t kPeakExactE4m3 = std::int64_t(1) << 13;
inline constexpr unsigned kWgmmaSm90SharedBytes = (64 + 256) * 128;  // rows of a and b, 128 bytes of k each
inline constexpr PeakArithmeticShape kWgmmaSm90[] = {
    {"peak_wgmma_sm90<assay::UnitsBf16>", DType::bf16, 256, 128, 16, 16, 1, kPeakExact, kWgmmaSm90SharedBytes},
    {"peak_wgmma_sm90<assay::UnitsF16>", DType::f16, 256, 128, 16, 16, 1, kPeakExact, kWgmmaSm90SharedBytes},
    {"peak_wgmma_sm90<assay::UnitsTf32>", DType::tf32, 256, 128, 8, 16, 1, kPeakExact, kWgmmaSm90SharedBytes},
    {"peak_wgmma_sm90<assay::UnitsE4m3>", DType::e4m3, 256, 128, 32, 16, 1, kPeakExactE4m3, kWgmmaSm90SharedBytes},
};

inline constexpr int kPeakTcgen05M = 128, kPeakTcgen05N = 256;  // of one instruction, one CTA
inline constexpr unsigned kTcgen05Sm100SharedBytes =
    (kPeakTcgen05M + kPeakTcgen05N) * 128 + 64;  // tiles, and a barrier
inline constexpr PeakArithmeticShape kTcgen05Sm100[] = {
    {"peak_tcgen05_sm100<assay::UnitsBf16>", DType::bf16, 128, 256, 16, 16, 1, kPeakExact, kTcgen05Sm100SharedBytes},
    {"peak_tcgen05_sm100<assay::UnitsF16>", DType::f16, 128, 256, 16, 16, 1, kPeakExact, kTcgen05Sm100SharedBytes},
    {"peak_tcgen05_sm100<assay::UnitsE4m3>", DType::e4m3, 128, 256, 32, 16, 1, kPeakExactE4m3,
     kTcgen05Sm100SharedBytes},
};

/// The kernel for a dtype; its row has checked that there is one.
template <std::size_t kCount>
const PeakArithmeticShape& shape_for(const PeakArithmeticShape (&shapes)[kCount], DType dtype) {
  for (const PeakArithmeticShape& shape : shapes)
    if (shape.dtype == dtype) return shape;
  throw std::runtime_error(std::string("no peak kernel for ") + name(dtype));
}

inline PeakArithmetic arithmetic_of(const PeakArithmeticShape& shape, const Target& target) {
  return {std::int64_t(shape.threads) * shape.accumulators * target.multiprocessors, shape.multiply_adds,
          shape.increment};
}

inline Support supports_steps(const PeakArithmeticShape& shape, const PeakProblem& problem, const Target& target) {
  if (problem.size % shape.steps_per_turn != 0)
    return Support::no("size is not a multiple of " + std::to_string(shape.steps_per_turn));
  return {reason_steps_unfit(problem, arithmetic_of(shape, target), shape.exact)};
}

inline LaunchPlan<PeakArithmeticParams> plan_arithmetic(const PeakArithmeticShape& shape, const PeakProblem& problem,
                                                        const PeakBuffers& buffers, const Target& target) {
  LaunchPlan<PeakArithmeticParams> plan;
  plan.kernel = shape.kernel;
  plan.grid.x = static_cast<unsigned>(target.multiprocessors);
  plan.block.x = static_cast<unsigned>(shape.threads);
  plan.shared_bytes = shape.shared_bytes;
  plan.params = {static_cast<float*>(buffers.output), static_cast<int>(problem.size / shape.steps_per_turn), 1.0F};
  return plan;
}

/// tcgen05_sm100.cuh.
struct PeakTcgen05Params {
  float* output;
  int turns;
  std::uint32_t instruction;  // tcgen05_descriptors.h, as
  std::uint64_t tile;         // the descriptor of a tile without its address
};

inline LaunchPlan<PeakTcgen05Params> plan_tcgen05(const PeakProblem& problem, const PeakBuffers& buffers,
                                                  const Target& target) {
  const auto same = plan_arithmetic(shape_for(kTcgen05Sm100, problem.dtype), problem, buffers, target);
  const Tcgen05Operand operand{problem.dtype, true};
  const auto kind = problem.dtype == DType::e4m3 ? Tcgen05Kind::f8f6f4 : Tcgen05Kind::f16;
  return {same.kernel,
          same.grid,
          same.block,
          same.cluster,
          same.shared_bytes,
          {same.params.output, same.params.turns,
           tcgen05_instruction(kind, operand, operand, kPeakTcgen05M, kPeakTcgen05N), tcgen05_tile(true, 0)}};
}

struct PeakStreamShape {
  static constexpr int kThreads = 512;
  static constexpr int kCtasPerMultiprocessor = 4;
  static constexpr int kVectorBytes = 16;
  static constexpr int kUnroll = 4;  // vectors a thread has in flight
};

inline LaunchPlan<PeakStreamParams> plan_stream(const PeakProblem& problem, const PeakBuffers& buffers,
                                                const Target& target) {
  using Shape = PeakStreamShape;
  LaunchPlan<PeakStreamParams> plan;
  plan.kernel = problem.unit == PeakUnit::copy   ? "peak_copy"
                : problem.unit == PeakUnit::read ? "peak_read"
                                                 : "peak_write";
  const std::int64_t most = std::int64_t(Shape::kCtasPerMultiprocessor) * target.multiprocessors;
  plan.grid.x = static_cast<unsigned>(most < kPeakPartials ? most : kPeakPartials);
  plan.block.x = Shape::kThreads;
  plan.params = {buffers.input, buffers.output, problem.size / Shape::kVectorBytes};
  return plan;
}

}  // namespace assay
