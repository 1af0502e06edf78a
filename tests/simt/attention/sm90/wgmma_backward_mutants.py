"""Bugs planted in wgmma_sm90's backward pass; its tests on the functional GPU must notice each."""
import mutants
from mutants import Mutant, Suite

MAIN, COPIES, ROWS, CONSUMER, SCORES, WIDE = (f"kernels/attention/sm90/wgmma_backward{f}.cuh"
                                              for f in ("", "_copies", "_rows", "_consumer", "_scores", "_wide"))
SCHEDULE = "kernels/attention/sm90/wgmma_backward_schedule.h"
WRONG, RACE, DEADLOCK, FENCE, ASYNC = ("wrong result", "data race", "deadlock", "missing proxy fence",
                                       "asynchronous operation")
OTHER_BITS = "other bits"

SYNC = "    ptx::barrier_sync(kAllConsumers, 128 * Tile::kConsumers);"

# A fifth element True: part of the quick run.
CORE = [
    # producers
    ("a stage is filled without waiting", COPIES,
     "    ptx::mbarrier_wait(shared_address(&ring.empty[state.stage]), state.parity ^ 1);\n", "", "any", True),
    ("producers wait for the other parity", COPIES, "state.parity ^ 1);", "state.parity);", DEADLOCK),
    ("rows' numbers not among the bytes expected", COPIES, "kPanels * Tile::kQueryPanelBytes + Tile::kRowBytes +",
     "kPanels * Tile::kQueryPanelBytes +", "any"),
    ("keys not among the bytes expected", COPIES, "(first ? kPanels * Tile::kKeyPanelBytes : 0)", "0", "any"),
    ("always the first keys", COPIES, "(packed ? int(work.sequence.key_row) : 0) + work.unit.key_tile * Tile::kKeys;",
     "(packed ? int(work.sequence.key_row) : 0);", WRONG),
    ("always the first panel of columns", COPIES, "barrier, panel * 64, head", "barrier, 0, head", WRONG),
    ("the next head's rows are those behind this one's", COPIES,
     "    index += p.schedule.all_query_tiles - (work.range.end - work.range.begin);\n", "", WRONG),
    ("query heads of another group", COPIES, "head(work.unit.kv_head * p.schedule.group)", "head(work.unit.kv_head)",
     "any"),
    # writers
    ("dq is sent off before it is there", COPIES, "      ptx::mbarrier_wait(full, (i * Tile::kDqPasses + pass) & 1);\n", "", "any"),
    ("dq's staging handed back while it is read", COPIES, "  ptx::tma_store_wait_read<0>();\n", "", RACE),
    ("both consumers' dq in one place", COPIES, "* Tile::kDqBlocks + Tile::dq_block(consumer, pass);", "* Tile::kDqBlocks + Tile::dq_block(0, pass);", "any"),
    # consumers: order
    ("q handed back while dk reads it", MAIN, "ptx::wgmma_wait<1>();  // dk", "ptx::wgmma_wait<2>();  // dk", RACE),
    ("s used before it is there", MAIN, "ptx::wgmma_wait<1>();  // s", "ptx::wgmma_wait<2>();  // s", ASYNC),
    ("dp used before it is there", MAIN, "ptx::wgmma_wait<1>();  // dp", "ptx::wgmma_wait<2>();  // dp", ASYNC),
    ("dq used before it is there", MAIN, "ptx::wgmma_wait<1>();  // dv", "ptx::wgmma_wait<2>();  // dv", ASYNC),
    ("do handed back while dv reads it", MAIN,
     "    ptx::wgmma_wait<1>();  // dv and dq\n    ptx::wgmma_registers_fence(dq);\n"
     "    c.release(shared.d_o_empty[stage]);\n",
     "    c.release(shared.d_o_empty[stage]);\n    ptx::wgmma_wait<1>();  // dv and dq\n"
     "    ptx::wgmma_registers_fence(dq);\n", RACE),
    ("no proxy fence behind ds", MAIN, "    ptx::fence_proxy_async();\n" + SYNC + "  // both",
     SYNC + "  // both", FENCE, True),
    ("no barrier behind ds", MAIN, SYNC + "  // both", "  // both", "data race|missing proxy fence|uninitialised"),
    ("one buffer for ds", MAIN, "shared.ds[stage]", "shared.ds[0]", RACE, True),
    ("no proxy fence behind dq", CONSUMER, "    ptx::fence_proxy_async();\n    __syncwarp();", "    __syncwarp();", FENCE),
    ("no __syncwarp behind dq", CONSUMER, "    __syncwarp();\n    if (lane == 0) ptx::mbarrier_arrive(shared_address(&shared.dq_full",
     "    if (lane == 0) ptx::mbarrier_arrive(shared_address(&shared.dq_full", "data race|missing proxy fence"),
    ("dq staged without waiting", CONSUMER, "    ptx::mbarrier_wait(shared_address(&shared.dq_empty[consumer]), parity);\n",
     "", "any"),
    ("consumers wait for the other parity of dq's staging", MAIN, "c.stage_dq(dq, stage ^ 1);", "c.stage_dq(dq, stage);",
     DEADLOCK),
    ("q not waited for", MAIN, "    ptx::mbarrier_wait(shared_address(&shared.q_full[stage]), parity);\n", "", "any"),
    ("do not waited for", MAIN, "    ptx::mbarrier_wait(shared_address(&shared.d_o_full[stage]), parity);\n", "", "any"),
    ("do never handed back", MAIN, "    c.release(shared.d_o_empty[stage]);\n", "", DEADLOCK),
    ("no wgmma.fence", CONSUMER, "    ptx::wgmma_fence();\n", "", ASYNC),
    ("dk staged over k while it is read", CONSUMER, SYNC + "  // nobody", "  // nobody", RACE),
    ("a warp counts as four", MAIN, "shared.q_empty[s]), Tile::kConsumers * 4);", "shared.q_empty[s]), Tile::kConsumers);",
     "any"),
    ("barriers not made known to the async proxy", MAIN, "    ptx::fence_mbarrier_init();\n", "", FENCE),
    ("more registers than there are", MAIN, "setmaxnreg_inc<240>", "setmaxnreg_inc<248>", DEADLOCK),
    # consumers: operands
    ("scores not scaled", SCORES, "s[4 * j + e] * scale_log2 -", "s[4 * j + e] -", WRONG),
    ("the neighbouring query's lse", SCORES, "e % 2 ? lse.y : lse.x", "e % 2 ? lse.x : lse.y", WRONG),
    ("the neighbouring query's delta", SCORES, "e % 2 ? d.y : d.x", "e % 2 ? d.x : d.y", WRONG),
    ("delta of another sixteen queries", MAIN, "shared.delta[stage] + 16 * slice", "shared.delta[stage]", WRONG),
    ("ds without p", SCORES, "p[4 * j + e] * (dp[4 * j + e] -", "(dp[4 * j + e] -", WRONG),
    ("operand's blocks exchanged", SCORES, "a[i] = Element::pack(", "a[(i & 1) << 1 | i >> 1] = Element::pack(", WRONG),
    ("dv from q", MAIN, "c.multiply_queries(c.dv, p_operand, shared.d_o[stage]);",
     "c.multiply_queries(c.dv, p_operand, shared.q[stage]);", WRONG),
    ("dk from p", MAIN, "c.multiply_queries(c.dk, ds_operand,", "c.multiply_queries(c.dk, p_operand,", WRONG),
    ("dp from k", MAIN, "(dp, shared.v, shared.d_o[stage]);", "(dp, shared.k, shared.d_o[stage]);", WRONG),
    ("both consumers' scores from the same keys", CONSUMER, "shared_address(keys) + key_row() * 128",
     "shared_address(keys)", WRONG),
    ("transposed operands advance by eight rows", CONSUMER, "kStepMn = 2048 / 16", "kStepMn = 1024 / 16", WRONG),
    ("ds stored without swizzle", CONSUMER, "to ^ k * 32", "to + k * 32", "any"),
    ("both consumers' dq from the same columns", CONSUMER, "column_panel = block % Tile::kQPanels;", "column_panel = 0;", WRONG),
    ("dk not scaled", CONSUMER, "shared.k + staging, p.scale,", "shared.k + staging, 1.f,", WRONG),
    # masks and ranges
    ("mask off by one", SCHEDULE, "causal ? key - shift :", "causal ? key - shift + 1 :", WRONG),
    ("mask of the thread's first key for both", SCORES, "visible.first_query(first_key + half * 8)", "visible.first_query(first_key)",
     WRONG),
    ("tiles on the diagonal not masked", SCHEDULE, "first + shift < tile_keys - 1", "first + shift < 0", WRONG, True),
    ("causal mask aligned top-left", SCHEDULE, "s.keys - s.queries - key_tile * tile_keys, causal",
     "-key_tile * tile_keys, causal", WRONG),
    ("first query tile forgotten", SCHEDULE, "clamp(first_key - shift, 0, s.queries) / kQueries",
     "divide_up(clamp(first_key - shift, 0, s.queries), kQueries)", WRONG),
    # rows
    ("rows behind the last key stored", ROWS, "r < rows.count && chunk", "chunk", "any"),
    ("staged rows read too early", ROWS, "  ptx::barrier_sync(barrier, 128);\n", "", "data race|uninitialised"),
    ("delta of half the columns", ROWS, "distance = kLanes / 2", "distance = kLanes / 4", WRONG),
    ("lse not in base 2", ROWS, "natural * kLog2E", "natural", WRONG),
    ("rows that see nothing not silenced", ROWS, "natural == -INFINITY ? INFINITY : natural * kLog2E",
     "natural * kLog2E", WRONG),
    ("sums of dq not zeroed", ROWS, "sums[i * kRowThreads + threadIdx.x] = make_float4(0, 0, 0, 0);", ";", WRONG),
    ("dq's blocks exchanged", ROWS, "Tile::kDqBlocks + part) *", "Tile::kDqBlocks + (part ^ 1)) *",
     WRONG),
    ("dq not scaled", ROWS, "store_block<Element>(d, p.scale,", "store_block<Element>(d, 1.f,", WRONG),
]

