#!/usr/bin/env python3
"""Bugs planted in wgmma_fp8_sm90.  Run by ctest; see tests/simt/mutants.py for the options."""
import mutants

FP8 = "kernels/gemm/sm90/wgmma_fp8.cuh"
COMMON = "kernels/gemm/sm90/wgmma.cuh"

WRONG = "wrong result"
RACE = "data race"


def suite(probe, arguments, planted):
    """One instance, run on one problem: DTYPE SCALING OUTPUT M N K CONFIG."""
    return mutants.Suite(source=f"tests/simt/gemm/sm90/probes/{probe}.cu", arch="90a", ptx=probe,
                         test=["tests/simt/gemm/sm90/wgmma_fp8_sm90_probe", probe] + arguments.split(),
                         mutants=[mutants.Mutant(f"{probe}: {name}", file, old, new, expect=expect, quick=True)
                                  for name, file, old, new, expect in planted])


WAIT = "      ptx::wgmma_wait<0>();\n"
RELEASE = "      release_stage(ptx::shared_address(&shared.empty[ring.stage]), cluster_size);\n"
EARLY = WAIT + """      ptx::wgmma_registers_fence(partial);
      ptx::fence_proxy_async();  // ordinary loads read the factors; the next bulk copy must not overtake them
      __syncwarp();              // nor those of the warp's other lanes
""" + RELEASE

# Tiles begin at columns 0, 192 and 384: in the middle of a block of 128, and at its start.  Six blocks of k in four
# stages, of which the last is ragged.
BLOCK = [
    ("both rows by the upper one's factor", FP8, "stage.a_scales[row], stage.a_scales[row + 8]",
     "stage.a_scales[row], stage.a_scales[row]", WRONG),
    ("a warp's rows", FP8, "threadIdx.x % 128 / 32 * 16", "threadIdx.x % 128 / 32 * 8", WRONG),
    ("a lane's row", FP8, "+ threadIdx.x % 32 / 4;", "+ threadIdx.x % 32 / 8;", WRONG),
    ("factors of the other consumer's rows", FP8, "const int row = consumer * 64", "const int row = (1 - consumer) * 64",
     WRONG),
    ("rows exchanged when adding", FP8, "upper = a_scale[0] * b_scale, lower = a_scale[1]",
     "upper = a_scale[1] * b_scale, lower = a_scale[0]", WRONG),
    ("b's two blocks exchanged", FP8, "column < columns_of_first ? b_first : b_second",
     "column < columns_of_first ? b_second : b_first", WRONG),
    ("b's first block as wide as if the tile began with it", FP8, "columns_of_first(128 - n % 128)",
     "columns_of_first(128)", WRONG),
    ("b's first block measured from the wrong end", FP8, "columns_of_first(128 - n % 128)",
     "columns_of_first(n % 128)", WRONG),
    ("one block of b for the whole tile", FP8, "__ldg(b_scales.second + block)", "__ldg(b_scales.first + block)", WRONG),
    ("b's rows of factors packed without their padding", FP8, "* p.b_scale_pitch", "* ((p.b_scale_pitch + 1) / 2)", WRONG),
    ("the next block of k's factor of b", FP8, "__ldg(b_scales.first + block)", "__ldg(b_scales.first + (block ^ 1))",
     WRONG),
    ("partial sums not started afresh", FP8, "multiply_stage<I>(partial, stage, consumer, false)",
     "multiply_stage<I>(partial, stage, consumer, block > first_block)", WRONG),
    ("partial sums used before they are there", FP8, "      ptx::wgmma_wait<0>();\n      ptx::wgmma_registers_fence(partial);\n",
     "", "asynchronous operation"),
    ("wait one group too weak", FP8, "ptx::wgmma_wait<0>();\n      ptx::wgmma_registers_fence(partial);",
     "ptx::wgmma_wait<1>();", "asynchronous operation"),
    ("stage released before it is multiplied", FP8, EARLY, EARLY.replace(RELEASE, "").replace(WAIT, RELEASE + WAIT), RACE),
    ("stage released twice", FP8, RELEASE, RELEASE + RELEASE, "barrier misuse"),
    ("stage never released", FP8, RELEASE, "", "deadlock"),
    ("stage released while other lanes read its factors", FP8, "      __syncwarp();", "      ", RACE),
    ("factors read before they have landed", FP8,
     "      ptx::mbarrier_wait(ptx::shared_address(&shared.full[ring.stage]), ring.parity);\n"
     "      const float a_scale[2] = {stage.a_scales[row], stage.a_scales[row + 8]};\n",
     "      const float a_scale[2] = {stage.a_scales[row], stage.a_scales[row + 8]};\n"
     "      ptx::mbarrier_wait(ptx::shared_address(&shared.full[ring.stage]), ring.parity);\n", "data race|uninitialised"),
    ("factors' bytes not expected", FP8, "Base::kStageBytes + Tile::kM * sizeof(float)", "Base::kStageBytes", "uninitialised|data race"),
    ("twice the factors' bytes expected", FP8, "Base::kStageBytes + Tile::kM * sizeof(float)",
     "Base::kStageBytes + 2 * Tile::kM * sizeof(float)", "deadlock"),
    ("factors not loaded", FP8,
     "    ptx::tma_load(ptx::shared_address(stage.a_scales), p.map_a_scales, full, work.a_mn, k / I::kTileK);\n", "",
     "deadlock"),
    ("factors by element of k, not block", FP8, "full, work.a_mn, k / I::kTileK)", "full, work.a_mn, k)", WRONG),
    ("factors' coordinates exchanged", FP8, "full, work.a_mn, k / I::kTileK)", "full, k / I::kTileK, work.a_mn)", WRONG),
    ("factors of b's rows for a", FP8, "full, work.a_mn, k / I::kTileK)", "full, work.b_mn, k / I::kTileK)", WRONG),
    ("ring not advanced", FP8, "first_block + work.k_tiles; ++block, ring.advance())",
     "first_block + work.k_tiles; ++block)", "barrier misuse|deadlock"),
    ("factors over the tile of b", FP8, "ptx::shared_address(stage.a_scales)", "ptx::shared_address((&stage)->b)", RACE),
]

