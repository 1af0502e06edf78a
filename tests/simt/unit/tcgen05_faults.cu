// Two products into the same accumulator, and kernels that are the same but for one mistake.
// 160 threads: warps 0 to 3 bring the results out, warp 4 allocates and starts the products.
#include "tests/simt/unit/ptx_tcgen05.cuh"

enum class Mistake {
  None,
  NotDeallocated,
  DeallocatedTwice,
  OddSize,
  TooMuch,
  AllocatedAfterRelinquish,
  NeverAllocated,
  PastTheAllocation,
  OtherLanes,
  NoWaitForCommit,
  NoFenceAfterCommit,
  NoWaitForLoad,
  UsedBeforeWait,
  NoFenceBeforeRelease,
  NoFenceAfterDrain,
  NoWaitForDrain,
  NoProxyFence,
  RefilledTooEarly,
  StartedByAWarp,
  CommittedByAnotherThread,
  NeverCommitted,
  BadSharedDescriptor,
  BadInstruction,
  AnotherShape,
  AddsToNothing,
  NoWaitForStore,
  DeallocatedTooEarly,
};

// What can go wrong between the stores of A to tensor memory and the products that read it.
enum class MistakeWithA {
  None,
  NoWaitForStore,
  NoFenceBefore,
  NoFenceAfter,
  OverwrittenTooEarly,
  PastTheAllocation,
  NeverStored
};

constexpr int kN = 16;
struct Barriers {
  uint64_t done, drained;
};

/// Elements of A [128][16] and B [16][16] in core matrices of 8 rows by 16 bytes, two of them along k.
__device__ void fill(uint16_t* to, int rows, uint16_t value) {
  for (int i = threadIdx.x; i < rows * 16; i += blockDim.x) to[i] = value;
}
__device__ uint64_t descriptor(const void* p) {
  return (shared_address(p) & 0x3ffff) >> 4 | uint64_t(128 >> 4) << 16 | uint64_t(256 >> 4) << 32 | uint64_t(1) << 46;
}

template <Mistake kMistake>
__device__ void bring_out(uint32_t d, float* out, uint32_t done, uint32_t drained, uint32_t parity) {
  constexpr auto is = [](Mistake m) { return m == kMistake; };
  if (!is(Mistake::NoWaitForCommit)) mbarrier_wait(done, parity);
  if (!is(Mistake::NoFenceAfterCommit)) tensor_fence_after();
  const uint32_t quarter = is(Mistake::OtherLanes) ? (threadIdx.x / 32 ^ 1) * 32 << 16 : threadIdx.x / 32 * 32 << 16;
  const uint32_t from = d + quarter + (is(Mistake::PastTheAllocation) ? 32 : 0);
  if (is(Mistake::UsedBeforeWait)) {
    uint32_t sum;
    asm volatile(
        "{\n.reg .b32 r;\ntcgen05.ld.sync.aligned.32x32b.x1.b32 {r}, [%1];\nadd.u32 %0, r, 0;\n"
        "tcgen05.wait::ld.sync.aligned;\n}\n"
        : "=r"(sum)
        : "r"(from)
        : "memory");
    out[threadIdx.x] = __uint_as_float(sum);
  } else {
    const uint32_t value = tensor_ld_x1(from);
    if (!is(Mistake::NoWaitForLoad)) {
      tensor_wait_ld();
      out[threadIdx.x] = __uint_as_float(value);
    }
  }
  if (is(Mistake::NoWaitForStore)) {
    tensor_st_x1(from + 16, 0);
    tensor_ld_x1(from + 16);
    tensor_wait_ld();
  }
  if (!is(Mistake::NoFenceBeforeRelease)) tensor_fence_before();
  mbarrier_arrive(drained);
}