FORMS = [
    ("turns not waited for", COPIES, "p.turns + block) != turn)", "p.turns + block) == ~0u)", OTHER_BITS),
    ("the turn handed on when dq has been read", COPIES, "    ptx::tma_store_wait<0>();  // performed", "    // performed",
     OTHER_BITS, True),
    ("turns never handed on", COPIES, "    ptx::add_release(p.turns + block, 1);\n", "", DEADLOCK),
    ("turns counted from the left under a causal mask", SCHEDULE, "return last_key / tile_keys - key_tile;",
     "return key_tile;", DEADLOCK),
    ("units numbered against their turns", SCHEDULE, "right_to_left ? key_tiles - 1 - n : n", "n", DEADLOCK),
    ("turns not zeroed", ROWS, "  if (threadIdx.x < Tile::kDqBlocks) p.turns[index * Tile::kDqBlocks + threadIdx.x] = 0;\n",
     "", DEADLOCK),
    ("tickets not zeroed", ROWS, "  if (blockIdx.x == 0 && threadIdx.x == 0) *p.tickets = 0;\n", "", "any"),
    ("window one key too long", SCHEDULE, "window ? key - shift + window :", "window ? key - shift + window + 1 :", WRONG),
    ("tiles at the window's end not masked", SCHEDULE, "(window && first + queries - 1 + shift >= window)", "false", WRONG),
    ("last query tiles of a window forgotten", SCHEDULE, "clamp(last_key - shift + window", "clamp(first_key - shift + window",
     WRONG),
    ("keys behind the last not masked", SCHEDULE, "key >= keys ? kNever :", "key >= 1 << 29 ? kNever :", WRONG),
    ("tiles with missing keys not masked", SCHEDULE, "return keys < tile_keys ||", "return", WRONG),
    ("packed sequences share tiles", SCHEDULE, "q_offsets[b] / kQueries + b;", "q_offsets[b] / kQueries;", "any"),
    ("keys that nobody sees left as they were", MAIN, "if (work.steps(p) == 0) return store_zeros(p, work);",
     "if (work.steps(p) == 0) return;", WRONG),
    ("packed rows of q from the first", COPIES, "packed ? int(work.sequence.query_row) : 0;", "0;", WRONG),
]

