"""Bugs planted in the attention kernels; the tests on the functional GPU must notice each."""
import mutants
from mutants import Mutant, Suite

MMA, F32, BLOCK = (f"kernels/attention/{f}.cuh" for f in ("sm80/mma", "cuda/simt_f32", "cuda/block"))
PARAMS, PRODUCTS = "kernels/attention/cuda/params.h", "kernels/attention/cuda/simt_f32_products.cuh"
WRONG, RACE, BOUNDS, BANKS = "wrong result", "data race", "out of bounds", "bank conflicts"


def mutant(name, file, old, new, expect="any"):
    return Mutant(name, file, old, new, expect=expect)


def quick(*arguments):
    found = mutant(*arguments)
    found.quick = True
    return found


WAIT, SYNC = "    ptx::cp_async_wait<0>();\n", "    __syncthreads();  // "
LEAVE = "  if (block.first_query >= block.queries) return;\n"
MMA_SM80 = [
    quick("mask off by one", MMA, "After ? j * 8 + e >= row_end", "After ? j * 8 + e > row_end", WRONG),
    mutant("mask ignores the lower half of the rows", MMA, "end + (i * 16 + half * 8) * step", "end + (i * 16) * step", WRONG),
    mutant("o not rescaled", MMA, "rows.o[i][j][half * 2] *= rescale;", "", WRONG),
    mutant("wrong half of the rows rescaled", MMA, "rows.o[i][j][half * 2] *= rescale;",
           "rows.o[i][j][2 - half * 2] *= rescale;", WRONG),
    quick("o rescaled only where the first lane's row has a new maximum", MMA, "__any_sync(0xffffffff, rescale != 1.f)",
          "__shfl_sync(0xffffffff, rescale, 0) != 1.f", WRONG),
    quick("row sum not rescaled", MMA, "rows.sum[i][half] * rescale", "rows.sum[i][half]", WRONG),
    mutant("row sum not reduced over the quad", MMA, "      sum += __shfl_xor_sync(0xffffffff, sum, 2);\n", "", WRONG),
    mutant("row maximum not reduced over the quad", MMA, "      max = fmaxf(max, __shfl_xor_sync(0xffffffff, max, 2));\n", "", WRONG),
    quick("-inf guard dropped", MMA, "max == -INFINITY ? 0.f : max * scale_log2", "max * scale_log2", WRONG),
    quick("division by a sum of nothing", MMA, "sum == 0 ? 0.f : 1 / sum", "1 / sum", WRONG),
    mutant("lse without the scale", MMA, "rows.max[i][half] * p.scale_log2 *", "rows.max[i][half] *", WRONG),
    mutant("lse without ln 2", MMA, " * 0.693147180559945f", "", WRONG),
    mutant("k not waited for", MMA, WAIT + SYNC + "k", "    ptx::cp_async_wait<1>();\n" + SYNC + "k"),
    quick("v not waited for", MMA, WAIT + SYNC + "v", "    ptx::cp_async_wait<1>();\n" + SYNC + "v"),
    quick("no barrier before v is overwritten", MMA, SYNC + "k", "  // ", RACE),
    mutant("no barrier before k is overwritten", MMA, SYNC + "v", "  // ", RACE),
    mutant("next k copied before the barrier", MMA, WAIT + SYNC + "v",
           "    if (tile > tiles.begin) copy_tile<Tile, kHeadDim, kKeys, false>(k_tile, p.k, k_element - kKeys * k_stride, "
           "k_stride, kKeys);\n" + WAIT + SYNC + "v", RACE),
    quick("no __syncwarp between staging and storing o", MMA, "  __syncwarp();", "  ", RACE),
    mutant("copies not swizzled, reads swizzled", MMA, "shared + Layout::offset(row, chunk) + c * 16",
           "shared + row * Layout::kBytes + chunk * 16 + c * 16", WRONG),
    quick("no swizzle anywhere", MMA, "((chunk ^ (kSwizzleBytes == 128 ? row & 7 : row >> 1 & 3)) << 4)", "(chunk << 4)", BANKS),
    mutant("v read without .trans", MMA, "ptx::ldmatrix_x4_trans(b", "ptx::ldmatrix_x4(b", WRONG),
    mutant("k fragments in q's order", MMA, "template lane_offset<true>()", "template lane_offset<false>()", WRONG),
    mutant("p fragments out of order", MMA, "[2 * kk + r / 2][r % 2 * 2]", "[2 * kk + r % 2][r / 2 * 2]", WRONG),
    mutant("q fragment of the wrong warp", MMA, "shared.q + warp * kWarpRows", "shared.q + warp / 2 * kWarpRows", RACE),
    mutant("columns beyond 64 read from the first 64", MMA, "column * 2 / kSwizzleBytes * kSwizzleBytes +", "", WRONG),
    mutant("wrong kv head", MMA, "block.head / p.group", "block.head % p.kv_heads", WRONG),
    mutant("q rows not guarded", MMA, "Tile::kQueries, true>(q_tile", "Tile::kQueries, false>(q_tile", BOUNDS),
    mutant("k rows not guarded", MMA, "kKeys, true>(k_tile", "kKeys, false>(k_tile", BOUNDS),
    mutant("v rows not guarded", MMA, "kKeys, true>(v_tile", "kKeys, false>(v_tile", BOUNDS),
    mutant("o rows not guarded", MMA, "    if (first_query + row >= block.queries) continue;\n", ""),
    mutant("lse rows not guarded", MMA, "lane % 4 == 0 && first_query + row < block.queries", "lane % 4 == 0"),
    # --- which keys a block walks over
    quick("causal mask aligned top-left", BLOCK, "? block.keys - block.queries + 1 + query", "? 1 + query", WRONG),
    mutant("one masked tile treated as unmasked", BLOCK, "max(0, first_row_end) / Keys",
           "(max(0, first_row_end) + Keys - 1) / Keys", WRONG),
    mutant("last partial tile of keys forgotten", BLOCK, "(max(0, last_row_end) + Keys - 1)", "max(0, last_row_end)", WRONG),
    mutant("block walks only as far as its first query sees", BLOCK, "first_row_end + (rows - 1) * p.causal", "first_row_end", WRONG),
    mutant("rows past the sequence's end count", MMA, "key_tiles<kKeys>(p, first_row_end, rows_valid)",
           "key_tiles<kKeys>(p, first_row_end, Tile::kQueries)", BOUNDS),
    mutant("first tile left out", MMA, "tile >= tiles.begin; --tile", "tile > tiles.begin; --tile", "cp.async outstanding"),
    mutant("k of the first tile not copied", MMA, "if (tile > tiles.begin) copy", "if (tile > tiles.begin + 1) copy", WRONG),
    # --- windows
    quick("window one key too wide", MMA, "thread_end - p.window - first_key", "thread_end - p.window - 1 - first_key", WRONG),
    mutant("window one key too narrow", MMA, ": j * 8 + e < row_end)", ": j * 8 + e <= row_end)", WRONG),
    mutant("window's edge straight", MMA, "mask<false, Tile>(s, thread_end - p.window - first_key, p.causal)",
           "mask<false, Tile>(s, thread_end - p.window - first_key, 0)", WRONG),
    quick("tiles with the window's edge not all masked", BLOCK, "(max(0, last_row_end - p.window) + Keys - 1)",
          "(max(0, first_row_end - p.window) + Keys - 1)", WRONG),
    mutant("last tile with the window's edge not masked", BLOCK, "(max(0, last_row_end - p.window) + Keys - 1)",
           "max(0, last_row_end - p.window)", WRONG),
    mutant("a tile is masked on one side only", MMA, "    if (tile < tiles.unmasked_begin)",
           "    else if (tile < tiles.unmasked_begin)", WRONG),
    quick("walk ends where the last query's window does", BLOCK, "{max(0, first_row_end - p.window) / Keys",
          "{max(0, last_row_end - p.window) / Keys", WRONG),
    quick("tiles before the window not skipped", BLOCK, "{max(0, first_row_end - p.window) / Keys", "{0", WRONG),
    mutant("window not clipped at the first key", BLOCK, "{max(0, first_row_end - p.window) / Keys",
           "{(first_row_end - p.window) / Keys"),
    # --- packed sequences
    quick("block without queries goes on", MMA, LEAVE, ""),
    quick("folds of the batch overlap", BLOCK, "batch += int(gridDim.z)", "batch += 1", WRONG),
    mutant("fold past the batch not ended", BLOCK, "  if (batch >= p.batch) return block;\n", "", BOUNDS),
    quick("keys of the sequences before counted", BLOCK, "p.kv_offsets[batch + 1] - int(block.key_row)", "p.kv_offsets[batch + 1]"),
    mutant("queries of the sequences before counted", BLOCK, "p.q_offsets[batch + 1] - int(block.query_row)", "p.q_offsets[batch + 1]"),
    quick("keys found by the queries' offsets", BLOCK, "block.key_row = p.kv_offsets[batch]", "block.key_row = p.q_offsets[batch]"),
    mutant("length of the longest sequence taken for each", BLOCK, "block.keys = p.kv_offsets[batch + 1] - int(block.key_row)",
           "block.keys = p.seq_kv"),
    quick("the next sequence's v read into the last tile", MMA, "v_stride, block.keys - first_key", "v_stride, p.seq_kv - first_key"),
    quick("lse of packed sequences laid out as of others", BLOCK, "(p.q_offsets == nullptr ? p.heads : 1)", "p.heads"),
    mutant("lse of other sequences laid out as of packed ones", BLOCK, "(p.q_offsets == nullptr ? p.heads : 1)", "1", WRONG),
    mutant("lse's heads as far apart as the sequence is long", BLOCK, " + head * p.lse_head_stride",
           " + head * std::int64_t(block.queries)", WRONG),
    mutant("o of the first sequence", MMA, "((block.query_row + first_query) * p.heads", "(std::int64_t(first_query) * p.heads", WRONG),
    mutant("q of the first sequence", MMA, "(block.query_row + block.first_query) * q_stride",
           "std::int64_t(block.first_query) * q_stride", WRONG),
    # --- indices beyond 2^31
    quick("k's index has 32 bits", MMA, "k_element = (block.key_row + tile * kKeys) * k_stride + kv_head * kHeadDim;",
          "k_element = int((block.key_row + tile * kKeys) * k_stride + kv_head * kHeadDim);", BOUNDS),
    mutant("q's index has 32 bits", MMA, "q_element = (block.query_row + block.first_query) * q_stride + block.head * kHeadDim;",
           "q_element = int((block.query_row + block.first_query) * q_stride + block.head * kHeadDim);", BOUNDS),
    mutant("o's index has 32 bits", MMA, "((block.query_row + first_query) * p.heads + block.head) * Tile::kValueDim;",
           "int(((block.query_row + first_query) * p.heads + block.head) * Tile::kValueDim);", WRONG),
]

