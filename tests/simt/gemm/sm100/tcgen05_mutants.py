#!/usr/bin/env python3
"""Bugs planted in tcgen05_sm100.  Run by ctest; see tests/simt/mutants.py for the options."""
import mutants

KERNEL = "kernels/gemm/sm100/tcgen05.cuh"
PTX = "kernels/common/ptx/tcgen05.cuh"

WRONG = "wrong result"
DEADLOCK = "deadlock"
RACE = "data race"
PROXY = "proxy fence"
FENCE = "missing tcgen05 fence"
HAZARD = "data race|uninitialised|wrong result"


def suite(probe, run, planted):
    """One instance on one problem (see parse_tcgen05_run)."""
    return mutants.Suite(source=f"tests/simt/gemm/sm100/probes/{probe}.cu", arch="100a", ptx=probe,
                         test=["tests/simt/gemm/sm100/tcgen05_probe", probe, run],
                         mutants=[mutants.Mutant(f"{probe[8:]}: {name}", file, old, new, expect=expect, quick=bool(quick))
                                  for name, file, old, new, expect, *quick in planted])


# Two rows of four ragged tiles, four tiles per pair; eight stages of k on a ring of six.  A last column: quick.
PAIR = [
    # ring
    ("tile multiplied before it has landed", KERNEL,
     "      ptx::mbarrier_wait(shared_address(&shared.full[pipe.stage]), pipe.parity);\n", "", HAZARD, 1),
    ("producer waits for the wrong parity", KERNEL, "shared_address(&shared.empty[s]), pipe.parity ^ 1)",
     "shared_address(&shared.empty[s]), pipe.parity)", DEADLOCK),
    ("stage refilled without waiting", KERNEL,
     "      ptx::mbarrier_wait(shared_address(&shared.empty[s]), pipe.parity ^ 1);\n", "", "any", 1),
    ("stage released before it is multiplied", KERNEL, "      multiply_stage<Kind, Shape>(",
     "      ptx::tcgen05_commit<Shape::kCtas>(shared_address(&shared.empty[pipe.stage]));\n"
     "      multiply_stage<Kind, Shape>(", "any"),
    ("half of the bytes expected", KERNEL, "Shape::kStageBytes * Shape::kCtas", "Shape::kStageBytes", "any"),
    ("both CTAs expect all bytes", KERNEL, "if (rank == 0) ptx::mbarrier_arrive_expect_tx",
     "ptx::mbarrier_arrive_expect_tx", "any"),
    ("peer's loads signal its own barrier", KERNEL,
     "      if constexpr (Shape::kCtas == 2) full = ptx::cluster_address(full, 0);\n", "", "any", 1),
    ("stages released in the leader alone", PTX, '"h"(std::uint16_t(0b11))', '"h"(std::uint16_t(0b01))', DEADLOCK, 1),
    ("stages released in the peer alone", PTX, '"h"(std::uint16_t(0b11))', '"h"(std::uint16_t(0b10))', DEADLOCK),
    # operands
    ("both CTAs load the leader's rows of a", KERNEL, "work.row * Shape::kTileM + rank * Shape::kRowsA",
     "work.row * Shape::kTileM", WRONG),
    ("both CTAs load the same half of b", KERNEL, "work.column * Shape::kTileN + rank * Shape::kRowsB",
     "work.column * Shape::kTileN", WRONG, 1),
    ("a's k step forgotten", KERNEL, "a += p.a_operand.k_step, b +=", "b +=", WRONG),
    ("old accumulator added to", KERNEL, "accumulate = !first || i > 0", "accumulate = true", "any"),
    ("accumulator overwritten at each step", KERNEL, "accumulate = !first || i > 0", "accumulate = !first", WRONG),
    ("accumulator overwritten at each stage", KERNEL, "k_tile == work.k_begin);", "true);", WRONG),
    ("multiplied by both CTAs", KERNEL, "if (rank == 0 && ptx::elect_one()) multiply", "if (ptx::elect_one()) multiply",
     "any", 1),
    ("multiplied by every lane", KERNEL, "if (rank == 0 && ptx::elect_one()) multiply", "if (rank == 0) multiply", "any"),
    ("one CTA's instruction among a pair's", KERNEL, "ptx::tcgen05_commit<Shape::kCtas>(shared_address(&shared.empty",
     "ptx::tcgen05_commit<1>(shared_address(&shared.empty", "cta_group", 1),
    # accumulators
    ("next tile without waiting for the epilogue", KERNEL,
     "      ptx::mbarrier_wait(shared_address(&shared.accumulator_empty[released % 2]), released / 2 % 2);\n",
     "", HAZARD, 1),
    ("wrong parity of the released accumulator", KERNEL, "released % 2]), released / 2 % 2)",
     "released % 2]), released % 2)", "any"),
    ("epilogue before the tile is finished", KERNEL,
     "    ptx::mbarrier_wait(shared_address(&shared.accumulator_full[buffer]), tile / 2 % 2);\n", "", "any"),
    ("wrong parity of the finished accumulator", KERNEL, "shared.accumulator_full[buffer]), tile / 2 % 2)",
     "shared.accumulator_full[buffer]), tile % 2)", "any"),
    ("one accumulator for two tiles", KERNEL, "const std::uint32_t d = tensor_memory + buffer * Shape::kSecondAccumulator",
     "const std::uint32_t d = tensor_memory", "any"),
    ("accumulator released after its first chunk", KERNEL, "if (i + 1 == kChunksToRelease)", "if (i == 0)", HAZARD, 1),
    ("accumulator released to the CTA itself", KERNEL, "shared.accumulator_empty[buffer]), 0);",
     "shared.accumulator_empty[buffer]), rank);", "any", 1),
    ("accumulator released by every lane", KERNEL, "if (lane == 0) ptx::mbarrier_arrive_remote",
     "ptx::mbarrier_arrive_remote", "any"),
    ("release counted for one CTA", KERNEL, "Shape::kCtas * kTcgen05EpilogueWarps);", "kTcgen05EpilogueWarps);", "any"),
    # order
    ("no fence after the waits of the multiplying thread", KERNEL,
     "pipe.parity);\n      ptx::tcgen05_fence_after_thread_sync();\n", "pipe.parity);\n", FENCE, 1),
    ("no fence before the release", KERNEL,
     "        ptx::tcgen05_fence_before_thread_sync();\n        __syncwarp();", "        __syncwarp();", FENCE, 1),
    ("no fence after the tile is finished", KERNEL, "tile / 2 % 2);\n    ptx::tcgen05_fence_after_thread_sync();\n",
     "tile / 2 % 2);\n", FENCE, 1),
    ("registers used before the load's end", PTX, '  asm volatile("tcgen05.wait::ld.sync.aligned;\\n" ::: "memory");\n',
     "", "any", 1),
    # epilogue
    ("lanes missing in the address", KERNEL, "tensor_memory + (quarter * 32 << 16) +", "tensor_memory +", "any", 1),
    ("lanes of another warp", KERNEL, "const int quarter = threadIdx.x / 32 % 4,", "const int quarter = threadIdx.x / 32 - 2,",
     "any"),
    ("staging not swizzled", KERNEL, "(chunk ^ lane % 8) * 16", "chunk * 16", WRONG),
    ("staging swizzled by the wrong rows", KERNEL, "(chunk ^ lane % 8) * 16", "(chunk ^ lane / 4) * 16", WRONG),
    ("low and high exchanged", KERNEL, "ptx::pack_bf16x2(a, b)", "ptx::pack_bf16x2(b, a)", WRONG),
    ("second half's columns twice", KERNEL, "tcgen05_ld_32x32b_x32(columns[i], address + i * 32)",
     "tcgen05_ld_32x32b_x32(columns[i], address)", WRONG),
    ("no proxy fence before the store", KERNEL, "      ptx::fence_proxy_async();\n", "", PROXY, 1),
    ("store started before all lanes have written", KERNEL,
     "      ptx::fence_proxy_async();\n      __syncwarp();\n", "      ptx::fence_proxy_async();\n", "any", 1),
    ("staging overwritten while it is stored", KERNEL, "ptx::tma_store_wait_read<1>()", "ptx::tma_store_wait_read<2>()",
     RACE, 1),
    ("wait for the store not told to the other lanes", KERNEL,
     "ptx::tma_store_wait_read<1>();\n      __syncwarp();\n", "ptx::tma_store_wait_read<1>();\n", RACE),
    ("one staging tile for two stores", KERNEL, "stored++ % 2", "0", RACE),
    ("exit with stores open", KERNEL, "  if (lane == 0) ptx::tma_store_wait<0>();\n", "", "any"),
    ("rows of the leader stored by both", KERNEL, "work.row * Shape::kTileM + rank * 128 + quarter * 32",
     "work.row * Shape::kTileM + quarter * 32", WRONG),
    ("columns of a chunk misplaced", KERNEL, "work.column * Shape::kTileN + chunk * kChunkColumns",
     "work.column * Shape::kTileN + i / 2 * kChunkColumns", WRONG),
    # begin and end
    ("barriers used before they are made", KERNEL,
     "  group_sync<kCtas>();  // barriers and tensor memory of both are ready\n", "", "any", 1),
    ("barriers not made known", KERNEL, "  ptx::fence_mbarrier_init();\n", "", "any"),
    ("tensor memory freed while it is read", KERNEL,
     "  group_sync<kCtas>();  // nobody reads tensor memory, or signals the other's barriers, any more\n", "", "any", 1),
    ("tensor memory not freed", KERNEL,
     "  if (warp == 1) ptx::tcgen05_dealloc<kCtas>(tensor_memory, kTcgen05Columns);\n", "", "any", 1),
    ("tensor memory freed by another warp's number of columns", KERNEL,
     "ptx::tcgen05_dealloc<kCtas>(tensor_memory, kTcgen05Columns)",
     "ptx::tcgen05_dealloc<kCtas>(tensor_memory, kTcgen05Columns / 2)", "any"),
    ("CTAs of a pair walk different tiles", KERNEL, "first = blockIdx.x / kCtas, stride = gridDim.x / kCtas",
     "first = blockIdx.x, stride = gridDim.x", "any"),
]

