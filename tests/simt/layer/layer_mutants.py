#!/usr/bin/env python3
"""Bugs planted in the layer kernels.  Run by ctest; see tests/simt/mutants.py for the options."""
import mutants

WRONG = "wrong result"
BOUNDS = "out of bounds"
RACE = "data race|uninitialised|wrong result"

ROWS = "kernels/layer/cuda/rows.cuh"
REDUCE = "kernels/layer/cuda/reduce.cuh"
FORWARD = "kernels/layer/cuda/norm_forward.cuh"
BACKWARD = "kernels/layer/cuda/norm_backward.cuh"
ELEMENTWISE = "kernels/layer/cuda/elementwise.cuh"
ROPE = "kernels/layer/cuda/rope.cuh"
ENTROPY = "kernels/layer/cuda/cross_entropy.cuh"
ADAMW = "kernels/layer/cuda/adamw.cuh"
NORM = "kernels/layer/cuda/grad_norm.cuh"
EMBEDDING = "kernels/layer/cuda/embedding.cuh"
PERMUTE = "kernels/layer/cuda/permute.cuh"
COLUMNS = "kernels/layer/cuda/columns.cuh"
ROUTER = "kernels/layer/cuda/router.cuh"

QUICK = True


def suite(source, ptx, test, tests, planted):
    return mutants.Suite(source=source, arch="80", ptx=ptx,
                         test=[f"tests/simt/layer/simt_layer_{test}_test", "--gtest_fail_fast", f"--gtest_filter={tests}"],
                         mutants=[mutants.Mutant(f"{ptx}: {what}", file, old, new, expect=expect, quick=len(rest) > 0)
                                  for what, file, old, new, expect, *rest in planted])


def library(name, test, tests, planted):
    return suite(f"kernels/layer/cuda/{name}.cu", f"layer_{name}_cuda", test, tests, planted)


