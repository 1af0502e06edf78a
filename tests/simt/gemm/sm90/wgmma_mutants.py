#!/usr/bin/env python3
"""Bugs planted in wgmma_sm90.  Run by ctest; see tests/simt/mutants.py for the options."""
import mutants

KERNEL = "kernels/gemm/sm90/wgmma.cuh"
OUTPUT = "kernels/gemm/sm90/wgmma_output.cuh"
SCHEDULE = "kernels/gemm/sm90/wgmma_schedule.h"
DESCRIPTOR = "kernels/common/ptx/wgmma_descriptor.h"
WGMMA = "kernels/common/ptx/wgmma.cuh"
GLOBAL = "kernels/common/ptx/global_access.cuh"

WRONG = "wrong result"
RACE = "data race"
DEADLOCK = "deadlock"
FENCE = "missing proxy fence"
BOUNDS = "out of bounds"
BANKS = "bank conflicts"
UNINITIALISED = "uninitialised shared memory"
ASYNC = "asynchronous operation"
MISUSE = "barrier misuse"


def suite(probe, arguments, planted):
    """One instance, run on one problem: DTYPE LAYOUT M N K CONFIG SMS.  A fifth element True: part of the quick run."""
    return mutants.Suite(source=f"tests/simt/gemm/sm90/probes/{probe}.cu", arch="90a", ptx=probe,
                         test=["tests/simt/gemm/sm90/wgmma_sm90_probe", probe] + arguments.split(),
                         mutants=[mutants.Mutant(f"{probe}: {m[0]}", *m[1:4], expect=m[4], quick=len(m) > 5)
                                  for m in planted])


