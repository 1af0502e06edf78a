#!/usr/bin/env python3
"""Bugs planted in what wgmma_sm90's forward pass does for e4m3 alone; what it shares with 16 bits has its own list.  Run
by ctest; see tests/simt/mutants.py for the options."""
import mutants

KERNEL = "kernels/attention/sm90/wgmma_forward.cuh"
PRODUCTS = "kernels/attention/sm90/wgmma_forward_products.cuh"
TRANSPOSE = "kernels/attention/sm90/wgmma_forward_transpose.cuh"
ROWS = "kernels/attention/sm90/wgmma_forward_rows.cuh"
TILE = "kernels/attention/sm90/wgmma_forward_tile.h"
CONVERT = "kernels/common/ptx/convert.cuh"

WRONG = "wrong result"
RACE = "data race"
DEADLOCK = "deadlock"
FENCE = "missing proxy fence"
BANKS = "bank conflicts"
MISUSE = "barrier misuse"
ANY = "any"


def suite(width, cases, planted):
    """One instance on some of forward_e4m3_cases().  A sixth element True: part of the quick run."""
    probe = f"wgmma_forward_e4m3_d{width}"
    return mutants.Suite(source=f"tests/simt/attention/sm90/probes/{probe}.cu", arch="90a", ptx=probe,
                         test=["tests/simt/attention/sm90/wgmma_sm90_forward_probe", "e4m3", probe] + cases.split(),
                         mutants=[mutants.Mutant(f"{probe}: {m[0]}", *m[1:4], expect=m[4], quick=len(m) > 5)
                                  for m in planted])


