"""Bugs planted in the attention kernels; the tests on the functional GPU must notice each."""
import mutants
from mutants import Mutant, Suite

MMA, F32, BLOCK = (f"kernels/attention/{f}.cuh" for f in ("mma_sm80", "simt_f32", "cuda_block"))
PARAMS = "kernels/attention/cuda_params.h"
WRONG, RACE, BOUNDS, BANKS = "wrong result", "data race", "out of bounds", "bank conflicts"


def mutant(name, file, old, new, expect="any"):
    return Mutant(name, file, old, new, expect=expect, quick=True)


WAIT, SYNC = "    ptx::cp_async_wait<0>();\n", "    __syncthreads();  // "
MMA_SM80 = [
    mutant("mask off by one", MMA, "j * 8 + e >= limit", "j * 8 + e > limit", WRONG),
    mutant("mask ignores the lower half of the rows", MMA, "limit + (i * 16 + half * 8) * step", "limit + (i * 16) * step", WRONG),
    mutant("causal mask aligned top-left", MMA, "fewest_keys = p.first_visible +",
           "fewest_keys = (p.visible_step ? 1 : p.first_visible) +", WRONG),
    mutant("one masked tile treated as unmasked", MMA, "max(0, fewest_keys) / Tile::kKeys",
           "(max(0, fewest_keys) + Tile::kKeys - 1) / Tile::kKeys", WRONG),
    mutant("last partial tile of keys forgotten", MMA, "(max(0, most_keys) + Tile::kKeys - 1)", "max(0, most_keys)", WRONG),
    mutant("block walks only as far as its first query sees", MMA, "fewest_keys + (queries - 1) * p.visible_step", "fewest_keys", WRONG),
    mutant("o not rescaled", MMA, "rows.o[i][j][half * 2] *= rescale;", "", WRONG),
    mutant("wrong half of the rows rescaled", MMA, "rows.o[i][j][half * 2] *= rescale;",
           "rows.o[i][j][2 - half * 2] *= rescale;", WRONG),
    mutant("row sum not rescaled", MMA, "rows.sum[i][half] * rescale", "rows.sum[i][half]", WRONG),
    mutant("row sum not reduced over the quad", MMA, "      sum += __shfl_xor_sync(0xffffffff, sum, 2);\n", "", WRONG),
    mutant("row maximum not reduced over the quad", MMA, "      max = fmaxf(max, __shfl_xor_sync(0xffffffff, max, 2));\n", "", WRONG),
    mutant("-inf guard dropped", MMA, "max == -INFINITY ? 0.f : max * scale_log2", "max * scale_log2", WRONG),
    mutant("division by a sum of nothing", MMA, "sum == 0 ? 0.f : 1 / sum", "1 / sum", WRONG),
    mutant("lse without the scale", MMA, "rows.max[i][half] * p.scale_log2 *", "rows.max[i][half] *", WRONG),
    mutant("lse without ln 2", MMA, " * 0.693147180559945f", "", WRONG),
    mutant("lse of the wrong batch", MMA, "std::int64_t(block.batch) * p.heads + block.head) * p.seq_q",
           "std::int64_t(block.head)) * p.seq_q", WRONG),
    mutant("k not waited for", MMA, WAIT + SYNC + "k", "    ptx::cp_async_wait<1>();\n" + SYNC + "k"),
    mutant("v not waited for", MMA, WAIT + SYNC + "v", "    ptx::cp_async_wait<1>();\n" + SYNC + "v"),
    mutant("no barrier before v is overwritten", MMA, SYNC + "k", "  // ", RACE),
    mutant("no barrier before k is overwritten", MMA, SYNC + "v", "  // ", RACE),
    mutant("next k copied before the barrier", MMA, WAIT + SYNC + "v",
           "    if (tile > 0) copy_tile<HeadDim, Tile::kKeys, false>(k_tile, p.k, kv_element - Tile::kKeys * kv_stride, "
           "kv_stride, Tile::kKeys);\n" + WAIT + SYNC + "v", RACE),
    mutant("no __syncwarp between staging and storing o", MMA, "  __syncwarp();", "  ", RACE),
    mutant("copies not swizzled, reads swizzled", MMA, "shared + tile_offset<HeadDim>(row, chunk)",
           "shared + row * HeadDim * 2 + chunk * 16", WRONG),
    mutant("no swizzle anywhere", MMA, "((chunk ^ (row & 7)) << 4)", "(chunk << 4)", BANKS),
    mutant("v read without .trans", MMA, "ptx::ldmatrix_x4_trans(b", "ptx::ldmatrix_x4(b", WRONG),
    mutant("k fragments in v's order", MMA, "a[i], b[0], b[2]);", "a[i], b[0], b[1]);", WRONG),
    mutant("p fragments out of order", MMA, "[2 * kk + r / 2][r % 2 * 2]", "[2 * kk + r % 2][r / 2 * 2]", WRONG),
    mutant("q fragment of the wrong warp", MMA, "q_tile + threadIdx.x / 32 *", "q_tile + threadIdx.x / 64 *", WRONG),
    mutant("columns beyond 64 read from the first 64", MMA, "column * 2 / 128 * 128 +", "", WRONG),
    mutant("wrong kv head", MMA, "block.head / p.group", "block.head % p.kv_heads", WRONG),
    mutant("q rows not guarded", MMA, "Tile::kQueries, true>(q_tile", "Tile::kQueries, false>(q_tile", BOUNDS),
    mutant("k rows not guarded", MMA, "Tile::kKeys, true>(k_tile", "Tile::kKeys, false>(k_tile", BOUNDS),
    mutant("v rows not guarded", MMA, "Tile::kKeys, true>(v_tile", "Tile::kKeys, false>(v_tile", BOUNDS),
    mutant("o rows not guarded", MMA, "    if (block.first_query + row >= p.seq_q) continue;\n", ""),
    mutant("lse rows not guarded", MMA, "lane % 4 == 0 && block.first_query + row < p.seq_q", "lane % 4 == 0"),
    mutant("folds of the batch overlap", BLOCK, "batch += int(gridDim.z)", "batch += 1", WRONG),
    mutant("fold past the batch not ended", MMA, "  if (block.batch >= p.batch) return;\n", "", BOUNDS),
]