# Pairs of CTAs along m, several ragged tiles for each, more k than the ring holds; 16-bit output.
TN = [
    ("producer waits for the other parity", KERNEL, "ring.parity ^ 1);", "ring.parity);", DEADLOCK, True),
    ("producer does not wait for an empty stage", KERNEL,
     "      ptx::mbarrier_wait(ptx::shared_address(&shared.empty[ring.stage]), ring.parity ^ 1);\n", "", MISUSE),
    ("fewer bytes expected than come", KERNEL, "arrive_expect_tx(full, I::kStageBytes)",
     "arrive_expect_tx(full, I::kStageBytes - 1024)", DEADLOCK),
    ("more bytes expected than come", KERNEL, "arrive_expect_tx(full, I::kStageBytes)",
     "arrive_expect_tx(full, I::kStageBytes + 16)", DEADLOCK),
    ("multicast to one CTA", KERNEL, "(1 << parts) - 1", "1", DEADLOCK),
    ("both halves of b to one place", KERNEL, "load(tile + first * 128, k, mn + first);", "load(tile, k, mn + first);",
     RACE, True),
    ("one half of b twice", KERNEL, "load(tile + first * 128, k, mn + first);", "load(tile + first * 128, k, mn);",
     WRONG),
    ("a stage handed back while it is read", KERNEL, "ptx::wgmma_wait<1>();  // the stage",
     "ptx::wgmma_wait<2>();  // the stage", RACE, True),
    ("the last stage handed back while it is read", KERNEL,
     "    ptx::wgmma_wait<0>();\n    ptx::wgmma_registers_fence(d);\n    release_stage(previous, cluster_size);",
     "    release_stage(previous, cluster_size);\n    ptx::wgmma_wait<0>();\n    ptx::wgmma_registers_fence(d);", RACE),
    ("the last stage never handed back", KERNEL,
     "    ptx::wgmma_registers_fence(d);\n    release_stage(previous, cluster_size);",
     "    ptx::wgmma_registers_fence(d);", DEADLOCK),
    ("a stage handed back to one CTA", KERNEL, "if (lane < cluster_size) ptx::mbarrier", "if (lane < 1) ptx::mbarrier",
     DEADLOCK),
    ("every lane hands the stage back", KERNEL, "if (lane < cluster_size) ptx::mbarrier_arrive_remote(empty, lane);",
     "ptx::mbarrier_arrive_remote(empty, lane % cluster_size);", DEADLOCK),
    ("consumers wait for the other parity", KERNEL, "&shared.full[ring.stage]), ring.parity);",
     "&shared.full[ring.stage]), ring.parity ^ 1);", UNINITIALISED, True),
    ("consumers do not wait", KERNEL,
     "      ptx::mbarrier_wait(ptx::shared_address(&shared.full[ring.stage]), ring.parity);\n", "", UNINITIALISED),
    ("no wgmma.fence", KERNEL, "  ptx::wgmma_fence();\n", "", ASYNC),
    ("no wgmma.commit_group", KERNEL, "  ptx::wgmma_commit();\n", "", RACE),
    ("no wait for the accumulators", KERNEL, "    ptx::wgmma_wait<0>();\n    ptx::wgmma_registers_fence",
     "    ptx::wgmma_registers_fence", ASYNC),
    ("each stage's product replaces the last one's", KERNEL, "shared.stage[ring.stage], consumer, i > 0);",
     "shared.stage[ring.stage], consumer, false);", WRONG),
    ("a tile adds to the one before", KERNEL, "shared.stage[ring.stage], consumer, i > 0);",
     "shared.stage[ring.stage], consumer, true);", WRONG),
    ("k does not advance in a", KERNEL, "d, a + step * I::TileA::kDescriptorStep,", "d, a,", WRONG),
    ("both warpgroups multiply the same rows", KERNEL, "ptx::shared_address(stage.a), consumer * 64)",
     "ptx::shared_address(stage.a), 0)", WRONG),
    ("groups of eight rows half as far apart", DESCRIPTOR, "return wgmma_descriptor(tile + mn * 128, 16, 1024);",
     "return wgmma_descriptor(tile + mn * 128, 16, 512);", WRONG),
    ("no swizzle in the descriptor", DESCRIPTOR, "kSwizzle128B << 62", "std::uint64_t(0) << 62", WRONG),
    ("b's descriptor for a", WGMMA, '"l"(desc_a), "l"(desc_b)', '"l"(desc_b), "l"(desc_a)', WRONG),
    ("d staged without swizzle", OUTPUT, "buffer + ptx::swizzle_128b(block_row * 128 + (j + block / 2) * 16)",
     "buffer + block_row * 128 + (j + block / 2) * 16", "wrong result|bank conflicts"),
    ("stmatrix blocks in ldmatrix's other order", OUTPUT, "warp * 16 + block % 2 * 8 + lane % 8",
     "warp * 16 + block / 2 * 8 + lane % 8", RACE),
    ("middle blocks of stmatrix exchanged", OUTPUT, "I::Element::pack(v[2], v[3]), I::Element::pack(v[4], v[5])",
     "I::Element::pack(v[4], v[5]), I::Element::pack(v[2], v[3])", WRONG),
    ("no proxy fence before the store", OUTPUT,
     "    ptx::fence_proxy_async();\n    ptx::barrier_sync(1 + consumer_, 128);",
     "    ptx::barrier_sync(1 + consumer_, 128);", FENCE, True),
    ("no barrier before the store", OUTPUT, "    ptx::fence_proxy_async();\n    ptx::barrier_sync(1 + consumer_, 128);",
     "    ptx::fence_proxy_async();", "data race|missing proxy fence"),
    ("a staging buffer filled while it is read", OUTPUT, "ptx::tma_store_wait_read<1>();",
     "ptx::tma_store_wait_read<2>();", RACE, True),
    ("others do not wait until the buffer is free", OUTPUT,
     "    if (threadIdx.x % 128 == 0) ptx::tma_store_wait_read<1>();\n    ptx::barrier_sync(1 + consumer_, 128);",
     "    if (threadIdx.x % 128 == 0) ptx::tma_store_wait_read<1>();", RACE),
    ("one staging buffer for all", OUTPUT, "    buffer_ ^= 1;\n", "", RACE),
    ("exit with stores on their way", KERNEL, "  if (threadIdx.x % 128 == 0) ptx::tma_store_wait<0>();", "", ASYNC),
    ("both warpgroups meet at one barrier", OUTPUT, "ptx::barrier_sync(1 + consumer_, 128);",
     "ptx::barrier_sync(1, 128);", RACE),
    ("empty counts one arrival per warpgroup", KERNEL, "cluster_size * kConsumers * 4)", "cluster_size * kConsumers)",
     RACE),
    ("barriers not made known to the async proxy", KERNEL, "    ptx::fence_mbarrier_init();\n", "", FENCE),
    ("nobody waits for the barriers' initialisation", KERNEL,
     "  ptx::cluster_arrive();\n  ptx::cluster_wait();\n}\n\n/// All of", "}\n\n/// All of", RACE),
    ("all lanes are producers", KERNEL, "if (threadIdx.x < 32 && ptx::elect_one()) produce",
     "if (threadIdx.x < 32) produce", MISUSE),
    ("more registers than there are", KERNEL, "ptx::setmaxnreg_inc<232>()", "ptx::setmaxnreg_inc<240>()", DEADLOCK),
    ("columns of d half as far apart", OUTPUT, "staging.store(map, row, column + slab * 64);",
     "staging.store(map, row, column + slab * 32);", WRONG),
    ("both warpgroups store the same rows", KERNEL, "const int row = work.m + consumer * 64;",
     "const int row = work.m;", WRONG),
    ("both CTAs compute the same rows", SCHEDULE, "at.row * place_.cluster_m + place_.along_m()",
     "at.row * place_.cluster_m", WRONG),
    ("tiles left out", SCHEDULE, "unit_ += place_.clusters;", "unit_ += place_.clusters + 1;", WRONG),
    ("a cluster's CTAs are far apart in the grid", KERNEL, "static_cast<int>(blockIdx.x) / size,",
     "static_cast<int>(blockIdx.x) % (static_cast<int>(gridDim.x) / size),", WRONG),
]

