#!/usr/bin/env python3
"""Bugs planted in tcgen05_sm100's forward pass.  Run by ctest; see tests/simt/mutants.py for the options."""
import mutants

KERNEL, ISSUE, ROWS = (f"kernels/attention/sm100/tcgen05_forward{part}.cuh" for part in ("", "_issue", "_rows"))
TILE = "kernels/attention/sm100/tcgen05_forward_tile.h"
SCHEDULE = "kernels/attention/cuda/forward_schedule.h"

WRONG = "wrong result"
RACE = "data race"
DEADLOCK = "deadlock"
TENSOR_FENCE = "missing tcgen05 fence"
FENCE = "missing proxy fence"
BANKS = "bank conflicts"
UNFILLED = "data race|uninitialised shared memory"
TENSOR_MEMORY = "tensor memory"
ASYNC = "asynchronous operation"
MISUSE = "barrier misuse"
ANY = "any"


def suite(probe, cases, planted):
    """One instance on some of forward_cases().  A sixth element True: part of the quick run."""
    return mutants.Suite(source=f"tests/simt/attention/sm100/probes/{probe}.cu", arch="100a", ptx=probe,
                         test=["tests/simt/attention/sm100/tcgen05_sm100_forward_probe", probe] + cases.split(),
                         mutants=[mutants.Mutant(f"{probe}: {m[0]}", *m[1:4], expect=m[4], quick=len(m) > 5)
                                  for m in planted])