SIMT_F32 = [
    mutant("mask off by one", F32, "x + c * kColumns < visible", "x + c * kColumns <= visible", WRONG),
    mutant("mask the same for a thread's rows", F32, "first_visible + r * p.visible_step", "first_visible", WRONG),
    mutant("causal mask aligned top-left", F32, "first_visible = p.first_visible +",
           "first_visible = (p.visible_step ? 1 : p.first_visible) +", WRONG),
    mutant("o not rescaled", F32, "o[r][d] *= rescale", "o[r][d] *= 1", WRONG),
    mutant("sum not rescaled", F32, "      l[r] *= rescale;\n", "", WRONG),
    mutant("maximum of half the columns", F32,
           "for (int distance = kColumns / 2; distance > 0; distance /= 2)\n    value = fmaxf",
           "for (int distance = kColumns / 4; distance > 0; distance /= 2)\n    value = fmaxf", WRONG),
    mutant("sum of one thread only", F32, "row_sum(l[r])", "l[r]", WRONG),
    mutant("-inf guard dropped", F32, "largest == -INFINITY ? 0.f : largest", "largest", WRONG),
    mutant("lse without ln 2", F32, " * 0.693147180559945f", "", WRONG),
    mutant("wrong kv head", F32, "head / p.group", "head % p.kv_heads", WRONG),
    mutant("tile used before it is complete", F32, "    __syncthreads();\n\n    float s", "    float s",
           "data race|uninitialised shared memory"),
    mutant("tile overwritten while in use", F32, "    __syncthreads();  // everyone", "    // everyone", RACE),
    mutant("p read before it is written", F32, "    __syncwarp();", "    ", RACE),
    mutant("rows not guarded on load", F32, "row < valid ?", "true ?", BOUNDS),
    mutant("rows not guarded on store", F32, "    if (query >= p.seq_q) continue;\n", ""),
    mutant("rows of k not padded", PARAMS, "kRow = HeadDim + 4", "kRow = HeadDim", BANKS),
    mutant("fold past the batch not ended", F32, "  if (block.batch >= p.batch) return;\n", "", BOUNDS),
]


def test_of(kernel, *more):
    """A ragged full problem, two causal ones (more keys; more queries), folds, grouped heads; the first failure ends it."""
    shapes = (f"*Shapes*/{kernel}_{s}" for s in ("113x203", "256x113_causal", "108x256_causal"))
    others = (f"*{t}/{kernel}*" for t in ("Schedules.FoldedBatch", *more))
    return ["tests/simt/attention/simt_attention_test", "--gtest_fail_fast",
            "--gtest_filter=" + ":".join([*shapes, *others])]


if __name__ == "__main__":
    mutants.main([
        Suite(source="tests/simt/attention/mma_sm80_mutant.cu", arch="80", ptx="attention_mma_sm80",
              test=test_of("bf16_d128", "Schedules.DoNotChangeABit"), mutants=MMA_SM80),
        Suite(source="tests/simt/attention/simt_f32_mutant.cu", arch="80", ptx="attention_simt_f32",
              test=test_of("f32_d128"), mutants=SIMT_F32),
    ])