# Single CTAs: the same barriers without a cluster.
SINGLE = [
    ("tile multiplied before it has landed", KERNEL,
     "      ptx::mbarrier_wait(shared_address(&shared.full[pipe.stage]), pipe.parity);\n", "", HAZARD),
    ("no barrier after the allocation", KERNEL,
     "  group_sync<kCtas>();  // barriers and tensor memory of both are ready\n", "", "any"),
    ("accumulator released after its first chunk", KERNEL, "if (i + 1 == kChunksToRelease)", "if (i == 0)", HAZARD),
    ("no fence after the waits of the multiplying thread", KERNEL,
     "pipe.parity);\n      ptx::tcgen05_fence_after_thread_sync();\n", "pipe.parity);\n", FENCE),
]

# Added into fp32, mn-major operands, k in two parts.
ADD = [
    ("tiles of one pair done by both", KERNEL, "first = blockIdx.x / kCtas, stride = gridDim.x / kCtas",
     "first = 0, stride = 1", WRONG),
    ("panels over each other", KERNEL, "shared + i * operand.panel_bytes", "shared", "any", 1),
    ("same panel twice", KERNEL, "row + i * operand.panel_elements", "row", WRONG),
    ("stored, not added", KERNEL, "          ptx::tma_reduce_add(", "          ptx::tma_store(", WRONG, 1),
    ("every split from k = 0", KERNEL, "const int k_begin = split * p.k_tiles_per_split;", "const int k_begin = 0;", WRONG),
    ("last split past k's share", KERNEL, "min(k_begin + p.k_tiles_per_split, p.k_tiles)", "p.k_tiles", WRONG),
]