template <Mistake kMistake>
__device__ void products(float* out) {
  constexpr auto is = [](Mistake m) { return m == kMistake; };
  __shared__ alignas(1024) uint16_t a[128 * 16], b[kN * 16];
  __shared__ alignas(8) Barriers barriers;
  __shared__ uint32_t allocated;
  const int warp = threadIdx.x / 32;
  const uint32_t done = shared_address(&barriers.done), drained = shared_address(&barriers.drained);
  fill(a, 128, 0x3f80), fill(b, kN, 0x4000);  // 1 and 2
  if (!is(Mistake::NoProxyFence)) fence_proxy_async();
  if (threadIdx.x == 0) mbarrier_init(done, 1), mbarrier_init(drained, 128);
  if (warp == 4 && !is(Mistake::NeverAllocated)) {
    tensor_alloc<1>(shared_address(&allocated), is(Mistake::OddSize) ? 48 : is(Mistake::TooMuch) ? 512 : 32);
    if (is(Mistake::TooMuch)) tensor_alloc<1>(shared_address(&allocated), 32);
    tensor_relinquish<1>();
    if (is(Mistake::AllocatedAfterRelinquish)) tensor_alloc<1>(shared_address(&allocated), 32);
  }
  __syncthreads();
  const uint32_t d = is(Mistake::NeverAllocated) ? 0 : allocated;
  const uint64_t broken = is(Mistake::BadSharedDescriptor) ? uint64_t(1) << 46 : 0;
  const uint32_t instruction =
      1u << 4 | 1u << 7 | 1u << 10 | uint32_t(kN / 8) << 17 | (is(Mistake::BadInstruction) ? 6u : 8u) << 24;
  if (is(Mistake::StartedByAWarp) ? warp == 4 : threadIdx.x == 128) {
    mma_f16(d, descriptor(a) ^ broken, descriptor(b), instruction, is(Mistake::AddsToNothing));
    if (is(Mistake::AnotherShape)) mma_f16(d, descriptor(a), descriptor(b), instruction ^ 12u << 24, true);  // m = 64
    if (!is(Mistake::CommittedByAnotherThread) && !is(Mistake::NeverCommitted)) tensor_commit<1>(done);
  }
  if (is(Mistake::CommittedByAnotherThread)) {
    __syncwarp();
    if (threadIdx.x == 129) tensor_commit<1>(done);
  }
  if (is(Mistake::NeverCommitted)) {
    __syncthreads();
  } else if (warp < 4) {
    bring_out<kMistake>(d, out, done, drained, 0);
    bring_out<kMistake>(d, out + 128, done, drained, 1);
  } else if (threadIdx.x == 128) {
    if (!is(Mistake::RefilledTooEarly)) mbarrier_wait(done, 0);
    for (int i = 0; i < 128 * 16; ++i) a[i] = 0x4040;  // 3
    fence_proxy_async();
    if (!is(Mistake::NoWaitForDrain)) mbarrier_wait(drained, 0);
    if (!is(Mistake::NoFenceAfterDrain)) tensor_fence_after();
    mma_f16(d, descriptor(a), descriptor(b), instruction, false);
    tensor_commit<1>(done);
  }
  if (!is(Mistake::DeallocatedTooEarly)) __syncthreads();
  if (warp == 4 && !is(Mistake::NotDeallocated)) {
    __syncwarp();
    tensor_dealloc<1>(d, 32);
    if (is(Mistake::DeallocatedTwice)) tensor_dealloc<1>(d, 32);
  }
}

#define KERNEL(NAME) \
  extern "C" __global__ void NAME(float* out) { products<Mistake::NAME>(out); }
