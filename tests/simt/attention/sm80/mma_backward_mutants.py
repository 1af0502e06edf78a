"""Bugs planted in mma_sm80's backward kernels; their tests on the functional GPU must notice each."""
import mutants
from mutants import Mutant, Suite

MAIN, DQ, ROWS, SEQUENCE = (f"kernels/attention/sm80/mma_backward{f}.cuh" for f in ("", "_dq", "_rows", "_sequence"))
OPERAND, PARAMS = "kernels/attention/sm80/swizzled_operand.cuh", "kernels/attention/sm80/mma_backward_params.h"
WRONG, RACE, BANKS = "wrong result", "data race", "bank conflicts"
UNREADY, UNORDERED = "data race|uninitialised shared memory", "data race|wrong result"
SYNC = "    __syncthreads();  // "


def mutant(name, file, old, new, expect="any", quick=False):
    return Mutant(name, file, old, new, expect=expect, quick=quick)


MUTANTS = [
    # who sees whom
    mutant("mask off by one", SEQUENCE, "j * 8 + e >= row_end", "j * 8 + e > row_end", WRONG, quick=True),
    mutant("window one key longer", SEQUENCE, "j * 8 + e < row_end - window", "j * 8 + e < row_end - window - 1", WRONG),
    mutant("mask ignores the lower half of the rows", SEQUENCE, "end + (i * 16 + half * 8) * causal", "end + i * 16 * causal", WRONG),
    mutant("causal mask aligned top-left", SEQUENCE, "p.causal ? keys - queries + 1 + i", "p.causal ? 1 + i", WRONG),
    mutant("keys beyond the sequence not masked", MAIN, "first_key + Tile::kKeys > first_end ||", "p.causal && first_key + Tile::kKeys > first_end ||", WRONG,
           quick=True),
    mutant("keys beyond the sequence not masked in dq", DQ, "first_key + Tile::kKeys > first_end ||",
           "p.causal && first_key + Tile::kKeys > first_end ||", WRONG),
    mutant("window's edge not masked", MAIN, " || first_key < last_end - p.window", "", WRONG),
    mutant("window's edge looked for in the first row", MAIN, "first_key < last_end - p.window", "first_key < first_end - p.window", WRONG),
    mutant("first tile of queries skipped", MAIN, "{begin / Queries, end > begin", "{(begin + Queries - 1) / Queries, end > begin", WRONG),
    mutant("last tile of queries skipped", MAIN, "end > begin ? (end + Queries - 1) / Queries", "end > begin ? end / Queries", WRONG),
    mutant("window's last queries forgotten", MAIN, "first_key + keys - 1 - ahead + p.window", "first_key - ahead + p.window", WRONG),
    mutant("one query head of the group forgotten", MAIN, "(tiles.end - tiles.first) * p.group", "(tiles.end - tiles.first) * max(1, p.group - 1)", WRONG, quick=True),
    mutant("dq walks over the last keys only", DQ, "int tile = max(0, first_end - p.window) / Tile::kKeys", "int tile = max(0, last_end - p.window) / Tile::kKeys", WRONG),
    mutant("dq walks only as far as the first query sees", DQ, "(max(0, last_end) + Tile::kKeys - 1)", "(max(0, first_end) + Tile::kKeys - 1)", WRONG),
    # sums
    mutant("query that sees nothing not guarded", ROWS, "lse == -INFINITY ? INFINITY : ", "", WRONG, quick=True),
    mutant("lse not in base 2", ROWS, "lse * 1.44269504088896f", "lse", WRONG),
    mutant("delta not reduced over the row", ROWS, "distance > 0; distance /= 2", "distance > 1; distance /= 2", WRONG),
    mutant("delta of o alone", ROWS, "dot<Element>(o.x, d_o.x)", "dot<Element>(o.x, o.x)", WRONG),
    mutant("delta forgotten", MAIN, "(dp[i][j][e] - delta)", "dp[i][j][e]", WRONG),
    mutant("delta of the wrong row", MAIN, "shared.delta[stage][row + i * 16 + half * 8", "shared.delta[stage][row + i * 16 + 8 - half * 8", WRONG),
    mutant("dq_sum not cleared", ROWS, "kDqBlock * Rows::kHeadDim / 4; i +=", "kDqBlock * Rows::kHeadDim / 8; i +=", WRONG, quick=True),
    mutant("dq not scaled", ROWS, "dq, p.scale);", "dq, 1.f);", WRONG),
    mutant("dk not scaled", MAIN, "sums.dk, p.scale", "sums.dk, 1.f", WRONG),
    mutant("dv scaled", MAIN, "sums.dv, 1.f", "sums.dv, p.scale", WRONG),
    mutant("dq's own kernel forgets the scale", DQ, "warp_row, 0, dq, p.scale", "warp_row, 0, dq, 1.f", WRONG),
    mutant("wrong kv head in dq", DQ, "* p.kv_heads + head / p.group", "* p.kv_heads + head % p.kv_heads", WRONG),
    mutant("dq_sum of the wrong head", SEQUENCE, "* p.heads + head) * (kDqBlock", "* p.heads + head / p.group) * (kDqBlock", UNORDERED),
    mutant("dq_sum of packed sequences overlaps", SEQUENCE, "query / kDqBlock + batch", "query / kDqBlock", UNORDERED),
    mutant("lse of the wrong sequence", SEQUENCE, "std::int64_t(batch) * p.heads * p.seq_q}", "std::int64_t(batch) * p.seq_q}"),
    # operands
    mutant("ds read without transposing", OPERAND, "ptx::ldmatrix_x4_trans(a, address(k16, m16))", "ptx::ldmatrix_x4(a, address(k16, m16))", WRONG),
    mutant("transposed fragment's middle not swapped", OPERAND, "(a, address(k16, m16));\n    swap_middle(a);", "(a, address(k16, m16));", WRONG),
    mutant("k's fragments in v's order", OPERAND, "    swap_middle(b);\n", "", WRONG),
    mutant("no swizzle anywhere", OPERAND, "((chunk ^ swizzle) << 4)", "(chunk << 4)", BANKS),
    mutant("column of a view not swizzled", OPERAND, "^\n              std::uint32_t(column * 2 % kSwizzle)", "+\n              std::uint32_t(column * 2 % kSwizzle)"),
    mutant("ds in the wrong order in dq", DQ, "ds[0][2 * kk + e / 2][e % 2 * 2], ds", "ds[0][2 * kk + e % 2][e / 2 * 2], ds", WRONG),
    # asynchrony
    mutant("copies not waited for", MAIN, "<kOneBuffer ? 1 : 0>();", "<1>();", quick=True),
    mutant("copies not waited for in dq", DQ, "ptx::cp_async_wait<0>();", "ptx::cp_async_wait<1>();"),
    mutant("no barrier before buffers are used again", MAIN, SYNC + "this step's", "    // this step's", UNREADY, quick=True),
    mutant("no barrier between ds and its readers", MAIN, SYNC + "p and ds", "    // p and ds", UNREADY),
    mutant("no barrier before dk takes k's place", MAIN, "  __syncthreads();  // everyone has finished reading k", "  //", RACE),
    mutant("no barrier before dk leaves", MAIN, "  __syncthreads();  // dk and dv are complete", "  //", RACE),
    mutant("next queries into the buffer in use", MAIN, "next, shared, stage ^ 1)", "next, shared, stage)", RACE),
    mutant("v overwritten while others read it", DQ, SYNC + "everyone has finished reading v", "    //", RACE),
    mutant("k overwritten while in use", DQ, "copy_k(stage ^ 1, tile + 1)", "copy_k(stage, tile + 1)"),
    mutant("no barrier in convert", ROWS, "  __syncthreads();", "  ", UNREADY),
    mutant("no __syncwarp between staging and storing dq", DQ, "  __syncwarp();", "  ", RACE),
    # bounds
    mutant("rows not guarded on copying", OPERAND, "valid ? 16 : 0", "16"),
    mutant("rows not guarded on storing", OPERAND, "    if (row < valid_rows)\n", ""),
    mutant("lse's rows not guarded", MAIN, "query < valid ? 4 : 0", "4"),
    mutant("dq_sum's blocks not guarded", MAIN, "    if (query >= sequence.queries) break;", "    //"),
]

