#!/usr/bin/env python3
"""Bugs planted in the Blackwell kernels of the functional GPU's own tests: what it must notice, and as what."""
import mutants
from mutants import Mutant, Suite

HERE = "tests/simt/kernels/"
KERNEL = HERE + "gemm_sm100.cu"
WRAPPERS = HERE + "ptx_tcgen05.cuh"

MUTANTS = [
    # ---- tensor memory
    Mutant("not deallocated", KERNEL,
           "  if (warp == 5) ptx::tcgen05_dealloc<kCtas>(accumulators, T::kColumns);\n", "",
           expect="tensor memory.*not deallocated", quick=True),
    Mutant("half of it deallocated", KERNEL,
           "tcgen05_dealloc<kCtas>(accumulators, T::kColumns)", "tcgen05_dealloc<kCtas>(accumulators, T::kColumns / 2)",
           expect="tensor memory.*not an allocation"),
    Mutant("half of what is needed allocated", KERNEL,
           "tensor_memory), T::kColumns)", "tensor_memory), T::kColumns / 2)", expect="tensor memory.*not all allocated"),
    Mutant("deallocated while others load", KERNEL,
           "  sync_group<kCtas>();                                   // nobody reads tensor memory any more, nor signals a peer\n",
           "", expect="data race|tensor memory|barrier misuse"),
    Mutant("no barrier after allocation", KERNEL,
           "  sync_group<kCtas>();                                   // also: no product before the peer has its columns\n",
           "", expect="uninitialised shared memory|data race", quick=True),
    Mutant("second accumulator over the first", KERNEL,
           "const uint32_t d = accumulators + accumulator.stage * T::BN;", "const uint32_t d = accumulators;",
           expect="data race|never written"),
    Mutant("warps read each other's lanes", KERNEL,
           "(uint32_t(warp * 32) << 16)", "(uint32_t((warp ^ 1) * 32) << 16)", expect="tensor memory.*reaches lanes"),
    Mutant("every warp reads lanes 0 to 31", KERNEL,
           " + (uint32_t(warp * 32) << 16)", "", expect="tensor memory.*reaches lanes", quick=True),
    # ---- order
    Mutant("no fence after the commit", KERNEL,
           "accumulator.parity);\n      ptx::tcgen05_fence_after();", "accumulator.parity);",
           expect="missing tcgen05 fence.*after_thread_sync|missing tcgen05 fence", quick=True),
    Mutant("no fence before accumulators are handed back", KERNEL,
           "          ptx::tcgen05_fence_before();\n", "", expect="missing tcgen05 fence", quick=True),
    Mutant("no fence before products reuse an accumulator", KERNEL,
           "accumulator.parity ^ 1);\n      ptx::tcgen05_fence_after();", "accumulator.parity ^ 1);",
           expect="missing tcgen05 fence"),
    Mutant("no wait for loads", KERNEL, "        ptx::tcgen05_wait_ld();\n", "",
           expect="asynchronous operation.*tcgen05.wait::ld", quick=True),
    Mutant("accumulator handed back one slab too early", KERNEL,
           "if (slab + 1 == T::BN / T::kSlab)", "if (slab + 2 == T::BN / T::kSlab)", expect="data race"),
    Mutant("accumulator not waited for", KERNEL,
           "      ptx::mbarrier_wait(ptx::smem(&shared.drained[accumulator.stage]), accumulator.parity ^ 1);\n", "",
           expect="data race|deadlock"),
    Mutant("products not waited for", KERNEL,
           "      ptx::mbarrier_wait(ptx::smem(&shared.done[accumulator.stage]), accumulator.parity);\n", "",
           expect="data race|never written"),
    Mutant("stage handed back without a commit", KERNEL,
           "ptx::tcgen05_commit<kCtas>(ptx::smem(&shared.empty[pipe.stage]));",
           "ptx::mbarrier_arrive(ptx::smem(&shared.empty[pipe.stage]));", expect="data race|deadlock", quick=True),
    Mutant("stage committed before its last product", KERNEL,
           "        for (int kk = 0; kk < T::BK / 16; ++kk)          // 16 bf16 = 32 bytes = 2 descriptor units\n"
           "          ptx::tcgen05_mma",
           "        for (int kk = 0; kk < T::BK / 16; ++kk)\n"
           "          if (kk == 3) ptx::tcgen05_commit<kCtas>(ptx::smem(&shared.empty[pipe.stage]));\n#pragma unroll\n"
           "        for (int kk = 0; kk < T::BK / 16; ++kk)\n          ptx::tcgen05_mma",
           expect="data race|barrier misuse"),
    Mutant("loads not waited for", KERNEL,
           "        ptx::mbarrier_wait(ptx::smem(&shared.full[pipe.stage]), pipe.parity);\n", "",
           expect="data race|uninitialised shared memory"),
    Mutant("results leave without fence.proxy.async", KERNEL,
           "        ptx::fence_proxy_async();\n", "", expect="missing proxy fence"),
    # ---- products
    Mutant("first product adds to what was there", KERNEL, "kt + kk > 0", "true", expect="never written|wrong result", quick=True),
    Mutant("only the last k step counts", KERNEL, "kt + kk > 0", "kk > 0", expect="wrong result"),
    Mutant("k step of one unit", KERNEL, "a + kk * 2, b + kk * 2", "a + kk, b + kk", expect="wrong result"),
    Mutant("n of the instruction halved", KERNEL, "T::BM * kCtas, T::BN)", "T::BM * kCtas, T::BN / 2)",
           expect="never written|wrong result"),
    Mutant("a pair's product has the rows of one CTA", KERNEL, "tcgen05_instruction_bf16(T::BM * kCtas, T::BN)",
           "tcgen05_instruction_bf16(T::BM, T::BN)", expect="never written|wrong result|data race"),
    Mutant("every lane starts products", KERNEL, "warp == 5 && rank == 0 && ptx::elect_one()", "warp == 5 && rank == 0",
           expect="asynchronous operation.*32 lanes"),
    Mutant("both CTAs of a pair start products", KERNEL, "warp == 5 && rank == 0 && ", "warp == 5 && ",
           expect="tensor memory.*odd CTA|barrier misuse|deadlock"),
    Mutant("asm bf16 declared f16", WRAPPERS, "1u << 7 | 1u << 10", "0u << 7 | 0u << 10", expect="wrong result"),
    Mutant("asm B negated", WRAPPERS, "1u << 4 | 1u << 7", "1u << 4 | 1u << 14 | 1u << 7", expect="wrong result"),
    Mutant("asm descriptor of Hopper", WRAPPERS, "uint64_t(1) << 46 | uint64_t(2) << 61", "uint64_t(1) << 62",
           expect="bad descriptor", quick=True),
    Mutant("asm swizzle of 64 bytes", WRAPPERS, "uint64_t(2) << 61", "uint64_t(4) << 61", expect="bad descriptor|wrong result"),
    Mutant("asm SBO halved", WRAPPERS, "uint64_t(1024 >> 4)", "uint64_t(512 >> 4)", expect="wrong result"),
    Mutant("asm accumulate inverted", WRAPPERS, "setp.ne.b32 p, %4, 0;", "setp.eq.b32 p, %4, 0;",
           expect="never written|wrong result"),
    # ---- pairs
    Mutant("peer's loads signal its own barrier", WRAPPERS, "return bar & 0xfeffffff;", "return bar;",
           expect="deadlock|barrier misuse", quick=True),
    Mutant("loads of a pair without cta_group::2", WRAPPERS, "tensor.2d.cta_group::2.shared", "tensor.2d.shared",
           expect="barrier misuse.*without cta_group::2"),
    Mutant("commit reaches the leader alone", WRAPPERS, '"h"(uint16_t(3))', '"h"(uint16_t(1))', expect="deadlock"),
    Mutant("both CTAs load the same half of B", KERNEL, " + rank * (T::BN / kCtas);", ";", expect="wrong result"),
    Mutant("leader expects its own bytes alone", KERNEL, "&shared.full[s]), kCtas)", "&shared.full[s]), 1)",
           expect="data race|uninitialised shared memory|barrier misuse"),
    Mutant("drained by one CTA of two", KERNEL, "kCtas * T::kEpilogueWarps)", "T::kEpilogueWarps)",
           expect="data race|barrier misuse|deadlock"),
    Mutant("barriers of the peer not yet initialised", KERNEL,
           "    ptx::fence_mbarrier_init();\n  }\n  sync_group<kCtas>();", "    ptx::fence_mbarrier_init();\n  }\n  __syncthreads();",
           equivalent="the barrier after allocation orders them too"),
]

if __name__ == "__main__":
    mutants.main([Suite(source=KERNEL, arch="100a", ptx="gemm_sm100", mutants=MUTANTS,
                        test=["tests/simt/kernels/simt_kernels_sm100_test",
                              "--gtest_filter=*gemm_sm100_*264x520x456"])])
