"""Bugs planted in simt_f32's backward kernels; their tests on the functional GPU must notice each."""
import mutants
from mutants import Mutant, Suite

MAIN, PARAMS, PRODUCTS = (f"kernels/attention/cuda/{f}" for f in ("simt_f32_backward.cuh", "simt_f32_backward_params.h", "simt_f32_products.cuh"))
BLOCK = "kernels/attention/cuda/block.cuh"
WRONG, RACE, BOUNDS, BANKS = "wrong result", "data race", "out of bounds", "bank conflicts"
UNREADY = "data race|uninitialised shared memory|wrong result"
WAIT = "    wait_for_copies();  // "


def mutant(name, file, old, new, expect="any", quick=False):
    return Mutant(name, file, old, new, expect=expect, quick=quick)


MUTANTS = [
    # who sees whom
    mutant("mask off by one in keys", MAIN, "r < end && r >=", "r <= end && r >=", WRONG, quick=True),
    mutant("mask off by one in queries", MAIN, "key < end && key >=", "key <= end && key >=", WRONG),
    mutant("window one key too wide in keys", MAIN, "r >= end - p.window", "r >= end - p.window - 1", WRONG),
    mutant("window one key too wide in queries", MAIN, "key >= end - p.window", "key >= end - p.window - 1", WRONG),
    mutant("mask the same for a thread's rows", MAIN, "block_end + (first_row + r) * p.causal", "block_end + first_row * p.causal", WRONG),
    mutant("causal mask aligned top-left", BLOCK, "? block.keys - block.queries + 1 + query", "? 1 + query", WRONG),
    mutant("first tile of queries skipped", MAIN, "{begin / Queries, end > begin", "{(begin + Queries - 1) / Queries, end > begin", WRONG),
    mutant("last tile of queries skipped", MAIN, "end > begin ? (end + Queries - 1) / Queries", "end > begin ? end / Queries", WRONG),
    mutant("window's last queries forgotten", MAIN, "first_key + keys - 1 - ahead + p.window", "first_key - ahead + p.window", WRONG),
    mutant("one query head of the group forgotten", MAIN, "(tiles.end - tiles.first) * p.group", "(tiles.end - tiles.first) * max(1, p.group - 1)", WRONG),
    mutant("the next query head starts at the sequence's first tile", MAIN, "Step{head + 1, tiles.first}", "Step{head + 1, 0}"),
    mutant("wrong kv head in queries", MAIN, "block.head / p.group * HeadDim", "block.head % p.kv_heads * HeadDim", WRONG),
    mutant("wrong query heads in keys", MAIN, "Step step{block.head * p.group,", "Step step{block.head,", WRONG),
    mutant("statistics of queries that are not there", MAIN, "  if (query >= queries) return {INFINITY, 0};\n", ""),
    # sums
    mutant("lse not in base 2", MAIN, " * 1.44269504088896f", "", WRONG),
    mutant("delta of one thread only", MAIN, "simt_f32::row_sum(delta)", "delta", WRONG),
    mutant("delta of o alone", MAIN, "delta += o[d] * d_o[d]", "delta += o[d] * o[d]", WRONG),
    mutant("delta forgotten in keys", MAIN, "s[r][c] * (dp[r][c] - of.delta)", "s[r][c] * dp[r][c]", WRONG),
    mutant("delta forgotten in queries", MAIN, "visible) * (dp[r][c] - of.delta)", "visible) * dp[r][c]", WRONG),
    mutant("dk not scaled", MAIN, "dk[r], params.scale", "dk[r], 1", WRONG),
    mutant("dv scaled", MAIN, "dv[r], 1, x", "dv[r], params.scale, x", WRONG),
    mutant("dq not scaled", MAIN, "dq[r], params.scale", "dq[r], 1", WRONG),
    mutant("dv of ds", MAIN, "store_weights(shared.weights, s, first_row, x);\n    add_product<HeadDim>(dv", "store_weights(shared.weights, dp, first_row, x);\n    add_product<HeadDim>(dv", WRONG),
    mutant("one row of b counts twice", PRODUCTS, "load_columns<Width>(row, b[i + e], x)", "load_columns<Width>(row, b[i + e / 2], x)", WRONG),
    # asynchrony
    mutant("do, k and v not waited for", MAIN, WAIT + "do has", "    __syncthreads();  // do has"),
    mutant("q not waited for", MAIN, WAIT + "q has", "    __syncthreads();  // q has"),
    mutant("q of other threads not waited for", MAIN, WAIT + "q has", "    ptx::cp_async_wait<0>();  // q has", UNREADY),
    mutant("q overwritten while others read it", MAIN, WAIT + "do has", "    ptx::cp_async_wait<0>();  // do has", UNREADY),
    mutant("do overwritten while others read it", MAIN, "    __syncthreads();  // everyone has finished with do", "    __syncwarp();  // everyone has finished with do", RACE, quick=True),
    mutant("v not waited for", MAIN, WAIT + "v has", "    __syncthreads();  // v has"),
    mutant("k not waited for", MAIN, WAIT + "k has", "    __syncthreads();  // k has"),
    mutant("v overwritten while others read it", MAIN, WAIT + "k has", "    ptx::cp_async_wait<0>();  // k has", UNREADY),
    mutant("k overwritten while others read it", MAIN, WAIT + "v has", "    ptx::cp_async_wait<0>();  // v has", UNREADY),
    mutant("weights read before they are written", MAIN, "  __syncwarp();  // a row is", "  // a row is", "data race|uninitialised shared memory"),
    mutant("next v copied too early", MAIN, "copy_keys(shared.v, p.v, first_key + Tile::kKeys)", "copy_keys(shared.k, p.v, first_key + Tile::kKeys)"),
    # bounds
    mutant("rows not guarded on copying", MAIN, "const bool inside = row < valid;", "const bool inside = true;", BOUNDS),
    mutant("dk and dv's rows not guarded", MAIN, "    if (first_row + r >= keys) continue;\n", ""),
    mutant("dq's rows not guarded", MAIN, "    if (first_row + r < queries)\n", ""),
    mutant("delta's rows not guarded", MAIN, "x == 0 && query < block.queries", "x == 0"),
    mutant("o's rows not guarded", MAIN, "    if (query < block.queries) {\n", "    {\n"),
    Mutant("block without keys goes on", MAIN, "  if (keys <= 0) return;\n", "", equivalent="it computes of zeros and stores nothing"),
    Mutant("block without queries goes on", MAIN, "  if (block.first_query >= block.queries) return;\n", "",
           equivalent="it computes of zeros and stores nothing"),
    mutant("folds of the batch overlap", BLOCK, "batch += int(gridDim.z)", "batch += 1"),
    mutant("lse of packed sequences laid out as of others", BLOCK, "(p.q_offsets == nullptr ? p.heads : 1)", "p.heads"),
    mutant("weights not padded", PARAMS, "kWeightRow = 64 + 4", "kWeightRow = 64", BANKS),
]

WIDTH = [
    mutant("96: the last 32 columns read as the first", PRODUCTS, "(row + Width / 64 * 64 + x * 2);", "(row + x * 2);", WRONG),
    mutant("96: only whole 64 columns copied", MAIN, "c < HeadDim; c += kPassVectors * 4)", "c < HeadDim / 64 * 64; c += kPassVectors * 4)", "uninitialised"),
]

# Grouped heads, more keys, more queries, a batch, windows, packed sequences, rows that see nothing, folds.
TEST = ["tests/simt/attention/simt_attention_simt_f32_backward_test", "--gtest_fail_fast",
        "--gtest_filter=-*d96*:*d128*:*ExtremeLogits:*SchedulesChangeNoBit"]
WIDTH_TEST = TEST[:2] + ["--gtest_filter=*d96*"]

if __name__ == "__main__":
    mutants.main([Suite(source=f"tests/simt/attention/simt_f32_backward_{source}.cu", arch="80",
                        ptx="attention_simt_f32_backward", test=test, mutants=planted)
                  for source, test, planted in (("mutant", TEST, MUTANTS), ("width_mutant", WIDTH_TEST, WIDTH))])
