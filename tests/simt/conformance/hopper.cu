// One kernel per instruction form of sm_90a, run on a GPU and on the functional GPU with the same inputs.
#include "kernels/common/ptx/wgmma.cuh"
#include "tests/simt/kernels/ptx.cuh"

// stmatrix
#define STMATRIX(NAME, FORM)                                                                                   \
  extern "C" __global__ void NAME(const uint32_t* in, uint32_t* out) {                                         \
    __shared__ alignas(16) uint32_t tile[128];                                                                 \
    const uint32_t* r = in + threadIdx.x * 4;                                                                  \
    asm volatile("stmatrix.sync.aligned.m8n8." FORM ".shared.b16 [%0], {%1, %2, %3, %4};\n" ::"r"(             \
                     ptx::smem(&tile[threadIdx.x * 4])),                                                       \
                 "r"(r[0]), "r"(r[1]), "r"(r[2]), "r"(r[3])                                                    \
                 : "memory");                                                                                  \
    __syncwarp();                                                                                              \
    for (int i = 0; i < 4; ++i) out[threadIdx.x * 4 + i] = tile[threadIdx.x * 4 + i];                          \
  }
STMATRIX(stmatrix_x4, "x4")
STMATRIX(stmatrix_x4_trans, "x4.trans")

extern "C" __global__ void cvt_e4m3x2(const uint32_t* in, uint32_t* out) {
  const float high = __uint_as_float(in[threadIdx.x * 2]), low = __uint_as_float(in[threadIdx.x * 2 + 1]);
  uint16_t pair;
  asm volatile("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;\n" : "=h"(pair) : "f"(high), "f"(low));
  out[threadIdx.x] = pair;
}

// A box of 16 rows that sticks out of the tensor on two sides, as shared memory holds it: [16][row_bytes / 4] words.
extern "C" __global__ void tensor_load(const __grid_constant__ ptx::TensorMap map, uint32_t* out, uint32_t row_bytes) {
  __shared__ alignas(1024) uint32_t tile[16 * 32];
  __shared__ alignas(8) uint64_t barrier;
  const uint32_t bar = ptx::smem(&barrier);
  if (threadIdx.x == 0) {
    ptx::mbarrier_init(bar, 1);
    ptx::fence_mbarrier_init();
    ptx::mbarrier_arrive_expect_tx(bar, 16 * row_bytes);
    ptx::tma_load(ptx::smem(tile), map, bar, -3, 5);
  }
  __syncwarp();
  ptx::mbarrier_wait(bar, 0);
  for (uint32_t i = threadIdx.x; i < 4 * row_bytes; i += 32) out[i] = tile[i];
}

// D[64][64] = A[64][16] B[16][64], one warpgroup; the operands' bytes lie in shared memory as `in` gives them.
// The descriptor fields come from the host: every swizzle and both majors are tried with the same kernels.
template <bool kARegisters, ptx::Major kA, ptx::Major kB>
__device__ void wgmma_case(const uint32_t* in, uint32_t* out, uint64_t fields_a, uint64_t fields_b) {
  __shared__ alignas(1024) uint32_t a[2048], b[4096];  // 8 and 16 KiB: whatever the layout spans
  for (int i = threadIdx.x; i < 2048; i += 128) a[i] = in[i];
  for (int i = threadIdx.x; i < 4096; i += 128) b[i] = in[2048 + i];
  ptx::fence_proxy_async();
  __syncthreads();
  float d[32];
  const uint64_t desc_a = fields_a | (ptx::smem(a) & 0x3ffff) >> 4, desc_b = fields_b | (ptx::smem(b) & 0x3ffff) >> 4;
  uint32_t fragment[4];
  for (int i = 0; i < 4; ++i) fragment[i] = in[threadIdx.x * 4 + i];
  ptx::wgmma_fence();
  if constexpr (kARegisters) ptx::wgmma_bf16<64, kB>(d, fragment, desc_b, false);
  else ptx::wgmma_bf16<64, kA, kB>(d, desc_a, desc_b, false);
  ptx::wgmma_commit();
  ptx::wgmma_wait<0>();
  for (int i = 0; i < 32; ++i) out[threadIdx.x * 32 + i] = __float_as_uint(d[i]);
}
using ptx::Major;
extern "C" __global__ void wgmma_k_k(const uint32_t* in, uint32_t* out, uint64_t a, uint64_t b) { wgmma_case<false, Major::K, Major::K>(in, out, a, b); }
extern "C" __global__ void wgmma_k_mn(const uint32_t* in, uint32_t* out, uint64_t a, uint64_t b) { wgmma_case<false, Major::K, Major::MN>(in, out, a, b); }
extern "C" __global__ void wgmma_mn_k(const uint32_t* in, uint32_t* out, uint64_t a, uint64_t b) { wgmma_case<false, Major::MN, Major::K>(in, out, a, b); }
extern "C" __global__ void wgmma_registers(const uint32_t* in, uint32_t* out, uint64_t a, uint64_t b) { wgmma_case<true, Major::K, Major::K>(in, out, a, b); }

// The same of 8-bit operands, 64 x 32: k-major alone.  From registers the product is 64 x 8, in the thread's first four
// words of output; the others stay zero.
template <assay::ptx::WgmmaTypes kTypes, bool kARegisters>
__device__ void wgmma_8_bit_case(const uint32_t* in, uint32_t* out, uint64_t fields_a, uint64_t fields_b) {
  __shared__ alignas(1024) uint32_t a[2048], b[4096];
  for (int i = threadIdx.x; i < 2048; i += 128) a[i] = in[i];
  for (int i = threadIdx.x; i < 4096; i += 128) b[i] = in[2048 + i];
  ptx::fence_proxy_async();
  __syncthreads();
  float d[32] = {};
  const uint64_t desc_a = fields_a | (ptx::smem(a) & 0x3ffff) >> 4, desc_b = fields_b | (ptx::smem(b) & 0x3ffff) >> 4;
  ptx::wgmma_fence();
  if constexpr (kARegisters) {
    const uint32_t* fragment = in + threadIdx.x * 4;
    asm volatile(
        "{\n.reg .pred p;\nsetp.ne.b32 p, 0, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n8k32.f32.e4m3.e4m3 {%0, %1, %2, %3}, {%4, %5, %6, %7}, %8, p, 1, 1;\n}\n"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(fragment[0]), "r"(fragment[1]), "r"(fragment[2]), "r"(fragment[3]), "l"(desc_b));
  } else {
    assay::ptx::wgmma<kTypes, 64>(d, desc_a, desc_b, false);
  }
  ptx::wgmma_commit();
  ptx::wgmma_wait<0>();
  for (int i = 0; i < 32; ++i) out[threadIdx.x * 32 + i] = __float_as_uint(d[i]);
}
using assay::ptx::WgmmaTypes;
extern "C" __global__ void wgmma_e4m3(const uint32_t* in, uint32_t* out, uint64_t a, uint64_t b) { wgmma_8_bit_case<WgmmaTypes::e4m3, false>(in, out, a, b); }
extern "C" __global__ void wgmma_e5m2_e4m3(const uint32_t* in, uint32_t* out, uint64_t a, uint64_t b) { wgmma_8_bit_case<WgmmaTypes::e5m2_e4m3, false>(in, out, a, b); }
extern "C" __global__ void wgmma_e4m3_registers(const uint32_t* in, uint32_t* out, uint64_t a, uint64_t b) { wgmma_8_bit_case<WgmmaTypes::e4m3, true>(in, out, a, b); }
