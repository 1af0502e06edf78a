#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cstdint>
// Ordinary CUDA, so that the instructions nvcc emits for it are covered: divergence, local arrays, atomics, shuffles,
// packed bf16, approximate functions, named barriers.
extern "C" __global__ void softmax_rows(const __nv_bfloat16* in, __nv_bfloat16* out, int cols) {
  __shared__ float part[8];
  const __nv_bfloat16* x = in + size_t(blockIdx.x) * cols;
  float m = -INFINITY;
  for (int i = threadIdx.x; i < cols; i += blockDim.x) m = fmaxf(m, __bfloat162float(x[i]));
  for (int o = 16; o; o >>= 1) m = fmaxf(m, __shfl_xor_sync(~0u, m, o));
  if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = m;
  __syncthreads();
  m = part[0];
  for (int w = 1; w < 8; ++w) m = fmaxf(m, part[w]);
  __syncthreads();
  float s = 0;
  for (int i = threadIdx.x; i < cols; i += blockDim.x) s += expf(__bfloat162float(x[i]) - m);
  for (int o = 16; o; o >>= 1) s += __shfl_down_sync(~0u, s, o);
  if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = s;
  __syncthreads();
  s = 0;
  for (int w = 0; w < 8; ++w) s += part[w];
  for (int i = threadIdx.x; i < cols; i += blockDim.x)
    out[size_t(blockIdx.x) * cols + i] = __float2bfloat16(expf(__bfloat162float(x[i]) - m) / s);
}
extern "C" __global__ void divergent(const int* in, int* out, int n) {  // collatz lengths, a switch, local array
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  unsigned v = in[i];
  int steps = 0;
  int hist[4] = {0, 0, 0, 0};
  while (v != 1) {
    hist[v & 3]++;
    if (v & 1)
      v = 3 * v + 1;
    else
      v >>= 1;
    if (++steps > 500) break;
  }
  int r;
  switch (in[i] % 7) {
    case 0:
      r = steps;
      break;
    case 1:
      r = -steps;
      break;
    case 2:
      r = hist[in[i] & 3];
      break;
    case 3:
      r = __popc(in[i]);
      break;
    case 4:
      r = __clz(in[i]);
      break;
    case 5:
      r = in[i] / (i + 1);
      break;
    default:
      r = in[i] % (i + 3);
  }
  out[i] = r;
}
extern "C" __global__ void histogram(const uint32_t* in, unsigned* bins, float* sum, int n) {
  __shared__ unsigned local[64];
  if (threadIdx.x < 64) local[threadIdx.x] = 0;
  __syncthreads();
  float s = 0;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) {
    atomicAdd(&local[in[i] & 63], 1u);
    s += float(in[i] >> 16);
  }
  unsigned b = __ballot_sync(~0u, s > 0);
  if (threadIdx.x % 32 == 0) atomicAdd(sum, float(__popc(b)));
  __syncthreads();
  if (threadIdx.x < 64) atomicAdd(&bins[threadIdx.x], local[threadIdx.x]);
}
extern "C" __global__ void bf16_fma2(const __nv_bfloat162* a, const __nv_bfloat162* b, __nv_bfloat162* c, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) c[i] = __hfma2(a[i], b[i], __hmax2(a[i], b[i]));
}
extern "C" __global__ void vec4(const float4* a, float4* c, float* rs, int n) {
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += blockDim.x * gridDim.x) {
    float4 v = a[i];
    c[i] = make_float4(sqrtf(fabsf(v.x)), rsqrtf(1 + v.y * v.y), v.z / (1 + fabsf(v.w)), tanhf(v.w));
    rs[i] = __expf(v.x) + logf(1 + fabsf(v.y)) + floorf(v.z) + float(int(v.w)) + sinf(v.x);
  }
}
// Warp-specialised hand-over through a pair of named barriers (the ping-pong idiom): warp 0 fills, warp 1 drains.
template <bool kRacy>
__device__ void handoff_body(int* out, int rounds) {
  __shared__ int box[32];
  const int lane = threadIdx.x % 32;
  if (threadIdx.x < 32) {
    for (int r = 0; r < rounds; ++r) {
      if (!kRacy || r == 0) asm volatile("barrier.cta.sync.aligned 2, 64;" ::: "memory");  // empty
      box[lane] = r * 100 + lane;
      asm volatile("barrier.cta.arrive.aligned 1, 64;" ::: "memory");  // full
    }
  } else {
    asm volatile("barrier.cta.arrive.aligned 2, 64;" ::: "memory");
    for (int r = 0; r < rounds; ++r) {
      asm volatile("barrier.cta.sync.aligned 1, 64;" ::: "memory");
      out[r * 32 + lane] = box[31 - lane];
      if (!kRacy && r + 1 < rounds) asm volatile("barrier.cta.arrive.aligned 2, 64;" ::: "memory");
    }
  }
}
extern "C" __global__ void handoff(int* out, int rounds) { handoff_body<false>(out, rounds); }
extern "C" __global__ void handoff_racy(int* out, int rounds) { handoff_body<true>(out, rounds); }
template <bool kSync>
__device__ void warp_transpose(int* out) {
  __shared__ int t[32][33];
  const int lane = threadIdx.x % 32;
  for (int i = 0; i < 32; ++i) t[i][lane] = i * 32 + lane;
  if (kSync) __syncwarp();
  for (int i = 0; i < 32; ++i) out[i * 32 + lane] = t[lane][i];
}
extern "C" __global__ void transpose_syncwarp(int* out) { warp_transpose<true>(out); }
extern "C" __global__ void transpose_nosync(int* out) { warp_transpose<false>(out); }
extern "C" __global__ void half_warp_shuffle(int* out) {  // two halves take different branches, each with its own mask
  int lane = threadIdx.x, v = lane;
  if (lane < 16) {
    for (int o = 8; o; o >>= 1) v += __shfl_xor_sync(0x0000ffffu, v, o);
  } else {
    for (int o = 8; o; o >>= 1) v = max(v, __shfl_xor_sync(0xffff0000u, v, o));
  }
  out[lane] = v;
}
extern "C" __global__ void bank_conflict(int* out) {
  __shared__ int t[32][32];
  t[threadIdx.x][0] = threadIdx.x;
  __syncthreads();
  out[threadIdx.x * 8] = t[31 - threadIdx.x][0];
}