WIDE = [
    quick("96 columns swizzled like 64", MMA, "row >> 1 & 3)) << 4", "row & 7)) << 4"),
    mutant("96 columns swizzled by each row", MMA, "row >> 1 & 3)) << 4", "row & 3)) << 4", BANKS),
    mutant("96 columns: fragments found as in rows of 128 bytes", MMA, "lane_offset ^ std::uint32_t(column * 2 % kSwizzleBytes)",
           "lane_offset ^ std::uint32_t(column * 2 % 128)", WRONG),
    mutant("only the first blocks of columns copied", MMA, "c < Layout::kChunks; c += kPassChunks)\n      ptx",
           "c < kPassChunks; c += kPassChunks)\n      ptx", "uninitialised"),
    mutant("only the first blocks of o's columns stored", MMA, "c < Layout::kChunks; c += Layout::kPassChunks)",
           "c < Layout::kPassChunks; c += Layout::kPassChunks)", WRONG),
    quick("v's fragments found as k's", MMA, "multiply_p_v<Element, Tile>(rows, s, v_tile, v_lane)",
          "multiply_p_v<Element, Tile>(rows, s, v_tile, q_lane)"),
    mutant("v's rows as far apart as k's", MMA, "v_stride = std::int64_t(p.kv_heads) * kValueDim",
           "v_stride = std::int64_t(p.kv_heads) * kHeadDim"),
    mutant("v's heads as wide as k's", MMA, "v_stride + kv_head * kValueDim", "v_stride + kv_head * kHeadDim"),
    mutant("v's next tile where k's is", MMA, "v_element -= kKeys * v_stride", "v_element -= kKeys * k_stride"),
]

