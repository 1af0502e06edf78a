// The contract of the peak kernels: the highest rates a machine's units reach, against which every other rate is shown.
//
//   unit    one launch                                                          output
//   fma     `size` steps of multiply-adds in registers                          fp32 accumulators
//   tensor  the same on tensor cores, operands in registers or shared memory    fp32 accumulators
//   copy    output = input, `size` bytes read and as many written               `size` bytes
//   triad   output = b + kPeakScale c of fp32, b and c the halves of            `size` bytes
//           2 `size` bytes of input
//   read    sums the 32-bit words of `size` bytes                               kPeakPartials sums, 64 bits each
//   write   writes `size` bytes of kPeakPattern                                 `size` bytes
//   floor   nothing: what starting work costs                                   left alone
//
// Arithmetic is exact on purpose: accumulator i starts at peak_start(i) and every step adds the same whole number to it
// (products of ones, of either sign), so that its final value says how many steps were done.  A compiler that drops or
// folds some is noticed, and so is a kernel that claims more work than it does.
#pragma once
#include <cstdint>
#include <string_view>
#include <vector>

#include "kernels/common/kernel.h"

namespace assay {

enum class PeakUnit : std::uint8_t { fma, tensor, copy, triad, read, write, floor };

struct PeakUnitName {
  PeakUnit unit;
  const char* name;
};

inline constexpr PeakUnitName kPeakUnits[] = {
    {PeakUnit::fma, "fma"},   {PeakUnit::tensor, "tensor"}, {PeakUnit::copy, "copy"},  {PeakUnit::triad, "triad"},
    {PeakUnit::read, "read"}, {PeakUnit::write, "write"},   {PeakUnit::floor, "floor"}};
const char* name(PeakUnit);
/// False where no unit has that name.
bool parse_peak_unit(std::string_view text, PeakUnit& out);

constexpr bool is_arithmetic(PeakUnit u) { return u == PeakUnit::fma || u == PeakUnit::tensor; }
/// Arrays of `size` bytes that one launch reads, and writes.
constexpr int arrays_read(PeakUnit u) {
  return u == PeakUnit::triad ? 2 : (u == PeakUnit::copy || u == PeakUnit::read ? 1 : 0);
}
constexpr int arrays_written(PeakUnit u) {
  return u == PeakUnit::copy || u == PeakUnit::triad || u == PeakUnit::write ? 1 : 0;
}
constexpr bool is_memory(PeakUnit u) { return arrays_read(u) + arrays_written(u) > 0; }

struct PeakProblem {
  PeakUnit unit = PeakUnit::fma;
  DType dtype = DType::f32;  // of the factors; memory and floor do not look at it
  std::int64_t size = 1;     // arithmetic: steps.  Memory: bytes, a multiple of kPeakGranule.  Floor: not used.
};

struct PeakBuffers {
  const void* input = nullptr;  // copy, triad, read
  void* output = nullptr;
};

inline constexpr std::int64_t kPeakGranule = 4096;   // memory sizes are whole pages: no kernel has a ragged end
inline constexpr std::int64_t kPeakPartials = 4096;  // of a read; as many as may work on it, those left over are zero
inline constexpr std::uint32_t kPeakPattern = 0x5a5a5a5aU;
inline constexpr float kPeakScale = 2;  // a power of two: the same bits whether product and sum are fused or not
/// Whole numbers up to here are exact in fp32 and in what tensor cores accumulate bf16, f16 and tf32 products in.
inline constexpr std::int64_t kPeakExact = std::int64_t(1) << 23;

/// Accumulators start at different small numbers, so that exchanged ones are noticed: 0 .. kPeakStarts - 1.
inline constexpr std::int64_t kPeakStarts = 251;
constexpr std::int64_t peak_start(std::int64_t accumulator) { return accumulator % kPeakStarts; }

/// What an arithmetic kernel does there: every step, `multiply_adds` on each of `accumulators`, adding `increment`.
struct PeakArithmetic {
  std::int64_t accumulators = 0;
  int multiply_adds = 1;  // 2 FLOP each
  int increment = 1;
};

struct PeakKernel : Kernel<PeakProblem, PeakBuffers> {
  std::vector<PeakUnit> units;
  std::int64_t default_size = 0;  // a launch of a millisecond or more, or buffers far larger than caches
  std::function<PeakArithmetic(const PeakProblem&, const Target&)> arithmetic;  // null for memory and floor
};

using PeakOperation = Operation<PeakBuffers>;

/// Every peak kernel of this build.
const std::vector<PeakKernel>& peak_kernels();

/// For a row's `supports`: empty where the steps leave every accumulator exact.
std::string reason_steps_unfit(const PeakProblem&, const PeakArithmetic&, std::int64_t exact = kPeakExact);

}  // namespace assay