# Columns that a problem has not, in a wider tile.
FILLED = [
    ("columns behind the last stored", ROWS, " && chunk * 8 < rows.columns", "", "any"),
    ("columns of o behind the last read", ROWS, "if (exists && chunk * 8 < p.value_dim)", "if (exists)", "any"),
    ("rows of dq as wide as the tile", ROWS, "* p.head_dim;\n  rows.first = static_cast<std::uint16_t*>(p.dq)",
     "* Tile::kHeadDim;\n  rows.first = static_cast<std::uint16_t*>(p.dq)", "any"),
    ("rows of dk as wide as the tile", SCORES, "std::int64_t(p.schedule.kv_heads) * dim;",
     "std::int64_t(p.schedule.kv_heads) * 128;", "any"),
    ("heads of dk as wide as the tile", SCORES, "std::int64_t(keys.kv_head) * dim +", "std::int64_t(keys.kv_head) * 128 +",
     "any"),
]

# The loops of head_dim 192 and 256.
WIDTHS = [
    ("192: second half's queries masked as the first's", WIDE, "query = tile * Tile::kQueries + first;",
     "query = tile * Tile::kQueries;", WRONG),
    ("192: second half's lse the first's", WIDE, "shared.lse_log2[stage] + first", "shared.lse_log2[stage]", WRONG),
    ("192: second half's delta the first's", WIDE, "shared.delta[stage] + first + 16 * k", "shared.delta[stage] + 16 * k", WRONG),
    ("192: second half of dv from the first's do", WIDE, "shared.d_o[stage] + first * 128", "shared.d_o[stage]", WRONG),
    ("192: second half of ds over the first", WIDE, "(ds_operand, first / 16, shared", "(ds_operand, 0, shared",
     "wrong result|uninitialised"),
    ("192: do handed back before the barrier", WIDE,
     "    ptx::fence_proxy_async();\n" + SYNC + "  // both halves of ds are there\n    c.release(shared.d_o_empty[stage]);",
     "    c.release(shared.d_o_empty[stage]);\n    ptx::fence_proxy_async();\n" + SYNC, RACE, True),
    ("192: common block of the first keys by both", CONSUMER, "first_key = kShared ? consumer * 64 : 0", "first_key = 0", WRONG),
    ("192: common block over all keys by both", CONSUMER, "kShared ? 64 : Tile::kKeys", "Tile::kKeys"),
    ("192: dk of the other keys' ds", CONSUMER, "shared_address(stored) + key_row() * 128", "shared_address(stored)", WRONG),
    ("192: one turn for both parts of the common block", COPIES, "turn = 2 * turn + consumer;", "turn = 2 * turn;", DEADLOCK),
    ("192: common block's turns counted once", COPIES, "    if (Tile::shared_dq_block(pass)) turn = 2 * turn + consumer;", "    //",
     "deadlock|other bits|wrong result"),
    ("writers count tiles, not passes", COPIES, "(i * Tile::kDqPasses + pass) & 1", "i & 1"),
    ("blocks of dq staged in the other's phase", WIDE, "c.stage_dq(dq, 1);", "c.stage_dq(dq, 0);"),
    ("first block of dq used before it is there", WIDE, "ptx::wgmma_wait<1>();  // dq's first", "ptx::wgmma_wait<2>();  // dq's first",
     ASYNC),
    ("256: one buffer for ds", WIDE, "*ds = shared.ds[stage]", "*ds = shared.ds[0]", RACE, True),
    ("256: p where ds is", WIDE, "*stored_p = shared.ds[2]", "*stored_p = shared.ds[stage]", "any"),
    ("256: no barrier behind p and ds", WIDE, SYNC + "  // p and", "    // p and", "data race|missing proxy fence|uninitialised"),
    ("256: no proxy fence behind p and ds", WIDE, "    ptx::fence_proxy_async();\n" + SYNC + "  // p and", SYNC + "  // p and", FENCE),
    ("256: do handed back while dv reads it", WIDE, "ptx::wgmma_wait<1>();  // dv, and", "ptx::wgmma_wait<3>();  // dv, and",
     "asynchronous operation|data race"),
    ("256: do waited for in q's phase", WIDE, "shared.d_o_full[0]), stage)", "shared.d_o_full[0]), i >> 1 & 1)"),
    ("256: both consumers' dv and dk of the same columns", CONSUMER, "shared_address(queries) + panel() * Tile::kQueryPanelBytes",
     "shared_address(queries)", WRONG),
    ("256: both consumers' dk staged in one place", CONSUMER, "staging = panel() * Tile::kKeyPanelBytes + key_row()", "staging = key_row()", "any"),
    ("256: both consumers' dk stored to the same columns", CONSUMER, "p.dk, p.head_dim, panel() * 64,", "p.dk, p.head_dim, 0,", "any"),
    ("256: tiles of as many keys as elsewhere", SCHEDULE, "first_key = key_tile * tile_keys, tiles", "first_key = key_tile * kKeys, tiles", "any"),
    ("256: turns of tiles of as many keys as elsewhere", SCHEDULE, "last_key / tile_keys", "last_key / kKeys", DEADLOCK),
]


