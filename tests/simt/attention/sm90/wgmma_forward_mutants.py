#!/usr/bin/env python3
"""Bugs planted in wgmma_sm90's forward pass.  Run by ctest; see tests/simt/mutants.py for the options."""
import mutants

KERNEL = "kernels/attention/sm90/wgmma_forward.cuh"
PRODUCTS = "kernels/attention/sm90/wgmma_forward_products.cuh"
TILE = "kernels/attention/sm90/wgmma_forward_tile.h"
ROWS = "kernels/attention/sm90/wgmma_forward_rows.cuh"
SCHEDULE = "kernels/attention/cuda/forward_schedule.h"
DESCRIPTOR = "kernels/common/ptx/wgmma_descriptor.h"
REGISTERS = "kernels/common/ptx/wgmma_registers.cuh"

WRONG = "wrong result"
RACE = "data race"
DEADLOCK = "deadlock"
FENCE = "missing proxy fence"
BOUNDS = "out of bounds"
BANKS = "bank conflicts"
UNINITIALISED = "uninitialised shared memory"
ASYNC = "asynchronous operation"
MISUSE = "barrier misuse"
ANY = "any"


def suite(probe, cases, planted):
    """One instance on some of forward_cases().  A sixth element True: part of the quick run."""
    return mutants.Suite(source=f"tests/simt/attention/sm90/probes/{probe}.cu", arch="90a", ptx=probe,
                         test=["tests/simt/attention/sm90/wgmma_sm90_forward_probe", probe] + cases.split(),
                         mutants=[mutants.Mutant(f"{probe}: {m[0]}", *m[1:4], expect=m[4], quick=len(m) > 5)
                                  for m in planted])