# In clusters along n, some CTAs' tiles lie wholly outside b.
BLOCK_ALONG_N = [
    ("factors of blocks past b's last", FP8, "min(block, p.b_scale_rows - 1)", "block", "out of bounds"),
    ("the last block's factors one row late", FP8, "min(block, p.b_scale_rows - 1)", "min(block, p.b_scale_rows)",
     "out of bounds"),
]

# Two slices of k.
BLOCK_SLICED = [
    ("b's factors counted from the slice's start", FP8, "const int first_block = work.k / I::kTileK;",
     "const int first_block = 0;", WRONG),
    ("a's factors counted from the slice's start", FP8, "full, work.a_mn, k / I::kTileK)",
     "full, work.a_mn, (k - work.k) / I::kTileK)", WRONG),
    ("slices' sums scaled again", FP8, "struct BlockScaling : Unscaled<BlockScaledInstance<Element, Tile>> {\n",
     "struct BlockScaling : Unscaled<BlockScaledInstance<Element, Tile>> {\n"
     "  __device__ void finish(float (&d)[Tile::kN / 2]) const { for (float& v : d) v *= 1.0625f; }\n", WRONG),
]

TENSOR = [
    ("never scaled", FP8, "d[i] *= factor;", "d[i] *= 1;", WRONG),
    ("scaled twice", FP8, "d[i] *= factor;", "d[i] *= factor * factor;", WRONG),
    ("half of the sums scaled", FP8, "for (int i = 0; i < I::kN / 2; ++i) d[i] *= factor",
     "for (int i = 0; i < I::kN / 4; ++i) d[i] *= factor", WRONG),
    ("b's factor forgotten", FP8, "__ldg(p.a_tensor_scale) * __ldg(p.b_tensor_scale)", "__ldg(p.a_tensor_scale)", WRONG),
    ("a's factor twice", FP8, "__ldg(p.a_tensor_scale) * __ldg(p.b_tensor_scale)",
     "__ldg(p.a_tensor_scale) * __ldg(p.a_tensor_scale)", WRONG),
    ("types exchanged", FP8, "ptx::WgmmaTypes::e5m2_e4m3", "ptx::WgmmaTypes::e4m3_e5m2", WRONG),
    ("both operands of one type", FP8, "ptx::WgmmaTypes::e5m2_e4m3", "ptx::WgmmaTypes::e4m3", WRONG),
    ("neighbours exchanged when packing", FP8, "pack_bf16x2(low, high)", "pack_bf16x2(high, low)", WRONG),
    ("packed in fp16", FP8, "ptx::pack_bf16x2(low, high)", "ptx::pack_f16x2(low, high)", WRONG),
]

TENSOR_SLICED = [
    ("each slice scaled, and their sum again", COMMON, "    if (work.slices > 1 && !add_slices<I>",
     "    arithmetic.finish(d);\n    if (work.slices > 1 && !add_slices<I>", WRONG),
]

if __name__ == "__main__":
    mutants.main([
        suite("wgmma_fp8_block", "e4m3 block store 136 392 656 128x192x128/c2m/s1", BLOCK),
        suite("wgmma_fp8_block", "e4m3 block add 72 200 272 128x192x128/c2n/s1", BLOCK_ALONG_N),
        suite("wgmma_fp8_block", "e4m3 block store 72 200 1040 128x192x128/c1/s2", BLOCK_SLICED),
        suite("wgmma_fp8_tensor", "e5m2 tensor store 136 264 272 128x256x128/c2m/s1", TENSOR),
        suite("wgmma_fp8_tensor", "e5m2 tensor add 72 136 1040 128x256x128/c1/s2", TENSOR_SLICED),
    ])
