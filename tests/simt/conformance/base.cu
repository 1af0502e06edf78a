// One kernel per instruction form of sm_80, run on a GPU and on the functional GPU with the same inputs.
#include <cstdint>

namespace {
__device__ __forceinline__ uint32_t shared_address(const void* p) { return uint32_t(__cvta_generic_to_shared(p)); }
}  // namespace

#define LDMATRIX(NAME, COUNT, FORM, REGISTERS, ...)                                                            \
  extern "C" __global__ void NAME(const uint32_t* in, uint32_t* out) {                                         \
    __shared__ alignas(16) uint32_t tile[128];                                                                 \
    for (int i = 0; i < 4; ++i) tile[threadIdx.x * 4 + i] = in[threadIdx.x * 4 + i];                           \
    __syncwarp();                                                                                              \
    uint32_t r[4] = {};                                                                                        \
    asm volatile("ldmatrix.sync.aligned.m8n8." FORM ".shared.b16 " REGISTERS ", [%4];\n"                       \
                 : "+r"(r[0]), "+r"(r[1]), "+r"(r[2]), "+r"(r[3])                                              \
                 : "r"(shared_address(&tile[threadIdx.x * 4]))                                                 \
                 : "memory");                                                                                  \
    for (int i = 0; i < COUNT; ++i) out[threadIdx.x * COUNT + i] = r[i];                                       \
  }
LDMATRIX(ldmatrix_x1, 1, "x1", "{%0}")
LDMATRIX(ldmatrix_x2, 2, "x2", "{%0, %1}")
LDMATRIX(ldmatrix_x4, 4, "x4", "{%0, %1, %2, %3}")
LDMATRIX(ldmatrix_x1_trans, 1, "x1.trans", "{%0}")
LDMATRIX(ldmatrix_x2_trans, 2, "x2.trans", "{%0, %1}")
LDMATRIX(ldmatrix_x4_trans, 4, "x4.trans", "{%0, %1, %2, %3}")

#define MMA(NAME, FORM)                                                                                        \
  extern "C" __global__ void NAME(const uint32_t* in, uint32_t* out) {                                         \
    const uint32_t* a = in + threadIdx.x * 4;                                                                  \
    const uint32_t* b = in + 128 + threadIdx.x * 2;                                                            \
    float d[4] = {1, 2, 3, 4};                                                                                 \
    asm volatile("mma.sync.aligned." FORM " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};\n" \
                 : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])                                              \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));                          \
    for (int i = 0; i < 4; ++i) out[threadIdx.x * 4 + i] = __float_as_uint(d[i]);                              \
  }
MMA(mma_bf16, "m16n8k16.row.col.f32.bf16.bf16.f32")
MMA(mma_f16, "m16n8k16.row.col.f32.f16.f16.f32")
MMA(mma_tf32, "m16n8k8.row.col.f32.tf32.tf32.f32")

#define CP_ASYNC(NAME, CACHE, BYTES)                                                                           \
  extern "C" __global__ void NAME(const uint32_t* in, uint32_t* out) {                                         \
    __shared__ alignas(16) uint32_t box[32][4];                                                                \
    const uint32_t bytes = threadIdx.x % (BYTES + 1);                                                          \
    asm volatile("cp.async." CACHE ".shared.global [%0], [%1], %2, %3;\ncp.async.wait_all;\n" ::"r"(           \
                     shared_address(box[threadIdx.x])),                                                        \
                 "l"(in + threadIdx.x * 4), "n"(BYTES), "r"(bytes)                                             \
                 : "memory");                                                                                  \
    for (int i = 0; i < BYTES / 4; ++i) out[threadIdx.x * BYTES / 4 + i] = box[threadIdx.x][i];                \
  }
CP_ASYNC(cp_async_4, "ca", 4)
CP_ASYNC(cp_async_8, "ca", 8)
CP_ASYNC(cp_async_16, "ca", 16)
CP_ASYNC(cp_async_16_cg, "cg", 16)

#define CONVERT_PAIR(NAME, FORM)                                                                               \
  extern "C" __global__ void NAME(const uint32_t* in, uint32_t* out) {                                         \
    const uint32_t high = in[threadIdx.x * 2], low = in[threadIdx.x * 2 + 1];                                  \
    asm volatile("cvt.rn." FORM ".f32 %0, %1, %2;\n" : "=r"(out[threadIdx.x]) : "f"(__uint_as_float(high)), "f"(__uint_as_float(low))); \
  }
CONVERT_PAIR(cvt_bf16x2, "bf16x2")
CONVERT_PAIR(cvt_f16x2, "f16x2")

extern "C" __global__ void cvt_rna_tf32(const uint32_t* in, uint32_t* out) {
  asm volatile("cvt.rna.tf32.f32 %0, %1;\n" : "=r"(out[threadIdx.x]) : "f"(__uint_as_float(in[threadIdx.x])));
}
extern "C" __global__ void prmt(const uint32_t* in, uint32_t* out) {
  out[threadIdx.x] = __byte_perm(in[threadIdx.x * 3], in[threadIdx.x * 3 + 1], in[threadIdx.x * 3 + 2]);
}
extern "C" __global__ void funnel_shift(const uint32_t* in, uint32_t* out) {
  out[threadIdx.x] = __funnelshift_rc(in[threadIdx.x * 3], in[threadIdx.x * 3 + 1], in[threadIdx.x * 3 + 2] % 40);
}