KERNEL(None)
KERNEL(NotDeallocated)
KERNEL(DeallocatedTwice)
KERNEL(OddSize)
KERNEL(TooMuch)
KERNEL(AllocatedAfterRelinquish)
KERNEL(NeverAllocated)
KERNEL(PastTheAllocation)
KERNEL(OtherLanes)
KERNEL(NoWaitForCommit)
KERNEL(NoFenceAfterCommit)
KERNEL(NoWaitForLoad)
KERNEL(UsedBeforeWait)
KERNEL(NoFenceBeforeRelease)
KERNEL(NoFenceAfterDrain)
KERNEL(NoWaitForDrain)
KERNEL(NoProxyFence)
KERNEL(RefilledTooEarly)
KERNEL(StartedByAWarp)
KERNEL(CommittedByAnotherThread)
KERNEL(NeverCommitted)
KERNEL(BadSharedDescriptor)
KERNEL(BadInstruction)
KERNEL(AnotherShape)
KERNEL(AddsToNothing)
KERNEL(NoWaitForStore)
KERNEL(DeallocatedTooEarly)

template <MistakeWithA kMistake>
__device__ void product_of_stored(float* out) {
  constexpr auto is = [](MistakeWithA m) { return m == kMistake; };
  __shared__ alignas(1024) uint16_t b[kN * 16];
  __shared__ alignas(8) uint64_t done, stored;
  __shared__ uint32_t allocated;
  const int warp = threadIdx.x / 32;
  fill(b, kN, 0x4000);
  fence_proxy_async();
  if (threadIdx.x == 0) mbarrier_init(shared_address(&done), 1), mbarrier_init(shared_address(&stored), 128);
  if (warp == 4) tensor_alloc<1>(shared_address(&allocated), 32), tensor_relinquish<1>();
  __syncthreads();
  const uint32_t d = allocated, a = d + (is(MistakeWithA::PastTheAllocation) ? 28 : 16);
  if (warp < 4) {
    const uint32_t quarter = warp * 32 << 16;
    for (int c = 0; c < 8; ++c)
      if (!is(MistakeWithA::NeverStored) || c < 7) tensor_st_x1(d + 16 + quarter + c, 0x3f803f80);  // 1, 1
    if (!is(MistakeWithA::NoWaitForStore)) tensor_wait_st();
    if (!is(MistakeWithA::NoFenceBefore)) tensor_fence_before();
    mbarrier_arrive(shared_address(&stored));
    if (is(MistakeWithA::OverwrittenTooEarly)) tensor_st_x1(d + 16 + quarter, 0), tensor_wait_st();
    mbarrier_wait(shared_address(&done), 0);
    tensor_fence_after();
    const uint32_t value = tensor_ld_x1(d + quarter);
    tensor_wait_ld();
    out[threadIdx.x] = __uint_as_float(value);
    tensor_fence_before();
  } else if (threadIdx.x == 128) {
    mbarrier_wait(shared_address(&stored), 0);
    if (!is(MistakeWithA::NoFenceAfter)) tensor_fence_after();
    mma_f16_tensor_a(d, a, descriptor(b), 1u << 4 | 1u << 7 | 1u << 10 | uint32_t(kN / 8) << 17 | 8u << 24, false);
    tensor_commit<1>(shared_address(&done));
  }
  __syncthreads();
  if (warp == 4) tensor_dealloc<1>(d, 32);
}
#define KERNEL_WITH_A(NAME) \
  extern "C" __global__ void a_##NAME(float* out) { product_of_stored<MistakeWithA::NAME>(out); }
KERNEL_WITH_A(None)
KERNEL_WITH_A(NoWaitForStore)
KERNEL_WITH_A(NoFenceBefore)
KERNEL_WITH_A(NoFenceAfter)
KERNEL_WITH_A(OverwrittenTooEarly)
KERNEL_WITH_A(PastTheAllocation)
KERNEL_WITH_A(NeverStored)

// Only one CTA of a pair allocates.
extern "C" __global__ void half_a_pair_allocates() {
  __shared__ uint32_t allocated;
  uint32_t rank;
  asm volatile("mov.u32 %0, %%cluster_ctarank;\n" : "=r"(rank));
  if (rank == 0) tensor_alloc<2>(shared_address(&allocated), 32);
}