D128 = [
    # --- stages of values: come, transposed, used up
    ("values used before they are transposed", KERNEL, "    return s.v_ready;", "    return s.v_full;", ANY, True),
    ("transposers do not wait for values", KERNEL, "      ring.wait();\n", "", "data race|uninitialised shared memory"),
    ("transposers tell the producer instead", KERNEL, "ring(shared.v_full, shared.v_ready)", "ring(shared.v_full, shared.v_empty)",
     "barrier misuse|deadlock|data race"),
    ("one transposer is not waited for", KERNEL, "initialise(shared.v_ready, I::kTransposers)",
     "initialise(shared.v_ready, I::kTransposers - 1)", ANY),
    ("one arrival more than there are transposers", KERNEL, "initialise(shared.v_ready, I::kTransposers)",
     "initialise(shared.v_ready, I::kTransposers + 1)", DEADLOCK),
    ("transposed values not made known to wgmma", KERNEL,
     "      ptx::fence_proxy_async();  // wgmma reads what ordinary stores wrote\n", "", FENCE, True),
    ("a warp's arrival before its lanes' stores", KERNEL, "      __syncwarp();\n      ring.release();", "      ring.release();",
     "data race|missing proxy fence"),
    ("one key tile too few transposed", KERNEL, "tile = keys.begin; tile < keys.end; ++tile", "tile = keys.begin; tile < keys.end - 1; ++tile",
     ANY),
    # --- the transpose
    ("values overwritten before all lanes have read", TRANSPOSE, "  __syncwarp();  // nothing is overwritten before all lanes have read\n",
     "", RACE),
    ("a class of granules left out", TRANSPOSE, "x < 8; x += kWarps", "x < 7; x += kWarps", WRONG),
    ("a class transposed twice", TRANSPOSE, "x < 8; x += kWarps", "x < 9; x += kWarps", ANY),
    ("granules stay in their places", TRANSPOSE, "(granule ^ x) * 2048", "granule * 2048", ANY),
    ("chunks stay in their places", TRANSPOSE, "(granule ^ dim % 8) * 16", "(granule ^ x ^ dim % 8) * 16", ANY),
    ("read without swizzle", TRANSPOSE, "(granule ^ x ^ row) * 16", "(granule ^ x) * 16", ANY),
    ("stored without swizzle", TRANSPOSE, "(granule ^ dim % 8) * 16", "granule * 16", ANY),
    ("even and odd dimensions exchanged", TRANSPOSE, "upper ? 0x7531 : 0x6420, second_row = upper ? 0x6420 : 0x7531",
     "upper ? 0x6420 : 0x7531, second_row = upper ? 0x7531 : 0x6420", WRONG, True),
    ("bytes of a pair of keys exchanged", TRANSPOSE, "second_row = upper ? 0x6420 : 0x7531", "second_row = upper ? 0x6240 : 0x7351",
     WRONG),
    ("even rows together", TRANSPOSE, "  const bool upper = lane >= 16,", "  const bool upper = false,", WRONG),
    ("rows stored by fours into the same banks", TRANSPOSE,
     "  const bool upper = lane >= 16, second = lane / 8 % 2;", "  const bool upper = lane >= 64, second = (row >= 4) != (lane / 8 % 2 != 0);",
     BANKS),
    # --- products
    ("v does not advance", PRODUCTS, "half * 64 + step * 32", "half * 64", WRONG),
    ("each product replaces the output", PRODUCTS, "accumulate || step > 0", "step > 0", WRONG),
    ("probabilities in the order of keys", PRODUCTS, "ptx::pack_e4m3x4(x[0], x[1], x[4], x[5])", "ptx::pack_e4m3x4(x[0], x[4], x[1], x[5])",
     WRONG, True),
    ("probabilities of the other row", PRODUCTS, "i / 2 * 8 + i % 2 * 2", "i / 2 * 8 + (1 - i % 2) * 2", WRONG),
    ("the second sixteen keys' probabilities first", PRODUCTS, "p[i / 4][i % 4] = ptx::pack_e4m3x4", "p[i / 4][(i + 2) % 4] = ptx::pack_e4m3x4",
     WRONG),
    ("bytes of a conversion exchanged", CONVERT, "e4m3x2.f32 low, %2, %1;", "e4m3x2.f32 low, %1, %2;", WRONG),
    ("halves of a conversion exchanged", CONVERT, "mov.b32 %0, {low, high};", "mov.b32 %0, {high, low};", WRONG),
    # --- factors
    ("v's factor left out", KERNEL, "values / total", "1 / total", WRONG, True),
    ("k's factor left out", KERNEL, " * __ldg(params.q_scale) * __ldg(params.k_scale)", " * __ldg(params.q_scale)", WRONG),
    ("the factor of probabilities left in their sum", KERNEL, "total * (1 / kWeightFactor)", "total", WRONG),
    ("probabilities not multiplied by their factor", ROWS, "      if constexpr (kExponent != 0) shift[half] -= kExponent;\n", "",
     WRONG),
    ("the largest probabilities saturate", TILE, "kWeightExponent = 8;", "kWeightExponent = 12;", WRONG),
    # --- the way out
    ("o stored over the last query tile's", KERNEL,
     "      if (threadIdx.x % 32 == 0) ptx::tma_store_wait_read<0>();  // the last query tile has left\n", "", RACE, True),
    ("only one lane knows that the last query tile has left", KERNEL, "  // the last query tile has left\n      __syncwarp();",
     "  // the last query tile has left", RACE),
    ("all warps' output in one place", KERNEL, "return shared.o + warp_row() * 128;", "return shared.o;", ANY),
    ("q never handed back", KERNEL, "    if constexpr (I::kEightBits) rings.q.hand_back(rings.q.state.stage);  // o leaves another way\n",
     "", DEADLOCK),
    # --- machine
    ("more registers than there are", TILE, "kProducerRegisters = 56", "kProducerRegisters = 64", DEADLOCK),
]

# Two panels of 64 keys.
D256 = [
    ("the second dimensions are the first", PRODUCTS, "half * 64 + step * 32", "step * 32", WRONG, True),
    ("the second product into the first's place", PRODUCTS, "o[half * kWidth / 2]", "o[0]", ANY),
    ("the second panel not loaded", KERNEL, "map, full, panel * kPanelElements, head, row);", "map, full, 0, head, row);", WRONG),
    ("k's second panel not reached", PRODUCTS, "step / 4 * I::kKeyPanelBytes + step % 4 * 32", "step % 4 * 32", WRONG),
]

# Half a panel.
D64 = [
    ("the second 64 keys not transposed", TRANSPOSE, "(kWidth == 64 ? x & 4 : 0) | odd", "odd", WRONG, True),
    ("a quarter of the granules left out", TRANSPOSE, "kPairs = kWidth / 32;", "kPairs = kWidth / 64;", WRONG),
]

if __name__ == "__main__":
    mutants.main([suite(128, "ragged causal packed", D128), suite(256, "wide", D256), suite(64, "narrow", D64)])
