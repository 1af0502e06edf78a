// Kernels with one mistake each, beside the same kernel without it.
#include <cstdint>

__device__ __forceinline__ uint32_t shared_address(const void* p) { return uint32_t(__cvta_generic_to_shared(p)); }
__device__ __forceinline__ void cp_async_4(void* to, const void* from) {
  asm volatile("cp.async.ca.shared.global [%0], [%1], 4;\n" ::"r"(shared_address(to)), "l"(from) : "memory");
}

template <bool kSync>
__device__ void exchange_through_shared(int* out) {
  __shared__ int box[64];
  box[threadIdx.x] = int(threadIdx.x);
  if (kSync) __syncthreads();
  out[threadIdx.x] = box[63 - threadIdx.x];
}
extern "C" __global__ void exchange(int* out) { exchange_through_shared<true>(out); }
extern "C" __global__ void exchange_without_barrier(int* out) { exchange_through_shared<false>(out); }

template <int kPending>
__device__ void copy_and_read(const int* in, int* out) {
  __shared__ int box[32];
  cp_async_4(&box[threadIdx.x], in + threadIdx.x);
  asm volatile("cp.async.commit_group;\n" ::: "memory");
  asm volatile("cp.async.wait_group %0;\n" ::"n"(kPending) : "memory");
  out[threadIdx.x] = box[threadIdx.x];
}
extern "C" __global__ void copy_waited(const int* in, int* out) { copy_and_read<0>(in, out); }
extern "C" __global__ void copy_not_waited(const int* in, int* out) { copy_and_read<1>(in, out); }
extern "C" __global__ void copy_never_waited(const int* in, int* out) {
  __shared__ int box[32];
  cp_async_4(&box[threadIdx.x], in + threadIdx.x);
  out[threadIdx.x] = 0;
}

// Shared memory written by ordinary stores, then sent out by the asynchronous proxy.
template <bool kFence>
__device__ void bulk_store(int* out) {
  __shared__ alignas(128) int box[32];
  box[threadIdx.x] = int(threadIdx.x) * 3;
  if (kFence) asm volatile("fence.proxy.async.shared::cta;\n" ::: "memory");
  __syncwarp();
  if (threadIdx.x == 0) {
    asm volatile("cp.async.bulk.global.shared::cta.bulk_group [%0], [%1], 128;\n" ::"l"(out), "r"(shared_address(box))
                 : "memory");
    asm volatile("cp.async.bulk.commit_group;\ncp.async.bulk.wait_group 0;\n" ::: "memory");
  }
}
extern "C" __global__ void store_fenced(int* out) { bulk_store<true>(out); }
extern "C" __global__ void store_not_fenced(int* out) { bulk_store<false>(out); }

// A bulk load that signals an mbarrier on which every thread waits.
extern "C" __global__ void bulk_load(const int* in, int* out) {
  __shared__ alignas(128) int box[32];
  __shared__ alignas(8) uint64_t barrier;
  const uint32_t b = shared_address(&barrier);
  if (threadIdx.x == 0) {
    asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;\nfence.mbarrier_init.release.cluster;\n" ::"r"(b) : "memory");
    asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], 128;\n" ::"r"(b) : "memory");
    asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], 128, [%2];\n" ::"r"(
                     shared_address(box)),
                 "l"(in), "r"(b)
                 : "memory");
  }
  __syncthreads();
  asm volatile(
      "{\n.reg .pred done;\nWAIT: mbarrier.try_wait.parity.shared::cta.b64 done, [%0], 0;\n@!done bra WAIT;\n}\n" ::"r"(
          b)
      : "memory");
  out[threadIdx.x] = box[threadIdx.x];
}

extern "C" __global__ void past_the_end(int* out, int n) {
  if (int(threadIdx.x) <= n) out[threadIdx.x] = 1;
}
extern "C" __global__ void before_the_start(int* out) { out[int(threadIdx.x) - 1] = 1; }
extern "C" __global__ void outside_shared(int* out, int i) {
  extern __shared__ int dynamic[];
  dynamic[i + threadIdx.x] = 1;
  __syncthreads();
  out[threadIdx.x] = dynamic[i + threadIdx.x];
}
extern "C" __global__ void never_written(int* out, int i) {
  __shared__ int box[64];
  if (threadIdx.x < 31) box[threadIdx.x] = 1;
  __syncthreads();
  out[threadIdx.x] = box[threadIdx.x + i];
}
extern "C" __global__ void misaligned(float4* out, int offset) {
  *reinterpret_cast<float4*>(reinterpret_cast<char*>(out) + offset) = make_float4(0, 0, 0, 0);
}

