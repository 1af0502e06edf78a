// One product after another of what the host put into shared memory, byte for byte; the results go back as they lie in
// tensor memory.  128 threads; the launch's dynamic shared memory holds the image.
#include "tests/simt/unit/ptx_tcgen05.cuh"
#include "tests/simt/unit/tcgen05_product.h"

extern __shared__ __align__(1024) unsigned char image[];

/// Starts step `s`; the descriptors' start addresses are offsets in the image.
template <class Start>
__device__ void start_products(const simt::test::Product& p, uint32_t d, Start start) {
  const uint64_t base = shared_address(image) >> 4 & 0x3fff;
#pragma unroll 1
  for (int s = 0; s < p.steps; ++s)
    start(d, p.a + base + uint64_t(s) * p.a_step, p.b + base + uint64_t(s) * p.b_step, p.instruction,
          s > 0 || p.accumulate);
}

/// Brings A, K-major in rows of 128 swizzled bytes at the image's start, to tensor memory: a row to its lane.
__device__ void store_a(uint32_t to) {
#pragma unroll 1
  for (int word = 0; word < 32; ++word) {
    const int byte = word * 4 ^ int(threadIdx.x) % 8 << 4;
    tensor_st_x1(to + word, *reinterpret_cast<const uint32_t*>(image + threadIdx.x * 128 + byte));
  }
  tensor_wait_st();
  tensor_fence_before();
}

template <int kGroup, bool kStoreA = false, class Products>
__device__ void run(const simt::test::Product& p, const unsigned char* bytes, uint32_t* out, Products products) {
  __shared__ alignas(8) uint64_t done;
  __shared__ uint32_t allocated;
  uint32_t rank;
  asm volatile("mov.u32 %0, %%cluster_ctarank;\n" : "=r"(rank));
  for (int i = threadIdx.x; i < p.bytes; i += 128) image[i] = bytes[rank * p.bytes + i];
  fence_proxy_async();
  if (threadIdx.x == 0) mbarrier_init(shared_address(&done), 1);
  if (threadIdx.x < 32) {
    tensor_alloc<kGroup>(shared_address(&allocated), 512);
    tensor_relinquish<kGroup>();
  }
  if constexpr (kGroup == 2) cluster_sync();
  __syncthreads();
  const uint32_t d = allocated, quarter = threadIdx.x / 32 * 32 << 16;
  if (p.accumulate) {  // into what tcgen05.st put there: lane + column
#pragma unroll 1
    for (int c = 0; c < p.columns; ++c) tensor_st_x1(d + quarter + c, __float_as_uint(float(int(threadIdx.x) + c)));
    tensor_wait_st();
    tensor_fence_before();
  }
  if constexpr (kStoreA) store_a(d + 256 + quarter);
  if constexpr (kGroup == 2) cluster_sync();
  __syncthreads();
  if (threadIdx.x == 0 && rank == 0) {
    tensor_fence_after();
    products(d);
    tensor_commit<kGroup>(shared_address(&done));
  }
  mbarrier_wait(shared_address(&done), 0);
  tensor_fence_after();
#pragma unroll 1
  for (int c = 0; c < p.columns; ++c) {
    const uint32_t value = tensor_ld_x1(d + quarter + c);
    tensor_wait_ld();
    out[(rank * 128 + threadIdx.x) * p.columns + c] = value;
  }
  if constexpr (kGroup == 2) cluster_sync();
  __syncthreads();
  if (threadIdx.x < 32) tensor_dealloc<kGroup>(d, 512);
}

#define PRODUCT(NAME, GROUP, MMA)                                                                               \
  extern "C" __global__ void NAME(const simt::test::Product p, const unsigned char* bytes, uint32_t* out) {     \
    run<GROUP>(p, bytes, out, [&](uint32_t d) {                                                                 \
      start_products(p, d, [](uint32_t t, uint64_t a, uint64_t b, uint32_t i, bool x) { MMA(t, a, b, i, x); }); \
    });                                                                                                         \
  }
PRODUCT(product_f16, 1, mma_f16)
PRODUCT(product_tf32, 1, mma_tf32)
PRODUCT(product_f8f6f4, 1, mma_f8f6f4)
PRODUCT(product_f16_pair, 2, mma_f16_pair)
PRODUCT(product_f8f6f4_pair, 2, mma_f8f6f4_pair)

extern "C" __global__ void product_f16_tensor_a(const simt::test::Product p, const unsigned char* bytes,
                                                uint32_t* out) {
  run<1, true>(p, bytes, out, [&](uint32_t d) {  // a product reads 8 columns of A; the descriptor of A is not used
    uint32_t a = d + 256;
    start_products(p, d, [&](uint32_t t, uint64_t, uint64_t b, uint32_t i, bool x) {
      mma_f16_tensor_a(t, a, b, i, x);
      a += 8;
    });
  });
}

// Scale factors come first, from 128 x 4 tiles at scale_a and scale_b of the image, to columns 256 and 264.
#define SCALED_PRODUCT(NAME, GROUP, MMA)                                                                          \
  extern "C" __global__ void NAME(const simt::test::Product p, const unsigned char* bytes, uint32_t* out) {       \
    run<GROUP>(p, bytes, out, [&](uint32_t d) {                                                                   \
      const uint64_t tile = (shared_address(image) >> 4 & 0x3fff) | uint64_t(128 >> 4) << 32 | uint64_t(1) << 46; \
      tensor_cp_32x128b<GROUP>(d + 256, tile + (p.scale_a >> 4));                                                 \
      for (int t = 0; t < p.b_scale_tiles; ++t)                                                                   \
        tensor_cp_32x128b<GROUP>(d + 264 + 4 * t, tile + (p.scale_b >> 4) + 32 * t);                              \
      start_products(p, d, [&](uint32_t t, uint64_t a, uint64_t b, uint32_t i, bool x) {                          \
        MMA(t, a, b, i, x, d + 256, d + 264);                                                                     \
      });                                                                                                         \
    });                                                                                                           \
  }
SCALED_PRODUCT(product_mxf8f6f4, 1, mma_mxf8f6f4)
SCALED_PRODUCT(product_mxf4, 1, mma_mxf4)
SCALED_PRODUCT(product_mxf4nvf4_2x, 1, mma_mxf4nvf4_2x)
SCALED_PRODUCT(product_mxf4nvf4, 1, mma_mxf4nvf4)
SCALED_PRODUCT(product_mxf4nvf4_pair, 2, mma_mxf4nvf4_pair)

#define COPY(NAME, CP)                                                                                      \
  extern "C" __global__ void NAME(const simt::test::Product p, const unsigned char* bytes, uint32_t* out) { \
    run<1>(p, bytes, out, [&](uint32_t d) { CP(d, p.a + (shared_address(image) >> 4 & 0x3fff)); });         \
  }
COPY(copy_32x128b, tensor_cp_32x128b<1>)
COPY(copy_128x128b, tensor_cp_128x128b)
COPY(copy_128x256b, tensor_cp_128x256b)