FP8 = [
    ("one operand's scale forgotten", KERNEL, " * (p.b_tensor_scale ? *p.b_tensor_scale : 1.0f)", "", WRONG),
    ("scale applied to one of two", KERNEL, "b = __uint_as_float(high) * scale", "b = __uint_as_float(high)", WRONG),
]

# Twelve stages of k on five, four tiles per pair, overlapping accumulators.
MX = [
    ("same byte of the factors at each step", KERNEL, "p.instruction + tcgen05_scale_id(i)", "p.instruction", WRONG, 1),
    ("a's factors for b", KERNEL, "scales,\n                                              scales + Shape::kScaleColumnsA,",
     "scales,\n                                              scales,", "any"),
    ("factors of the first columns for all", KERNEL, "+ (j * Kind::kScaleTiles + i) * 512", "+ i * 512", WRONG),
    ("one slot of factors for all stages", KERNEL, "kScaleAt + stage * Shape::kScaleColumns", "kScaleAt",
     RACE, 1),
    ("b's factors of another tile", KERNEL, "work.column * Shape::kScaleRowTiles", "work.column", WRONG),
    ("b's factors divided between the CTAs", KERNEL, "work.column * Shape::kScaleRowTiles",
     "work.column * Shape::kScaleRowTiles + rank", WRONG),
    ("overlap emptied last", KERNEL, "? kChunks - 1 - i : i;", "? i : i;", "any", 1),
    ("second accumulator's overlap emptied last", KERNEL, "Shape::kOverlap && buffer == 0 ? kChunks - 1 - i : i",
     "Shape::kOverlap ? kChunks - 1 - i : i", "any"),
    ("accumulators further apart than the epilogue thinks", KERNEL,
     "tensor_memory + (quarter * 32 << 16) + buffer * Shape::kSecondAccumulator",
     "tensor_memory + (quarter * 32 << 16) + buffer * 256", "any"),
    ("factors multiplied before they are copied", KERNEL,
     "copy_scales<Kind, Shape>(shared, pipe.stage, scales);", ";", "any"),
]