SIMT_F32 = [
    quick("mask off by one", F32, "key < end &&", "key <= end &&", WRONG),
    quick("mask the same for a thread's rows", F32, "block_end + (first_row + r) * p.causal", "block_end + first_row * p.causal", WRONG),
    mutant("o not rescaled", F32, "o[r][d] *= rescale", "o[r][d] *= 1", WRONG),
    mutant("sum not rescaled", F32, "      l[r] *= rescale;\n", "", WRONG),
    mutant("maximum of half the columns", PRODUCTS,
           "for (int distance = kColumns / 2; distance > 0; distance /= 2)\n    value = fmaxf",
           "for (int distance = kColumns / 4; distance > 0; distance /= 2)\n    value = fmaxf", WRONG),
    mutant("sum of one thread only", F32, "row_sum(l[r])", "l[r]", WRONG),
    mutant("-inf guard dropped", F32, "largest == -INFINITY ? 0.f : largest", "largest", WRONG),
    mutant("lse without ln 2", F32, " * 0.693147180559945f", "", WRONG),
    mutant("wrong kv head", F32, "block.head / p.group", "block.head % p.kv_heads", WRONG),
    quick("tile used before it is complete", F32, "    __syncthreads();\n\n    float s", "    float s",
          "data race|uninitialised shared memory"),
    mutant("tile overwritten while in use", F32, "    __syncthreads();  // everyone", "    // everyone", RACE),
    mutant("p read before it is written", F32, "    __syncwarp();", "    ", RACE),
    mutant("rows not guarded on load", F32, "row < valid ?", "true ?", BOUNDS),
    mutant("rows not guarded on store", F32, "    if (query >= block.queries) continue;\n", ""),
    mutant("rows of k not padded", PARAMS, "kRow = HeadDim + 4", "kRow = HeadDim", BANKS),
    quick("window one key too wide", F32, "key >= end - p.window", "key >= end - p.window - 1", WRONG),
    mutant("walk starts at the first key whatever the window", F32, "first_key = tiles.begin * Tile::kKeys;", "first_key = 0;", WRONG),
    quick("k of the first sequence", F32, "kv_start = block.key_row * kv_stride +", "kv_start ="),
    mutant("block without queries goes on", F32, LEAVE, ""),
]


