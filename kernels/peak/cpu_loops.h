// The inner loops of the CPU's peak kernels: one thread's work, for the best instruction set of this machine.
#pragma once
#include <cstddef>
#include <cstdint>

namespace assay {

/// Multiply-adds on accumulators that stay in registers from the first step to the last.
struct ArithmeticLoop {
  const char* name;   // of the instruction set
  int accumulators;   // of one thread
  int multiply_adds;  // of one step on one accumulator
  /// accumulator[i] starts as it is found and grows by `multiply_adds` each step.  `one` is 1, passed at run time so
  /// that no compiler knows what it multiplies by.
  void (*run)(std::int64_t steps, float one, float* accumulator);
};

/// fp32.
ArithmeticLoop fma_f32_loop();
/// bf16 pairs by AVX-512's vdpbf16ps; null where this CPU has none.
const ArithmeticLoop* dot_bf16_loop();
/// bf16 pairs by AMX's tdpbf16ps; null where this CPU or its system grants none.
const ArithmeticLoop* dot_amx_loop();

/// `bytes` is a multiple of 4096, addresses of 64.  Stores go past the caches (non-temporal): what is written is not
/// read back, and an ordinary store would first read the line it overwrites.
void stream_copy(const void* from, void* to, std::size_t bytes);
/// to = b + scale c of fp32.
void stream_triad(const void* b, const void* c, float scale, void* to, std::size_t bytes);
/// The sum of the 32-bit words, modulo 2^64.
std::uint64_t stream_read(const void* from, std::size_t bytes);
void stream_write(void* to, std::size_t bytes, std::uint32_t pattern);

}  // namespace assay