# Operands with m and n contiguous, three panels of b; pairs along n; d is added to.
NT = [
    ("b not transposed", WGMMA, '"n"(static_cast<int>(kB)))', '"n"(0))', RACE),
    ("panels 1024 bytes apart", DESCRIPTOR, "kPanelBytes, kPanelBytes, 1024);", "kPanelBytes, 1024, 1024);", WRONG,
     True),
    ("all panels to one place", KERNEL, "load(tile + panel * OperandTile::kPanelBytes + first * 128,",
     "load(tile + first * 128,", RACE),
    ("one panel three times", KERNEL, "mn + panel * OperandTile::kRowElements, k + first);", "mn, k + first);", WRONG),
    ("one half of k twice", KERNEL, "kRowElements, k + first);", "kRowElements, k);", WRONG),
    ("both halves of k to one place", KERNEL, "kPanelBytes + first * 128,", "kPanelBytes,", RACE),
    ("old values forgotten", OUTPUT, "before.x + sum.x", "sum.x", WRONG),
    ("old values of another slab", OUTPUT, "column + (slab + kAhead) * 32", "column + (slab + 1) * 32", WRONG),
    ("old values read below the last row", OUTPUT, "r < p.m && c < p.n\n", "c < p.n\n", BOUNDS, True),
    ("old values read past the last row's end", OUTPUT, "r < p.m && c < p.n\n", "r < p.m\n", BOUNDS),
    ("odd rows in the order of even ones", OUTPUT, "odd(threadIdx.x / 4 % 2)", "odd(0)", BANKS, True),
    ("odd rows' pairs taken from even ones' place", OUTPUT, "return odd ? make_float2(other",
     "return !odd ? make_float2(other", WRONG),
    ("lower rows over upper ones", OUTPUT, "ptx::swizzle_128b((at.row + half * 8) * 128",
     "ptx::swizzle_128b(at.row * 128", UNINITIALISED),
    ("column of a thread's pair", OUTPUT, "pair(threadIdx.x % 4 * 2)", "pair(threadIdx.x % 4)", "misaligned address"),
    ("tiles computed by several clusters", SCHEDULE, "unit_ += place_.clusters;", "unit_ += 1;", WRONG),
    ("both CTAs compute the same columns", SCHEDULE, "at.column * place_.cluster_n + place_.along_n()",
     "at.column * place_.cluster_n", WRONG),
]