def suite(source, ptx, kernels, tests, planted):
    """`tests` of each of `kernels`; the first to fail ends it."""
    names = ":".join(f"*/{test.replace('KERNEL', kernel)}" for kernel in kernels for test in tests)
    return Suite(source=f"tests/simt/attention/{source}_mutant.cu", arch="80", ptx=ptx,
                 test=["tests/simt/attention/simt_attention_test", "--gtest_fail_fast", f"--gtest_filter={names}"],
                 mutants=planted)


# A ragged full problem, two causal ones (more keys; more queries), folds, grouped heads; windows; packed sequences.
SHAPES = [f"Shapes.EqualsReference/KERNEL_{s}" for s in ("113x203", "256x113_causal", "108x256_causal")]
PACKED = ["Packed.EqualsReference/KERNEL_0_full", "Packed.EqualsReference/KERNEL_1_causal"]
NEIGHBOURS = ["Neighbours.*/KERNEL"]
WINDOWS = [f"Windows.EqualsReference/KERNEL_{s}" for s in ("113x203_w1", "113x203_w33", "130x600_w350", "256x113_w64")]

if __name__ == "__main__":
    mutants.main([
        suite("mma_sm80", "attention_mma_sm80", ["bf16_d128"],
              SHAPES + ["Values.FoldedBatch/KERNEL", *WINDOWS, *PACKED, "Beyond31Bits.*/*", *NEIGHBOURS,
                        "Schedules.DoNotChangeABit/KERNEL"], MMA_SM80),
        suite("mma_sm80_wide", "attention_mma_sm80", ["bf16_d96", "bf16_d192_v128"], SHAPES, WIDE),
        suite("simt_f32", "attention_simt_f32", ["f32_d64"],
              SHAPES + ["Values.FoldedBatch/KERNEL", *WINDOWS[1:3], "Packed.EqualsReference/KERNEL_1_window",
                        *NEIGHBOURS], SIMT_F32),
    ])
