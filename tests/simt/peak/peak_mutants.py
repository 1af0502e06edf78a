#!/usr/bin/env python3
"""Bugs planted in the peak kernels.  Run by ctest; see tests/simt/mutants.py for the options."""
import mutants

FMA = "kernels/peak/fma_f32.cuh"
MMA = "kernels/peak/mma_sm80.cuh"
WGMMA = "kernels/peak/wgmma_sm90.cuh"
TILES = "kernels/peak/unit_tiles.cuh"
TCGEN05 = "kernels/peak/tcgen05_sm100.cuh"
STREAM = "kernels/peak/stream.cuh"
START = "kernels/peak/peak_start.cuh"

WRONG = "wrong result"


def suite(name, arch, test, planted):
    return mutants.Suite(source=f"kernels/peak/{name}.cu", arch=arch, ptx=f"peak_{name}",
                         test=["tests/simt/peak/simt_peak_test", f"--gtest_filter={test}"],
                         mutants=[mutants.Mutant(f"{name}: {what}", file, old, new, expect=expect, quick=quick)
                                  for what, file, old, new, expect, quick in planted])


if __name__ == "__main__":
    mutants.main([
        suite("fma_f32", "80", "*FmaF32*", [
            ("one step fewer a turn", FMA, "step < kFmaF32.steps_per_turn", "step < kFmaF32.steps_per_turn - 1", WRONG, True),
            ("one turn too few", FMA, "turn < p.turns", "turn + 1 < p.turns", WRONG, False),
            ("a chain left out", FMA, "i < kChains; ++i) sum[i] = fmaf", "i < kChains - 1; ++i) sum[i] = fmaf", WRONG, True),
            ("threads of a CTA on one place", FMA, "std::int64_t(blockIdx.x) * kFmaF32.threads + threadIdx.x",
             "std::int64_t(blockIdx.x) * kFmaF32.threads + threadIdx.x / 2 * 2", "data race|wrong result", False),
            ("starts not wrapped", START, "first_ + i < kStarts ? first_ + i : first_ + i - kStarts", "first_ + i", WRONG, True),
        ]),
        suite("mma_sm80", "80", "*MmaSm80*", [
            ("a tile left out", MMA, "tile < kTiles; ++tile) Mma", "tile < kTiles - 1; ++tile) Mma", WRONG, True),
            ("one step fewer a turn", MMA, "step < kStepsPerTurn", "step < kStepsPerTurn - 1", WRONG, False),
            ("one half of the pair zero", MMA, "(__float_as_uint(one) >> 16) * 0x10001u", "(__float_as_uint(one) >> 16)", WRONG, True),
            ("fp16's bias", MMA, "(127u - 15u)", "(127u - 16u)", WRONG, False),
        ]),
        suite("wgmma_sm90", "90a", "*WgmmaSm90*", [
            ("no fence between the writes and the tensor core", TILES, "  ptx::fence_proxy_async();  // each", "  // each", "proxy|race", True),
            ("no barrier after the writes", WGMMA, "  __syncthreads();\n", "", "race|uninitialised", True),
            ("no wait before the sums are stored", WGMMA, "  ptx::wgmma_wait<0>();\n", "", "wait|pending|in flight", True),
            ("no wgmma.fence", WGMMA, "    ptx::wgmma_fence();\n", "", "fence", True),
            ("b's tile where a's is", WGMMA, "tiles + 64 * 128, 16, 1024", "tiles, 16, 1024", WRONG, False),
            ("one step fewer a turn", WGMMA, "step < kWgmmaSm90[0].steps_per_turn", "step < kWgmmaSm90[0].steps_per_turn - 1", WRONG, True),
            ("odd words of a as the even ones", TILES, "kOdd = 0x3f800000u", "kOdd = 0xbf800000u", WRONG, False),
            ("sums replaced, not added to", WGMMA, "a + k, b + k, true)", "a + k, b + k, false)", WRONG, False),
        ]),
        suite("tcgen05_sm100", "100a", "*Tcgen05*", [
            ("no fence between the writes and the tensor core", TILES, "  ptx::fence_proxy_async();  // each", "  // each", "proxy|race", True),
            ("no wait for the tensor core", TCGEN05, "  ptx::mbarrier_wait(done, 0);\n", "", "any", True),
            ("no commit", TCGEN05, "    ptx::tcgen05_commit<1>(done);\n", "", "any", False),
            ("no wait for the loads", TCGEN05, "    ptx::tcgen05_wait_ld(bits);\n", "", "any", True),
            ("one step fewer a turn", TCGEN05, "step < kTcgen05Sm100[0].steps_per_turn", "step < kTcgen05Sm100[0].steps_per_turn - 1", WRONG, True),
            ("every turn begins anew", TCGEN05, "turn > 0 || step > 0", "step > 0", WRONG, True),
            ("every warp reads the first one's lanes", TCGEN05, "sums + (warp << 21) + column", "sums + column", "any", False),
            ("tensor memory kept", TCGEN05, "  if (warp == 0) ptx::tcgen05_dealloc<1>(sums, kColumns);\n", "", "any", False),
        ]),
        suite("stream", "80", "*PeakStream*/0", [
            ("the rest behind the groups left out", STREAM, "  for (; i < vectors; i += stride) one(i);\n", "", WRONG, True),
            ("a group past the end", STREAM, "i + (PeakStreamShape::kUnroll - 1) * stride < vectors", "i < vectors", "out of bounds", True),
            ("a group of half its stride", STREAM, "i += PeakStreamShape::kUnroll * stride", "i += PeakStreamShape::kUnroll / 2 * stride", "any", False),
            ("no barrier before the warps' sums are added", STREAM, "  __syncthreads();\n", "", "race|uninitialised|wrong result", True),
            ("a warp's sum without its upper half", STREAM, "int distance = 16;", "int distance = 8;", WRONG, True),
            ("partials nobody owns left as they were", STREAM, "    partials[i] = 0;\n", "    if (i == 0) partials[i] = 0;\n", WRONG, True),
        ]),
    ])