if __name__ == "__main__":
    mutants.main([
        suite("tests/simt/layer/norm_forward_mutant.cu", "layer_norm_forward_cuda", "norm", "*SmallForward*", [
            ("no barrier before the warps' sums are read", REDUCE, "  __syncthreads();\n#pragma unroll\n", "#pragma unroll\n",
             RACE, QUICK),
            ("one place for sums in turn", REDUCE, "scratch.of_warp[turn & 1][i][warp]", "scratch.of_warp[0][i][warp]", RACE),
            ("the current row reduced is the next", FORWARD, "    auto input = next;\n", "    auto& input = next;\n", "any"),
            ("rows not guarded", ROWS, "    if (i < vectors) use(j, i);", "    use(j, i);", "any"),
            ("the residual not rounded before it is normalised", FORWARD, "sum[i] = input.x.vector[j] = Element::pack(a);",
             "sum[i] = Element::pack(a);", WRONG),
            ("epsilon left out", FORWARD, " + p.epsilon)", ")", "any"),
            ("the mean not taken off", FORWARD, "(value[e] - mean) * rstd, w[e], b[e]", "value[e] * rstd, w[e], b[e]", WRONG),
            ("odd lengths: half a block's columns", FORWARD, "c < p.hidden; c += int(blockDim.x)",
             "c < p.hidden; c += 2 * int(blockDim.x)", "any"),
        ]),
        suite("tests/simt/layer/norm_backward_mutant.cu", "layer_norm_backward_cuda", "norm", "*SmallBackward*", [
            ("sums over tokens not cleared", BACKWARD, "int k = 0; k < places; ++k)", "int k = 1; k < places; ++k)", "any"),
            ("no barrier before warps' sums are added", BACKWARD, "  if (Team::of_block() > 1) __syncthreads();\n", "", RACE, QUICK),
            ("a warp's sums left out", BACKWARD, "int team = 1; team < Team::of_block()", "int team = 2; team < Team::of_block()", WRONG),
            ("halves of the slices not waited for", BACKWARD, "    __syncthreads();\n    if (slice < half)", "    if (slice < half)", RACE),
            ("slices of partial sums left out", BACKWARD, "row += kNormSumSlices", "row += 2 * kNormSumSlices", "any"),
            ("dw replaced where it is added to", BACKWARD, "(p.accumulate != 0 ? *to : 0.F)", "0.F", WRONG),
            ("d_sum forgotten", BACKWARD, "    if (p.d_sum != nullptr) {", "    if (false) {", WRONG),
            ("mean of g xhat with the wrong sign", BACKWARD, "fmaf(-(x[e] - in.mean)", "fmaf((x[e] - in.mean)", WRONG),
        ]),
        library("elementwise", "elementwise", "*Simt.*", [
            ("the rest behind the vectors left out", ELEMENTWISE, "  if (blockIdx.x == 0 && rest < p.elements)", "  if (false)", WRONG),
            ("the rest done by nobody's thread", ELEMENTWISE, "blockIdx.x == 0 && rest < p.elements", "rest <= p.elements", "any"),
            ("tile not guarded", ELEMENTWISE, "    if (i >= vectors) continue;\n    if constexpr", "    if constexpr", BOUNDS),
            ("rows apart read as packed", ELEMENTWISE, "p.vectors_of_row.quotient(std::uint32_t(i)) * p.extra_vectors_a_row", "0", "any"),
            ("a saturated sigmoid times infinity", ELEMENTWISE, "fmaf(x * s * (1.F - s), slope, s)",
             "fmaf(s * (1.F - s), x * slope, s)", WRONG, QUICK),
            ("d_gate without its slope", ELEMENTWISE, "fmaf(in[0], 1.F - s, 1.F)", "1.F", WRONG),
        ]),
        library("rope", "rope", "*Simt.*", [
            ("backward turns forward", ROPE, "sin[e] *= p.sign", "sin[e] *= 1.F", WRONG, QUICK),
            ("idle places not left out", ROPE, "    if (head >= p.heads) continue;\n    const uint4* from", "    const uint4* from", "any"),
            ("positions do not return", ROPE, "token - p.positions.quotient(token) * p.positions.divisor", "token", "any"),
            ("the second half turned by the first's result", ROPE, "    a[e] = turned;\n", "", WRONG),
        ]),
        library("cross_entropy", "cross_entropy", "*InAnySchedule:*Ignored*:*Infin*", [
            ("a vector used before it has arrived", ENTROPY, "cp_async_wait<kCrossEntropySlots - 1>", "cp_async_wait<kCrossEntropySlots>",
             "any"),
            ("a place filled before its use", ENTROPY, "    request(next, next_wanted, slot, p.slots, shared);\n  }\n#pragma unroll 4",
             "    request(next, next_wanted, slot + 1, p.slots, shared);\n  }\n#pragma unroll 4", "any", QUICK),
            ("the sum not rescaled to a new maximum", ENTROPY, "      sum *= exponential(max, largest);\n", "", WRONG),
            ("threads' sums not brought to one maximum", ENTROPY, "own.sum * exponential(own.max, OnlineSoftmax::base(max[0]))",
             "own.sum", WRONG),
            ("words that cannot occur make NaN", ENTROPY, "max == -INFINITY ? 0.F : max;", "max;", WRONG),
            ("the label's logit read after dlogits", ENTROPY, "if (first + e == label) x[e] -= scale;", "if (first + e == label) x[e] -= 1.F;", WRONG),
            ("an edge left out", ENTROPY, "thread >= 32 && thread - 32 < tail", "thread >= 32 && thread - 32 < tail - 1", "any"),
            ("ignored rows not cleared", ENTROPY, "      if constexpr (kGradient) clear_row(logits);\n", "", WRONG),
        ]),
        library("adamw", "optimizer", "AdamW*", [
            ("a product contracted into a sum", ADAMW, "__fmaf_rn(p.beta1, m, __fmul_rn(p.rest1, g))",
             "__fadd_rn(__fmul_rn(p.beta1, m), __fmul_rn(p.rest1, g))", WRONG, QUICK),
            ("param rounded from the old master", ADAMW, "store_vectors<kParam>(p, i, m[u], v[u], master[u]);",
             "store_vectors<kParam>(p, i, m[u], v[u], m[u]);", WRONG),
            ("scale left out", ADAMW, "__fmul_rn(scale, gradient)", "gradient", WRONG),
        ]),
        library("grad_norm", "optimizer", "GradNorm*", [
            ("halves in the other order", NORM, "for (int half = Tile::kThreads / 2; half > 0; half /= 2)  //",
             "for (int half = 1; half < Tile::kThreads; half *= 2)  //", WRONG, QUICK),
            ("the rest of a chunk left out", NORM, "      if (first + e >= count) continue;\n", "      continue;\n", "any"),
            ("a chunk's rest read past its end", NORM, "      if (first + e >= count) continue;\n", "", BOUNDS),
            ("every tensor taken for aligned", NORM, "aligned ? count / kGradNormLanes : 0", "count / kGradNormLanes", "isaligned"),
            ("no barrier between halves", NORM, "    __syncthreads();\n    if (thread < half)", "    if (thread < half)", RACE),
            ("an infinite norm clips", NORM, "norm < double(INFINITY) ? float(clip < 1 ? clip : 1) : NAN", "float(clip < 1 ? clip : 1)", WRONG),
        ]),
        library("embedding", "embedding", "*Simt.*", [
            ("few tokens not brought into order", EMBEDDING, "    if (row.count <= kEmbeddingFew) token = in_order(token, count);\n",
             "    if (row.count <= kEmbeddingFew) token = in_order(-token, count), token = -token;\n", WRONG, QUICK),
            ("many tokens listed twice", EMBEDDING, "if (p.count[id] <= kEmbeddingFew) p.list", "p.list", "any"),
            ("an id outside the vocabulary read", EMBEDDING, "id >= 0 && id < p.vocab", "id >= 0 && id <= p.vocab", "any"),
            ("counters not cleared", EMBEDDING, "atomicExch(p.count + p.ids[t], 0);", "(void)0;", "any"),
        ]),
        library("permute", "permute", "*Simt.*", [
            ("slots of an expert not counted on", PERMUTE, "next[expert] += __popc(same);", "next[expert] += 1;", WRONG, QUICK),
            ("counted on before everybody has read", PERMUTE, "    __syncwarp();  // everybody", "    // everybody", "any"),
            ("padding left as it was", PERMUTE, "i < end; i += blockDim.x) rows[i] = Access::zero();", "i < end; i += blockDim.x) if (i < 0) rows[i] = Access::zero();", WRONG),
            ("alignment rounded down", PERMUTE, "(count + p.alignment - 1) / p.alignment", "count / p.alignment", "any"),
            ("a slot without an expert taken", PERMUTE, "row[u] < 0) continue;", "row[u] < -1) continue;", "any"),
        ]),
        library("columns", "columns", "*Simt.*", [
            ("k and v change places", COLUMNS, "third ? p.part[2] : second ? p.part[1]", "third ? p.part[1] : second ? p.part[2]",
             "any", QUICK),
            ("a part's first column taken for the last of the one before", COLUMNS, "column >= p.begin[1]", "column > p.begin[1]", "any"),
            ("rows of every part as wide as q's", COLUMNS, "third ? p.width[2] : second ? p.width[1] : p.width[0]", "p.width[0]", "any"),
            ("words behind the last written", COLUMNS, "if (i < p.words) *(kSplit", "*(kSplit", BOUNDS),
        ]),
        library("router", "router", "*Simt.*", [
            ("ties go to the higher number", ROUTER, "if (key[i] > best.key) best.key", "if (key[i] >= best.key) best.key", WRONG, QUICK),
            ("NaN as any number", ROUTER, "  if (isnan(x)) return 0xffffffffU;\n", "", "any"),
            ("a group as good as its best expert", ROUTER, "(second.key != 0 ? value_of(second.key) : 0.F)", "0.F", WRONG),
            ("groups not left out", ROUTER, "  if (p.groups > 1) keep_best_groups(p, key);\n", "", WRONG),
            ("softmax over the chosen without its mean", ROUTER, "w * (g - c.dot)", "w * g", WRONG),
        ]),
    ])