WAIT_EMPTY = "      ptx::mbarrier_wait(shared_address(&shared.empty[ring.stage]), ring.parity ^ 1);\n"
D128 = [
    # --- copies
    ("stages not waited for", ISSUE, WAIT_EMPTY, "", MISUSE),
    ("the loader waits for the other parity", ISSUE, "shared.empty[ring.stage]), ring.parity ^ 1", "shared.empty[ring.stage]), ring.parity",
     DEADLOCK, True),
    ("q not waited for before the next comes", ISSUE,
     "      ptx::mbarrier_wait(shared_address(&shared.q_empty[h]), q[h].parity ^ 1);\n", "", "barrier misuse|data race"),
    ("fewer bytes announced than come", ISSUE, "kPanels * I::kPanelBytes);\n#pragma", "kPanels * I::kPanelBytes / 2);\n#pragma", ANY),
    ("all panels to one place", ISSUE, "shared_address(tile) + panel * I::kPanelBytes, map", "shared_address(tile), map", RACE),
    ("keys of the wrong head", ISSUE, "kv_head = work.head / p.group", "kv_head = work.head % p.group", ANY),
    ("keys counted from the first sequence's", ISSUE, "row = work.half[0].kv_row + tile", "row = tile", WRONG),
    ("both halves take the same queries", ISSUE, "work.half[h].q_row);\n      q[h]", "work.half[0].q_row);\n      q[h]", WRONG),
    # --- products
    ("keys not waited for", ISSUE,
     "      if (h == 0 && has_keys) ptx::mbarrier_wait(shared_address(&shared.full[ring.stage]), ring.parity);\n", "", UNFILLED),
    ("values not waited for", ISSUE, "    if (has_values) {\n      ptx::mbarrier_wait(shared_address(&shared.full[ring.stage]), ring.parity);\n",
     "    if (has_values) {\n", UNFILLED, True),
    ("queries not waited for", ISSUE, "    if (tile == work.keys[h].end - 1) ptx::mbarrier_wait(shared_address(&shared.q_full[h]), q[h].parity);\n",
     "", UNFILLED),
    ("weights not waited for", ISSUE, "    ptx::mbarrier_wait(shared_address(&shared.product_ready[h]), ready[h].parity);\n", "", ANY),
    ("the last weights not waited for", ISSUE, "    ptx::mbarrier_wait(shared_address(&shared.weights_full[h]), ready[h].parity);\n", "", ANY),
    ("no fence after the wait for weights", ISSUE, "    ptx::tcgen05_fence_after_thread_sync();\n    start_output<I, 0, kEarly>", "    start_output<I, 0, kEarly>",
     TENSOR_FENCE, True),
    ("no fence after the wait for the last weights", ISSUE, "    ptx::tcgen05_fence_after_thread_sync();\n    start_output<I, kEarly, I::kKeySteps>", "    start_output<I, kEarly, I::kKeySteps>",
     TENSOR_FENCE),
    ("the product begins with weights that are not stored", ISSUE, "start_output<I, 0, kEarly>", "start_output<I, 0, kEarly + 1>", ANY),
    ("the last weights left out", ISSUE, "start_output<I, kEarly, I::kKeySteps>", "start_output<I, kEarly, I::kKeySteps - 1>", WRONG),
    ("scores not committed", ISSUE, "    ptx::tcgen05_commit<1>(shared_address(&shared.scores_full[h]));\n", "", DEADLOCK),
    ("scores committed before they are issued", ISSUE, "    start_scores<I>(p, tensor_memory + h",
     "    ptx::tcgen05_commit<1>(shared_address(&shared.scores_full[h]));\n    start_scores<I>(p, tensor_memory + h", ANY),
    ("the output not committed", ISSUE, "    if (tile == work.keys[h].begin) ptx::tcgen05_commit<1>(shared_address(&shared.output_full[h]));\n",
     "", DEADLOCK),
    ("the output committed a tile early", ISSUE, "if (tile == work.keys[h].begin) ptx::tcgen05_commit<1>(shared_address(&shared.output_full",
     "if (tile == (work.keys[h].begin + 1 < work.keys[h].end ? work.keys[h].begin + 1 : work.keys[h].begin)) "
     "ptx::tcgen05_commit<1>(shared_address(&shared.output_full", ANY),
    ("values handed back before the second half's product", ISSUE, "if (h == 1 && has_values) ptx::tcgen05_commit",
     "if (h == 0 && has_values) ptx::tcgen05_commit", RACE),
    ("keys never handed back", ISSUE, "      ptx::tcgen05_commit<1>(shared_address(&shared.empty[k]));\n", "", DEADLOCK),
    ("q handed back after its first tile", ISSUE, "    if (tile == work.keys[h].begin) {\n      ptx::tcgen05_commit<1>(shared_address(&shared.q_empty[h]));",
     "    if (tile == work.keys[h].end - 1) {\n      ptx::tcgen05_commit<1>(shared_address(&shared.q_empty[h]));", "data race|wrong result|deadlock"),
    ("the ring does not advance past v", ISSUE, "ring.parity);\n      ring.advance();\n    }\n    const int k", "ring.parity);\n    }\n    const int k", ANY),
    ("k does not advance in q", ISSUE, "descriptor(I::kScoreOperand, q + at)", "descriptor(I::kScoreOperand, q)", WRONG),
    ("k's second panel not reached", ISSUE, "at = step / 4 * I::kPanelBytes + step % 4 * 32", "at = step % 4 * 32", WRONG),
    ("v does not advance", ISSUE, "v + step * I::kValueStep", "v", WRONG),
    ("weights of the wrong columns", ISSUE, "weights + step * 8", "weights + step * 4", WRONG),
    ("v read as if its keys were contiguous", TILE, "kValueOperand = tcgen05_tile(false, kKeys)", "kValueOperand = tcgen05_tile(true, kKeys)", WRONG),
    ("each product replaces the output", ISSUE, "accumulate || step > 0", "step > 0", WRONG),
    ("the last unit's output kept", ISSUE, "tile < work.keys[h].end - 1);", "true);", "wrong result|tensor memory"),
    ("scores added to what was there", ISSUE, "p.scores_instruction, step > 0)", "p.scores_instruction, true)", "tensor memory|wrong result"),
    ("outputs of both halves in one place", ISSUE, "d = weights + I::kOutput;", "d = tensor_memory + I::kOutput;", ANY),
    ("scores over the first half's output", TILE, "kOutput = 256, kHalfColumns = 128", "kOutput = 128, kHalfColumns = 128", ANY),
    # --- softmax
    ("scores not waited for", KERNEL, "    ptx::mbarrier_wait(shared_address(&shared.scores_full[h]), tiles++ % 2);\n", "    tiles++;\n", ANY),
    ("scores waited for in the other phase", KERNEL, "shared.scores_full[h]), tiles++ % 2", "shared.scores_full[h]), ++tiles % 2", ANY),
    ("no fence after the wait for scores", KERNEL, "    ptx::tcgen05_fence_after_thread_sync();\n#pragma unroll\n    for (int i = 0; i < 4; ++i) ptx::tcgen05_ld",
     "#pragma unroll\n    for (int i = 0; i < 4; ++i) ptx::tcgen05_ld", TENSOR_FENCE),
    ("scores used before they are loaded", KERNEL, "    ptx::tcgen05_wait_ld(s);\n    if constexpr", "    if constexpr", ASYNC),
    ("weights not yet stored when announced", KERNEL, "      ptx::tcgen05_wait_st();\n      ptx::tcgen05_fence_before_thread_sync();\n      warp_arrive(part",
     "      ptx::tcgen05_fence_before_thread_sync();\n      warp_arrive(part", RACE, True),
    ("no fence before weights are announced", KERNEL, "      ptx::tcgen05_wait_st();\n      ptx::tcgen05_fence_before_thread_sync();\n      warp_arrive(part",
     "      ptx::tcgen05_wait_st();\n      warp_arrive(part", TENSOR_FENCE),
    ("weights announced a part early", KERNEL, "if (part < 2) continue;", "if (part == 0 || part == 3) continue;", RACE),
    ("weights announced by one lane for all", ISSUE, "  __syncwarp();\n  if (threadIdx.x % 32 == 0) ptx::mbarrier_arrive", "  if (threadIdx.x % 32 == 0) ptx::mbarrier_arrive", ANY),
    ("weights of another warp's lanes", KERNEL, "(row / 32 * 32 << 16)),", "((row / 32 ^ 1) * 32 << 16)),", TENSOR_MEMORY),
    ("weights in the wrong columns", KERNEL, "tcgen05_st_32x32b_x16(scores + part * 16, weights)", "tcgen05_st_32x32b_x16(scores + part * 32, weights)", ANY),
    ("the maximum of half the scores", ROWS, "for (int i = 4; i < kKeys; i += 8)", "for (int i = 4; i < kKeys / 2; i += 8)", ANY),
    ("the sum not rescaled", ROWS, "    sum *= rescale;\n", "", WRONG),
    ("the shift follows, and says that it did not", ROWS, "    if (!(largest - shift > Element::kMost)) return 1;", "    if (!(largest - shift > Element::kMost)) {\n      shift = fmaxf(shift, largest);\n      return 1;\n    }", WRONG, True),
    ("the shift never follows", ISSUE, "kMost = 8;", "kMost = 8000;", WRONG),
    ("rescaled the wrong way", ROWS, "exp2_approximate(shift - (largest - Element::kStart))", "exp2_approximate(largest - Element::kStart - shift)", WRONG),
    ("-inf guard dropped", ROWS, "kMasked && shift == -INFINITY ? 0.f : -shift", "-shift", WRONG),
    ("division by a sum of nothing", ROWS, "sum == 0 ? 0.f : 1 / sum", "1 / sum", WRONG),
    ("lse without ln 2", ROWS, "shift * kLn2", "shift", WRONG),
    ("hidden keys by the polynomial", ROWS, "if (!kMasked && polynomial_pair(i))", "if (polynomial_pair(i))", ANY),
    ("a constant of the polynomial", ROWS, "0.24022120237350464f", "0.24222120237350464f", WRONG, True),
    ("the polynomial's exponent off by one bit", ROWS, "__float_as_uint(shifted) << 23", "__float_as_uint(shifted) << 22", ANY),
    ("the polynomial not clamped", ROWS, "  x = fmaxf(x, -126.f);                 // the exponent must not leave its field; nobody misses 2^-126\n", "", WRONG),
    ("odd and even weights exchanged", ROWS, "Element::pack(weight.x, weight.y)", "Element::pack(weight.y, weight.x)", WRONG),
    # --- masks
    ("mask off by one", ROWS, "i < to)) s[", "i <= to)) s[", WRONG, True),
    ("window off by one", ROWS, "if (!(i >= from", "if (!(i > from", WRONG),
    ("the second half masked like the first", TILE, "half.position += h * 128;", "half.position += 0;", WRONG),
    ("masked tiles not masked", KERNEL, "    if constexpr (kMasked) mask.apply(s, tile * I::kKeys);\n", "", WRONG),
    ("causal mask aligned top-left", SCHEDULE, "tile.position = first + seq_kv - seq_q;", "tile.position = first;", WRONG),
    ("the second half walks as far as the first", TILE, "w.end = w.empty(1) ? w.keys[0].end : w.keys[1].end;", "w.end = w.keys[0].end;", ANY),
    ("output not rescaled", KERNEL, "      if (__any_sync(0xffffffff, factor != 1)) rescale(h, factor);\n", "", WRONG, True),
    ("output rescaled only where all rows' maxima grew", KERNEL, "__any_sync(0xffffffff, factor", "__all_sync(0xffffffff, factor", WRONG),
    ("output rescaled by the other half's factors", KERNEL, "return shared.message[h][message % 2]", "return shared.message[h ^ 1][message % 2]", "data race|wrong result|uninit"),
    ("messages not waited for", KERNEL, "    ptx::mbarrier_wait(shared_address(&shared.message_full[h][message % 2]), message / 2 % 2);\n", "", UNFILLED, True),
    ("messages all in one place", KERNEL, "shared.message[h][message % 2][row] = factor;", "shared.message[h][0][row] = factor;", ANY),
    ("no fence before the output is rescaled", KERNEL, "    ptx::tcgen05_fence_after_thread_sync();  // the scores", "    // the scores", TENSOR_FENCE),
    ("the rescaled output not yet stored", KERNEL, "    ptx::tcgen05_wait_st();\n  }\n\n  /// Lets", "  }\n\n  /// Lets", RACE),
    ("no fence after the output was rescaled", KERNEL, "    ptx::tcgen05_fence_before_thread_sync();\n    warp_arrive(&shared.product_ready[h]);\n  }\n\n  __device__ __forceinline__ void stage",
     "    warp_arrive(&shared.product_ready[h]);\n  }\n\n  __device__ __forceinline__ void stage", TENSOR_FENCE),
    ("the product does not wait for correction", KERNEL, "init(shared.product_ready[h], 8)", "init(shared.product_ready[h], 4)", ANY),
    ("the last output not waited for", KERNEL, "    ptx::mbarrier_wait(shared_address(&shared.output_full[h]), full[h].parity);\n", "", ANY),
    # --- the way out
    ("staging not waited for", KERNEL, "    if (lane == 0) ptx::tma_store_wait_read<0>();\n", "", RACE),
    ("o staged without swizzle", ROWS, "(chunk ^ row % 8) * 16", "chunk * 16", "wrong result|bank conflicts"),
    ("no proxy fence before the store", KERNEL, "    ptx::fence_proxy_async();\n", "", FENCE),
    ("a missing row stored", KERNEL, "if (rows < 32) {", "if (rows < 1) {", ANY),
    ("lse of missing rows stored", KERNEL, "    if (row < half.queries) lse_rows", "    lse_rows", ANY),
    ("lse of another head", ROWS, "p.lse + half.lse + head * p.lse_head_stride", "p.lse + half.lse", WRONG),
    ("exit with stores on their way", KERNEL, "    if (lane == 0) ptx::tma_store_wait<0>();", "", ASYNC),
    ("rows that see no key not written", KERNEL, "          store_nothing_seen(p,", "          if (false) store_nothing_seen(p,", WRONG),
    # --- machine
    ("more registers than there are", KERNEL, "ptx::setmaxnreg_inc<200>()", "ptx::setmaxnreg_inc<208>()", DEADLOCK),
    ("barriers not made known to the async proxy", KERNEL, "  ptx::fence_mbarrier_init();\n", "", FENCE),
    ("tensor memory given back while it is read", KERNEL, "  __syncthreads();  // nobody reads tensor memory any more\n", "", ANY),
    ("tensor memory not given back", KERNEL, "  if (warp == 12) ptx::tcgen05_dealloc<1>(tensor_memory, I::kColumns);\n", "", TENSOR_MEMORY),
]

D192 = [
    ("k's third panel not reached", ISSUE, "at = step / 4 * I::kPanelBytes", "at = step / 4 % 2 * I::kPanelBytes", WRONG),
]

if __name__ == "__main__":
    mutants.main([suite("tcgen05_forward_d128", "ragged causal blind window packed rising steep falling", D128),
                  suite("tcgen05_forward_d192", "latent", D192)])