def suite(planted, tests, source="mutant"):
    return Suite(source=f"tests/simt/attention/sm90/wgmma_backward_{source}.cu", arch="90a", ptx="wgmma_sm90_backward",
                 test=["tests/simt/attention/sm90/simt_wgmma_sm90_backward_test", "--gtest_fail_fast",
                       "--gtest_filter=" + ":".join(f"*{t}" for t in tests)],
                 mutants=[Mutant(m[0], *m[1:4], expect=(*m, "any")[4], quick=len(m) > 5) for m in planted])


if __name__ == "__main__":
    mutants.main([
        # Ragged and full, three heads; more queries than keys, two sequences; two groups of two; more keys than queries.
        suite(CORE, [f"Shapes.EqualsReference/bf16_d128_{s}"
                     for s in ("113x203", "256x113_causal", "300x129_causal", "108x256_causal")]),
        suite(FORMS, [f"*Kind*.{t}/bf16_d128" for t in ("DeterministicFormDoesNotChangeABit", "Windows", "PackedSequences",
                                                         "NothingToSee", "ExtremeLogits")]),
        suite(FILLED, [f"Shapes.EqualsReference/bf16_d96_{s}" for s in ("113x203", "256x113_causal")]),
        suite(WIDTHS, [f"Shapes.EqualsReference/bf16_d{d}_{s}" for d in (192, 256)
                       for s in ("113x203", "256x113_causal", "113x203_causal")], source="widths_mutant"),
    ])
