// The highest bf16 rate of a core with AMX: tdpbf16ps adds 32 products to each of 16 x 16 fp32 sums in 16 cycles, 1024
// multiply-adds a cycle.  As for the other loops (cpu_fma_f32.cpp), tests hold it to registers.
#include "kernels/common/cpu/tile_amx.h"
#include "kernels/common/dtype.h"
#include "kernels/peak/cpu_loops.h"

#if defined(__x86_64__) && defined(__linux__)
#include <hwy/base.h>

// These functions alone are compiled for AMX: a flag for the whole file would also apply to library templates that the
// linker may pick for every other file.
HWY_PUSH_ATTRIBUTES("amx-tile,amx-bf16")
namespace assay {
namespace {
using namespace cpu;

#include "kernels/common/cpu/amx_unit-inl.h"
#include "kernels/peak/cpu_dot_amx-inl.h"

constexpr ArithmeticLoop kLoop = dot_amx_loop_on<AmxUnit>("AMX BF16");

}  // namespace
}  // namespace assay
HWY_POP_ATTRIBUTES
#endif

namespace assay {

const ArithmeticLoop* dot_amx_loop() {
#if defined(__x86_64__) && defined(__linux__)
  if (cpu::amx_granted()) return &kLoop;
#endif
  return nullptr;
}

}  // namespace assay