D128 = [
    # --- stages
    ("producer waits for the other parity", KERNEL, "state.parity ^ 1);", "state.parity);", DEADLOCK, True),
    ("producer does not wait for an empty stage", KERNEL,
     "    ptx::mbarrier_wait(empty + state.stage * 8, state.parity ^ 1);\n", "", MISUSE),
    ("fewer bytes announced than come", KERNEL, "rings.v.acquire(I::kVBytes)", "rings.v.acquire(I::kVBytes / 2)",
     "uninitialised shared memory|barrier misuse|deadlock"),
    ("more bytes announced than come", KERNEL, "rings.q.acquire(I::kQBytes)", "rings.q.acquire(I::kQBytes + 16)",
     DEADLOCK),
    ("consumers wait for the other parity", KERNEL, "ptx::mbarrier_wait(full + state.stage * 8, state.parity);",
     "ptx::mbarrier_wait(full + state.stage * 8, state.parity ^ 1);", ANY),
    ("the first keys not waited for", KERNEL,
     "      rings.k.wait();\n      start_scores<I>(s, q, keys_address());",
     "      start_scores<I>(s, q, keys_address());", "data race|uninitialised shared memory"),
    ("the second keys not waited for", KERNEL, "      if (tile > keys.begin) rings.k.wait();\n", "",
     "data race|uninitialised shared memory"),
    ("the next keys not waited for", KERNEL, "    if (!last) rings.k.wait();\n", "",
     "data race|uninitialised shared memory", True),
    ("keys waited for that never come", KERNEL, "    if (!last) rings.k.wait();\n", "    rings.k.wait();\n", DEADLOCK),
    ("values not waited for", KERNEL, "    start_scores<I>(s, q, k);\n    rings.v.wait();\n",
     "    start_scores<I>(s, q, k);\n", "data race|uninitialised shared memory"),
    ("the last values not waited for", KERNEL, "    rings.v.wait();\n    start_output<I>(o, probabilities, values_",
     "    start_output<I>(o, probabilities, values_", "data race|uninitialised shared memory"),
    ("queries not waited for", KERNEL, "    rings.q.wait();\n", "", "data race|uninitialised shared memory"),
    ("a stage counts one arrival per warpgroup", KERNEL, "initialise(shared.k_full, shared.k_empty, 4 * I::kConsumers)",
     "initialise(shared.k_full, shared.k_empty, I::kConsumers)", "data race|barrier misuse|deadlock"),
    ("every lane hands the stage back", KERNEL, "if (threadIdx.x % 32 == 0) ptx::mbarrier_arrive(empty",
     "ptx::mbarrier_arrive(empty", ANY),
    ("a stage never handed back", KERNEL, "    hand_back(state.stage);\n", "", DEADLOCK),
    ("the ring does not advance", KERNEL, "    hand_back(state.stage);\n    state.advance();", "    hand_back(state.stage);",
     ANY),
    ("q handed back before o has left", KERNEL, "    if (threadIdx.x % 32 == 0) ptx::tma_store_wait_read<0>();\n", "",
     RACE, True),
    ("q never handed back", KERNEL, "    rings.q.hand_back(q_to_release);\n", "", DEADLOCK),
    ("q's ring does not advance", KERNEL, "    store(work, softmax);\n    rings.q.state.advance();",
     "    store(work, softmax);", ANY),
    ("barriers not made known to the async proxy", KERNEL, "    ptx::fence_mbarrier_init();\n", "", FENCE),
    ("nobody waits for the barriers' initialisation", KERNEL, "  __syncthreads();\n  if (threadIdx.x < 128)",
     "  if (threadIdx.x < 128)", RACE),
    ("all lanes are producers", KERNEL, "if (threadIdx.x < 32 && ptx::elect_one()) produce", "if (threadIdx.x < 32) produce",
     MISUSE),
    # --- copies
    ("all panels to one place", KERNEL, "ptx::shared_address(tile) + panel * kPanelBytes, map", "ptx::shared_address(tile), map",
     RACE),
    ("one panel twice", KERNEL, "map, full, panel * kPanelElements, head, row);", "map, full, 0, head, row);", WRONG),
    ("keys of the wrong head", KERNEL, "kv_head = work.head / p.group", "kv_head = work.head % p.group", ANY),
    ("keys counted from the first sequence's", KERNEL, "work.tile.kv_row + tile * I::kKeys);\n      rings.k",
     "tile * I::kKeys);\n      rings.k", WRONG),
    ("values in the order of the next keys", KERNEL,
     "work.tile.kv_row + tile * I::kKeys);\n      rings.v.state",
     "work.tile.kv_row + (tile > 0 ? tile - 1 : 0) * I::kKeys);\n      rings.v.state", WRONG),
    # --- products
    ("no wgmma.fence", PRODUCTS, "  ptx::wgmma_fence();\n", "", ASYNC),
    ("no commit of the scores", PRODUCTS, "    ptx::wgmma<I::Element::kTypes, I::kKeys>(s, a, b, step > 0);\n  }\n  ptx::wgmma_commit();",
     "    ptx::wgmma<I::Element::kTypes, I::kKeys>(s, a, b, step > 0);\n  }", ANY),
    ("scores used while they are computed", KERNEL, "finish_scores<1>(s);", "finish_scores<2>(s);", ASYNC, True),
    ("keys handed back while they are read", KERNEL,
     "    ptx::wgmma_wait<kPending>();\n    ptx::wgmma_registers_fence(s);\n    rings.k.release();",
     "    rings.k.release();\n    ptx::wgmma_wait<kPending>();\n    ptx::wgmma_registers_fence(s);", RACE),
    ("values handed back while they are read", KERNEL,
     "    ptx::wgmma_wait<0>();\n    ptx::wgmma_registers_fence(o);\n    rings.v.release();",
     "    rings.v.release();\n    ptx::wgmma_wait<0>();\n    ptx::wgmma_registers_fence(o);", RACE),
    ("output used while it is computed", KERNEL, "    ptx::wgmma_wait<0>();\n    ptx::wgmma_registers_fence(o);",
     "    ptx::wgmma_wait<1>();\n    ptx::wgmma_registers_fence(o);", "asynchronous operation|data race"),
    ("k does not advance in q", PRODUCTS, "step / 4 * I::kQPanelBytes + step % 4 * 32", "step / 4 * I::kQPanelBytes", WRONG),
    ("k's second panel not reached", PRODUCTS, "step / 4 * I::kKeyPanelBytes + step % 4 * 32", "step % 4 * 32", WRONG),
    ("v does not advance", PRODUCTS, "ptx::advance(v_rows, step * 2048)", "ptx::advance(v_rows, step * 1024)", WRONG),
    ("v's panels 1024 bytes apart", PRODUCTS, "ptx::wgmma_descriptor(v, I::kKeyPanelBytes, 1024)",
     "ptx::wgmma_descriptor(v, 1024, 1024)", WRONG),
    ("v read as if its keys were contiguous", PRODUCTS, "I::kValueDim, ptx::Major::mn>", "I::kValueDim, ptx::Major::k>", ANY),
    ("no swizzle in the descriptor", DESCRIPTOR, "kSwizzle128B << 62", "std::uint64_t(0) << 62", ANY),
    ("both warpgroups multiply the same queries", KERNEL, "shared.q[rings.q.state.stage]) + index * (64 * 128)",
     "shared.q[rings.q.state.stage])", "wrong result|data race"),
    ("p's fragments out of order", PRODUCTS, "p[i / 4][i % 4] = I::Element::pack", "p[i / 4][i % 2 * 2 + i / 2 % 2] = I::Element::pack",
     WRONG),
    ("a's registers exchanged", REGISTERS, '"r"(a[1]), "r"(a[2])', '"r"(a[2]), "r"(a[1])', WRONG),
    ("the last query tile's output kept", KERNEL, "start_output<I>(o, probabilities, v, !first);",
     "start_output<I>(o, probabilities, v, true);", WRONG, True),
    ("a lone key tile adds to the last query tile's output", KERNEL, "values_address(), tile != first);",
     "values_address(), true);", WRONG),
    ("each product replaces the output", PRODUCTS, "accumulate || step > 0", "step > 0", WRONG),
    # --- turns
    ("both warpgroups have the same turn", KERNEL, "ptx::barrier_arrive(2 - index,", "ptx::barrier_arrive(1 + index,", ANY),
    ("nobody has the first turn", KERNEL, "    if (index == 1) end_turn();  // the first turn is warpgroup 0's\n", "",
     DEADLOCK, True),
    ("a turn counts one warpgroup", KERNEL, "ptx::barrier_sync(1 + index, 128 * I::kConsumers)",
     "ptx::barrier_sync(1 + index, 128)", ANY),
    ("a turn never passed on", KERNEL, "    end_turn();\n    finish_scores", "    finish_scores", DEADLOCK),
    # --- softmax
    ("output not rescaled", KERNEL, "rescale_output(o, rescale);\n    round", ";\n    round", WRONG, True),
    ("output rescaled by the other row's factor", KERNEL, "o[i] *= rescale[i / 2 % 2];", "o[i] *= rescale[1 - i / 2 % 2];",
     WRONG),
    ("output rescaled only where all rows' maxima grew", KERNEL, "__any_sync(0xffffffff, rescale", "__all_sync(0xffffffff, rescale",
     WRONG),
    ("the second row's new maximum overlooked", KERNEL, "rescale[0] != 1 || rescale[1] != 1", "rescale[0] != 1", WRONG),
    ("output rescaled before the product", KERNEL,
     "    start_output<I>(o, probabilities, v, !first);  // the first replaces what the last query tile left\n",
     "    rescale_output(o, softmax.max);\n    start_output<I>(o, probabilities, v, !first);\n", WRONG),
    ("row sums not rescaled", ROWS, "      sum[half] *= rescale[half];\n", "", WRONG),
    ("maximum not reduced over the quad", ROWS, "      m[half] = fmaxf(m[half], __shfl_xor_sync(0xffffffff, m[half], 2));\n",
     "", WRONG),
    ("row sum not reduced over the quad", ROWS, "    all += __shfl_xor_sync(0xffffffff, all, 2);\n", "", WRONG),
    ("-inf guard dropped", ROWS, "kMasked && m[half] == -INFINITY ? 0.f : m[half] * scale_log2", "m[half] * scale_log2",
     WRONG),
    ("division by a sum of nothing", KERNEL, "total == 0 ? 0.f : values / total", "values / total", WRONG),
    ("lse without the scale", ROWS, "max[half] * scale_log2 * kLn2", "max[half] * kLn2", WRONG),
    ("lse without ln 2", ROWS, "scale_log2 * kLn2", "scale_log2", WRONG),
    # --- masks
    ("mask off by one", ROWS, "8 * j + e < to", "8 * j + e <= to", WRONG, True),
    ("window off by one", ROWS, "8 * j + e >= from", "8 * j + e > from", WRONG, True),
    ("mask the same for both rows", ROWS, "limit_step = p.causal ? 8 : 0", "limit_step = 0", WRONG),
    ("window the same for both rows", ROWS, "first_step = p.window > 0 ? 8 : 0", "first_step = 0", WRONG),
    ("mask the same for all columns of a quad", ROWS, "(p.causal ? seen : tile.keys) - column", "(p.causal ? seen : tile.keys)",
     WRONG),
    ("the first tile not masked", KERNEL, "      mask.apply(s, tile * I::kKeys);\n", "", WRONG),
    ("causal mask aligned top-left", SCHEDULE, "tile.position = first + seq_kv - seq_q;", "tile.position = first;", WRONG),
    ("masked tiles taken for unmasked ones", SCHEDULE, "clamp_to(fewest / keys_per_tile,",
     "clamp_to((fewest + keys_per_tile - 1) / keys_per_tile,", WRONG),
    ("a window's edge taken for unmasked", SCHEDULE, "(last_first + keys_per_tile - 1) / keys_per_tile,",
     "last_first / keys_per_tile,", WRONG),
    ("the tile at a window's edge left out", SCHEDULE, "tiles.begin = first / keys_per_tile;",
     "tiles.begin = (first + keys_per_tile - 1) / keys_per_tile;", WRONG),
    ("the last, partial tile of keys left out", SCHEDULE, "tiles.end = (most + keys_per_tile - 1) / keys_per_tile;",
     "tiles.end = most / keys_per_tile;", WRONG),
    # --- the way out
    ("o staged without swizzle", ROWS, "ptx::swizzle_128b(block_row * 128 + (j % 8 + block / 2) * 16)",
     "(block_row * 128 + (j % 8 + block / 2) * 16)", "wrong result|bank conflicts"),
    ("stmatrix blocks in ldmatrix's other order", ROWS, "block_row = block % 2 * 8 + lane % 8", "block_row = block / 2 * 8 + lane % 8",
     "data race|wrong result"),
    ("o's second panel over the first", ROWS, "staging + j / 8 * kPanelBytes +", "staging +", "data race|wrong result|uninit"),
    ("no proxy fence before the store", KERNEL, "    ptx::fence_proxy_async();\n    __syncwarp();", "    __syncwarp();", FENCE, True),
    ("no __syncwarp before the store", KERNEL, "    ptx::fence_proxy_async();\n    __syncwarp();", "    ptx::fence_proxy_async();",
     "data race|missing proxy fence"),
    ("no __syncwarp after the ordinary stores", KERNEL,
     "the next q comes by bulk copy\n      __syncwarp();", "the next q comes by bulk copy", RACE),
    ("missing rows stored by bulk copies", KERNEL, "if (rows < 16) {", "if (rows < 1) {", WRONG),
    ("all rows stored", ROWS, "for (int row = lane / 8; row < rows; row += 4)", "for (int row = lane / 8; row < 16; row += 4)",
     ANY),
    ("lse of missing rows stored", ROWS, "if (row + half * 8 < work.tile.queries) lse", "lse", ANY),
    ("lse of another head", ROWS, "work.tile.lse + work.head * p.lse_head_stride", "work.tile.lse", WRONG),
    ("o of the wrong warp", KERNEL, "work.tile.q_row + warp_row());\n      ptx::tma_store_commit", "work.tile.q_row);\n      ptx::tma_store_commit",
     WRONG),
    ("exit with stores on their way", KERNEL, "    if (threadIdx.x % 32 == 0) ptx::tma_store_wait<0>();", "", ASYNC),
    ("rows that see no key not written", KERNEL, "      store_zeros(p, work,", "      if (false) store_zeros(p, work,", WRONG),
    ("zeros past the end", KERNEL, "min(work.tile.queries - warp_row(), 16)", "16", ANY),
    # --- schedule
    ("tiles left out", SCHEDULE, "next_ += to_next_;", "next_ += to_next_ + 1;", WRONG),
    ("both ways from left to right", SCHEDULE, "to_next_(2 * (ctas - 1 - cta) + 1), to_after_(2 * cta + 1)",
     "to_next_(2 * cta + 1), to_after_(2 * (ctas - 1 - cta) + 1)", WRONG),
    ("a sequence's last tile one too far", SCHEDULE, "/ tile_queries - 1 - n / batch) * tile_queries", "/ tile_queries - n / batch) * tile_queries",
     ANY),
    # --- machine
    ("more registers than there are", TILE, "kConsumerRegisters = 240", "kConsumerRegisters = 248", DEADLOCK),
]

# One buffer of q: it must be free before the next query tile comes.
D192 = [
    ("q released too late", KERNEL, "    if (I::kQBuffers == 1) release_q();", "    ;", DEADLOCK, True),
    ("k's third panel not reached", PRODUCTS, "step / 4 * I::kKeyPanelBytes + step % 4 * 32",
     "step / 4 % 2 * I::kKeyPanelBytes + step % 4 * 32", WRONG),
    ("q handed back before o has left", KERNEL, "    if (threadIdx.x % 32 == 0) ptx::tma_store_wait_read<0>();\n", "",
     RACE),
]

if __name__ == "__main__":
    mutants.main([suite("wgmma_forward_d128", "ragged causal blind window wide_window packed", D128),
                  suite("wgmma_forward_d192", "latent", D192)])