// Every size of cp.async, with the rest of the destination zero-filled.
template <int kBytes>
__device__ void copy(void* to, const void* from, uint32_t bytes) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;\n" ::"r"(uint32_t(__cvta_generic_to_shared(to))),
               "l"(from), "n"(kBytes), "r"(bytes)
               : "memory");
}
extern "C" __global__ void copy_sizes(const uint8_t* in, uint8_t* out) {  // lane l copies l % (size + 1) bytes
  __shared__ alignas(16) uint8_t box[3][32][16];
  const int lane = threadIdx.x;
  copy<4>(box[0][lane], in + lane * 16, lane % 5);
  copy<8>(box[1][lane], in + lane * 16, lane % 9);
  copy<16>(box[2][lane], in + lane * 16, lane % 17);
  asm volatile("cp.async.wait_all;\n" ::: "memory");
  for (int b = 0; b < 16; ++b) {
    if (b < 4) out[(0 * 32 + lane) * 16 + b] = box[0][lane][b];
    if (b < 8) out[(1 * 32 + lane) * 16 + b] = box[1][lane][b];
    out[(2 * 32 + lane) * 16 + b] = box[2][lane][b];
  }
}
extern "C" __global__ void warp_reductions(const int* in, int* out) {
  const int v = in[threadIdx.x];
  out[threadIdx.x] = __reduce_add_sync(~0u, v);
  out[32 + threadIdx.x] = __reduce_max_sync(~0u, v);
  out[64 + threadIdx.x] = int(__match_any_sync(~0u, v & 3));
  out[96 + threadIdx.x] = int(__ballot_sync(~0u, v > 0));
}