extern "C" __global__ void barrier_in_half_a_block(int* out) {
  if (threadIdx.x >= 32) asm volatile("barrier.cta.sync.aligned 1, 64;\n" ::: "memory");
  out[threadIdx.x] = 1;
}
extern "C" __global__ void half_a_warp_at_a_barrier(int* out) {
  if (threadIdx.x < 16) asm volatile("barrier.cta.sync.aligned 1, 32;\n" ::: "memory");
  out[threadIdx.x] = 1;
}
extern "C" __global__ void wrong_shuffle_mask(int* out) {
  int v = threadIdx.x;
  if (threadIdx.x < 16) v = __shfl_xor_sync(0xffu, v, 1);
  out[threadIdx.x] = v;
}
extern "C" __global__ void wait_for_nobody(int* out) {
  __shared__ alignas(8) uint64_t barrier;
  const uint32_t b = shared_address(&barrier);
  if (threadIdx.x == 0) asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;\n" ::"r"(b) : "memory");
  __syncthreads();
  asm volatile(
      "{\n.reg .pred done;\nWAIT: mbarrier.try_wait.parity.shared::cta.b64 done, [%0], 0;\n@!done bra WAIT;\n}\n" ::"r"(
          b)
      : "memory");
  out[threadIdx.x] = 1;
}

// The last CTA to finish adds up what the others left in `partial`.
template <bool kRelease, bool kAcquire>
__device__ void sum_by_the_last(int* partial, unsigned* count, int* total) {
  __shared__ bool last;
  partial[blockIdx.x * blockDim.x + threadIdx.x] = int(blockIdx.x);
  __syncthreads();
  if (threadIdx.x == 0) {
    if (kRelease) __threadfence();
    last = atomicAdd(count, 1u) == gridDim.x - 1;
    if (kAcquire) __threadfence();
  }
  __syncthreads();
  if (last && threadIdx.x == 0) {
    int sum = 0;
    for (unsigned i = 0; i < gridDim.x * blockDim.x; ++i) sum += partial[i];
    *total = sum;
  }
}
extern "C" __global__ void last_block(int* p, unsigned* c, int* t) { sum_by_the_last<true, true>(p, c, t); }
extern "C" __global__ void last_block_without_release(int* p, unsigned* c, int* t) {
  sum_by_the_last<false, true>(p, c, t);
}
extern "C" __global__ void last_block_without_acquire(int* p, unsigned* c, int* t) {
  sum_by_the_last<true, false>(p, c, t);
}

// CTA 0 waits for a flag that CTA 1 sets.
extern "C" __global__ void wait_for_a_later_cta(int* data, unsigned* flag, int* out) {
  if (threadIdx.x) return;
  if (blockIdx.x == 1) {
    *data = 42;
    asm volatile("st.release.gpu.global.u32 [%0], 1;\n" ::"l"(flag) : "memory");
  } else {
    unsigned seen;
    do asm volatile("ld.acquire.gpu.global.u32 %0, [%1];\n" : "=r"(seen) : "l"(flag) : "memory");
    while (!seen);
    *out = *data;
  }
}
extern "C" __global__ void wait_relaxed(int* data, unsigned* flag, int* out) {
  if (threadIdx.x) return;
  if (blockIdx.x == 1) {
    *data = 42;
    asm volatile("st.release.gpu.global.u32 [%0], 1;\n" ::"l"(flag) : "memory");
  } else {
    unsigned seen;
    do asm volatile("ld.relaxed.gpu.global.u32 %0, [%1];\n" : "=r"(seen) : "l"(flag) : "memory");
    while (!seen);
    *out = *data;
  }
}

// CTA 1 of a pair arrives at a barrier of CTA 0, which waits for that, or ends whenever it likes.
template <bool kWaits>
__device__ void signal_the_other(int* out) {
  __shared__ std::uint64_t barrier;
  const auto b = static_cast<std::uint32_t>(__cvta_generic_to_shared(&barrier));
  std::uint32_t rank;
  asm volatile("mov.u32 %0, %%cluster_ctarank;\n" : "=r"(rank));
  if (threadIdx.x == 0)
    asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;\nfence.mbarrier_init.release.cluster;\n" ::"r"(b) : "memory");
  __syncwarp();
  asm volatile("barrier.cluster.arrive.release.aligned;\nbarrier.cluster.wait.acquire.aligned;\n" ::: "memory");
  if (rank == 1 && threadIdx.x == 0)
    asm volatile(
        "{\n.reg .b32 remote;\nmapa.shared::cluster.u32 remote, %0, 0;\n"
        "mbarrier.arrive.release.cluster.shared::cluster.b64 _, [remote];\n}\n" ::"r"(b)
        : "memory");
  if (kWaits && rank == 0)
    asm volatile(
        "{\n.reg .pred done;\nWAIT: mbarrier.try_wait.parity.shared::cta.b64 done, [%0], 0;\n@!done bra WAIT;\n}\n" ::
            "r"(b)
        : "memory");
  out[rank] = 1;
}
extern "C" __global__ void signalled_and_waited(int* out) { signal_the_other<true>(out); }
extern "C" __global__ void signalled_perhaps_after_its_end(int* out) { signal_the_other<false>(out); }