# Three tiles in three slices of k, dealt out to two clusters that run side by side.
SLICED = [
    ("counter not reset", KERNEL, "  if (thread == 0) p.arrived[tile] = 0;", "", "counter"),
    ("arrival before all have stored", KERNEL,
     "  ptx::barrier_sync(1 + consumer, 128);\n  if (thread == 0) shared.slices", "  if (thread == 0) shared.slices",
     RACE, True),
    ("count without order", GLOBAL, "atom.acq_rel.gpu", "atom.relaxed.gpu", RACE, True),
    ("slices in one place", KERNEL, "sums + work.slice * (kVectors * 128)", "sums", RACE),
    ("nobody is last", KERNEL, "shared.slices_before[consumer] + 1 <", "shared.slices_before[consumer] <", WRONG),
    ("the last but one adds up, too", KERNEL, "shared.slices_before[consumer] + 1 <",
     "shared.slices_before[consumer] + 2 <", RACE),
    ("both CTAs add up in one place", KERNEL, "(p.cluster_m * p.cluster_n) + rank) *", "(p.cluster_m * p.cluster_n)) *",
     RACE),
    ("both warpgroups add up in one place", KERNEL, "kConsumers + consumer;\n  float4", "kConsumers;\n  float4", RACE),
    ("who is last is read too early", KERNEL, "(p.arrived + tile, 1);\n  ptx::barrier_sync(1 + consumer, 128);",
     "(p.arrived + tile, 1);", "data race|uninitialised"),
    ("first slice left out of the sum", KERNEL, "for (int slice = 0; slice < work.slices",
     "for (int slice = 1; slice < work.slices", WRONG),
    ("every slice begins at 0", SCHEDULE, "work.k = first * place_.tile_k;", "work.k = 0;", WRONG),
    ("slices overlap", SCHEDULE, "work.k_tiles = end - first;", "work.k_tiles = end - first + 1;", WRONG),
    ("whole tiles begin with a sliced one", SCHEDULE, "unit_ - sliced_units + s.sliced_tiles;", "unit_ - sliced_units;",
     WRONG),
    ("vectors of a thread half as far apart", KERNEL, "ptx::store_global_l2(own + i * 128,",
     "ptx::store_global_l2(own + i * 64,", RACE),
]

TF32 = [
    ("steps of k twice as long", DESCRIPTOR, "kMajor == Major::k ? 32 :", "kMajor == Major::k ? 64 :", "bad descriptor"),
    ("bf16's elements per row of d", OUTPUT, "staging.store(p.map_d, row, column + slab * 32);",
     "staging.store(p.map_d, row, column + slab * 64);", WRONG),
]

if __name__ == "__main__":
    mutants.main([
        suite("wgmma_bf16_tn", "bf16 tn 264 264 328 128x256x64/c2m/s1 4", TN),
        suite("wgmma_bf16_nt", "bf16 nt 72 456 328 128x192x64/c2n/s1 4", NT),
        suite("wgmma_bf16_sliced", "bf16 tn 200 264 776 128x128x64/c2m/s3 4", SLICED),
        suite("wgmma_tf32_tn", "tf32 tn 136 136 200 128x128x32/c1/s1 4", TF32),
    ])