NV = [
    ("factors overwritten while they are read", KERNEL,
     "    ptx::mbarrier_wait(shared_address(&shared.empty[previous.stage]), previous.parity);\n", "", RACE, 1),
    ("waits for the wrong stage's end", KERNEL, "    previous.advance();\n", "", "any"),
    ("three slots of factors where two are free", KERNEL, "step % Shape::kScaleSlots", "step % 3", "any"),
    ("accumulator released one chunk early", KERNEL, "if (i + 1 == kChunksToRelease)", "if (i + 2 == kChunksToRelease)",
     HAZARD, 1),
    ("same factors of a at each step", KERNEL, "p.instruction, scales + i * 4,", "p.instruction, scales,", WRONG),
    ("b's factors side by side along k", KERNEL, "(i * Shape::kScaleRowTiles + j) * 4,", "(j * Kind::kScaleTiles + i) * 4,",
     WRONG, 1),
    ("tile of factors half as far along k", KERNEL, "k_tile * Kind::kScaleTiles, row_a / 128", "k_tile, row_a / 128", WRONG),
    ("factors of the leader's rows for both", KERNEL, "row_a / 128);", "work.row * 2);", WRONG),
]

if __name__ == "__main__":
    mutants.main([
        suite("tcgen05_bf16_pair", "bf16 none tn 264x776x456 256x256", PAIR),
        suite("tcgen05_bf16_single", "bf16 none tn 136x520x456 128x128", SINGLE),
        suite("tcgen05_bf16_add", "bf16 none nt 264x136x904 256x256/2", ADD),
        suite("tcgen05_fp8_pair", "e4m3 tensor tn 136x136x144 256x256", FP8),
        suite("tcgen05_mx8_pair", "e4m3 mx tn 264x776x1424 256x256", MX),
        suite("tcgen05_nv4_pair", "e2m1 nv tn 264x776x1184 256x256", NV),
    ])