# What only head_dim 96 (rows of 192 bytes) and 256 (one buffer of q and do; warps of other shares) have.
WIDTHS = [
    mutant("96's rows swizzled as if they began at one bank", OPERAND, "row >> 1 & 3", "row & 3", BANKS),
    mutant("96's chunks leave their row", OPERAND, "Columns % 64 == 0 ? 128 : 64", "128"),
    mutant("96's steps taken within 128 bytes", OPERAND, "kSwizzle = kSwizzleBytes<Columns>", "kSwizzle = 128", WRONG, quick=True),
    mutant("96: lanes without a chunk add to delta", ROWS, " && chunk < Rows::kValueChunks", ""),
    mutant("96: delta summed in halves of twelve", PARAMS, "kRowLanes = kValueChunks == 12 ? 16 : kValueChunks", "kRowLanes = kValueChunks", WRONG),
    mutant("96: dq_sum cleared in whole passes only", ROWS, "i < kDqBlock * Rows::kHeadDim / 4;", "i + Rows::kPrepareThreads <= kDqBlock * Rows::kHeadDim / 4;", WRONG),
    mutant("96: chunks of a row copied in one pass", OPERAND, "c < kChunks; c += kPassChunks", "c < kPassChunks; c += kPassChunks", "uninitialised"),
    mutant("q overwritten while others read it", MAIN, "      __syncthreads();  // everyone has finished reading q\n", "", RACE, quick=True),
    mutant("do overwritten while others read it", MAIN, "      __syncthreads();  // everyone has finished reading do\n", "", RACE),
    mutant("do not waited for", MAIN, "    ptx::cp_async_wait<0>();\n    __syncthreads();  // do", "    __syncthreads();  // do"),
    mutant("do of other threads not waited for", MAIN, "    __syncthreads();  // do, at first v too, has landed\n", "", UNREADY),
    mutant("q not waited for", MAIN, "kOneBuffer ? 1 : 0", "kOneBuffer ? 2 : 0"),
    mutant("do copied where q is due", MAIN, "copy_next_q();\n    }", "copy_next_d_o();\n    }", RACE),
    mutant("lse of the next queries over these", MAIN, "copy_q<Tile>(p, sequence, next, shared, stage ^ 1)", "copy_q<Tile>(p, sequence, next, shared, 0)", UNORDERED),
    mutant("256: columns of dk dealt to two warps", MAIN, "j * Tile::kKeyColumns, kk", "j * 2, kk", WRONG),
    mutant("256: rows of dk dealt to four warps", MAIN, "warp % Tile::kKeyRows * (M16 * 16)", "warp % 4 * 16", WRONG),
    mutant("256: dk stored as if by two warps", MAIN, "store_accumulators<Element, kHeadDim, Tile::kKeyColumns>", "store_accumulators<Element, kHeadDim, 2>",
           UNORDERED),
    mutant("256: dq's columns dealt to four warps", MAIN, "n8_chunk<Tile::kDqColumns>", "n8_chunk<4>"),
    mutant("256: dq's tiles of keys as elsewhere", DQ, "sequence.key_row + t * Tile::kKeys", "sequence.key_row + t * 64"),
]

# Grouped heads, more keys, more queries, batches, a window, packed sequences, rows that see nothing, lse below -88.
TEST = ["tests/simt/attention/sm80/simt_attention_mma_sm80_backward_test", "--gtest_fail_fast",
        "--gtest_filter=Edges*bf16_d128*113x203*:Edges*bf16_d128*128x217*:Edges*bf16_d128*65x257*:Windows*d128*:"
        "Packed*d128*:*RowsThatSeeNothing*/d128*:*ExtremeLogits/d128*"]

WIDTHS_TEST = TEST[:2] + ["--gtest_filter=Widths*bf16*65x257*:Widths*bf16*200x64*:Widths*bf16*packed*"]

if __name__ == "__main__":
    mutants.main([Suite(source=f"tests/simt/attention/sm80/mma_backward_{source}.cu", arch="80",
                        ptx="attention_mma_sm80_backward", test=test, mutants=planted)
                  for source, test, planted in (("mutant", TEST, MUTANTS), ("widths_mutant", WIDTHS_TEST, WIDTHS))])
