"""Compares sampled rows with an fp64 computation on the same inputs.

What a kernel may be wrong by is derived in kernels/attention/reference.cpp and reference_backward.cpp, of which this is
the same in vectors: errors of the scores in fp32, of weights rounded to the type, of sums in fp32, of the output's
rounding.  A kernel that is known to be coarser somewhere says so in its Precision, and gets that term more.
`not (error <= allowed)`: NaN never passes.
"""
import hashlib
import math
import random
from dataclasses import dataclass

import torch

U32 = 2.0**-24
TYPES = {"f32": (24, -126), "bf16": (8, -126), "f16": (11, -14)}  # bits of the significand, least exponent
MOST_ROWS = 24
MOST_SCORE_ERROR = 600.0  # a larger one says nothing more than "no digit is left", and must not overflow


@dataclass(frozen=True)
class Precision:
    """Where a kernel is coarser than fp32 within and one rounding at the end."""

    exponential: float = 0.0  # relative error of its exp
    q_block: int = 0  # queries after which the sums of dk and dv are rounded to the type; 0: never
    kv_block: int = 0  # keys after which that of dq is


class Type:
    def __init__(self, dtype):
        self.bits, least = TYPES[dtype]
        self.u = 2.0**-self.bits
        self.u_in = 0.0 if dtype == "f32" else self.u
        self.smallest = 2.0**least
        self.half_step = 2.0**(least - self.bits)
        self.gradual = dtype == "f16"  # subnormals are kept; the other types may lose them whole

    def lost(self, factor, scale=1.0):
        """What rounding may take from a factor below the type's normal range."""
        smallest = self.smallest / scale
        most = smallest * 2.0**-self.bits if self.gradual else smallest
        magnitude = factor.abs()
        return torch.where(magnitude < smallest, magnitude.clamp(max=most), torch.zeros_like(magnitude))


def dot_error(magnitude, length):
    return 2 * math.sqrt(length) * U32 * magnitude


def score_error(dot, score, subtracted, exponential):
    return (dot + exponential + 4 * U32 * (score.abs() + subtracted.abs()) + 8 * U32).clamp(max=MOST_SCORE_ERROR)


def forward_row(case, precision, q, k, v):
    """q [d], k [n, d], v [n, dv] in fp64 -> o, its allowed error, lse, its allowed error."""
    t, n, scale = Type(case.dtype), k.shape[0], 1 / math.sqrt(case.head_dim)
    s = scale * (k @ q)
    e = score_error(scale * dot_error(k.abs() @ q.abs(), q.numel()), s, s.max(), precision.exponential)
    weights = torch.exp(s - s.max())
    total = weights.sum()
    p = weights / total
    o = p @ v
    absolute, distance = p @ v.abs(), (v - o).abs()
    scores = torch.minimum((p * torch.expm1(e)) @ distance / (p @ torch.exp(-e)), distance.max(0).values)
    rounding = torch.minimum(t.u_in * (o.abs() + 6 * ((p * p) @ (v * v)).sqrt()), t.u_in * absolute)
    sums = U32 * (2 * math.sqrt(n) * (absolute + o.abs()) + 8 * o.abs())
    before = scores + rounding + t.lost(p, float(total)) @ v.abs() + sums
    lse = s.max() + total.log()
    lse_allowed = (p @ torch.exp(e)).log() + U32 * (2 * math.sqrt(n) + 4 * (lse.abs() + s.max().abs() + 1))
    return o, before + t.u * (o.abs() + before) + t.half_step, lse, lse_allowed


class WeightedSum:
    """sum over terms of factor * row, with what its error is made of; one call of `add` for each query head."""

    def __init__(self, dtype, width, block=0):
        self.t, self.block = Type(dtype), block
        self.sum, self.parts, self.absolute, self.squares, self.shifted, self.lost, self.stored = torch.zeros(7, width).double()
        self.terms = self.heads = 0

    def add(self, factor, error, rows):
        part, magnitude = factor @ rows, rows.abs()
        self.sum, self.parts = self.sum + part, self.parts + part.abs()
        self.absolute = self.absolute + factor.abs() @ magnitude
        self.squares = self.squares + (factor * factor) @ (rows * rows)
        self.shifted = self.shifted + error @ magnitude
        if self.t.u_in > 0:
            self.lost = self.lost + self.t.lost(factor) @ magnitude
            for end in range(self.block, rows.shape[0], self.block) if self.block else ():
                self.stored = self.stored + self.t.u * (factor[:end] @ rows[:end]).abs()
        self.terms, self.heads = self.terms + rows.shape[0], self.heads + 1

    def result(self, scale):
        t = self.t
        rounding = torch.minimum(t.u_in * (self.sum.abs() + 6 * self.squares.sqrt()), t.u_in * self.absolute)
        sums = 2 * math.sqrt(max(self.terms, 1)) * U32 * self.absolute
        heads = t.u_in * self.parts if self.heads > 1 else 0
        before, value = scale * (self.shifted + rounding + self.lost + sums + heads + self.stored), scale * self.sum
        return value, before + (t.u + 2 * U32) * (value.abs() + before) + t.half_step


def pairs(case, precision, q, do, o, lse, k, v):
    """All pairs of queries [m, ...] and keys [n, ...] -> p, its error, ds, its error, each [m, n]."""
    scale = 1 / math.sqrt(case.head_dim)
    s, dp = scale * (q @ k.T), do @ v.T
    delta, delta_magnitude = (o * do).sum(1, keepdim=True), (o * do).abs().sum(1, keepdim=True)
    e = score_error(scale * dot_error(q.abs() @ k.abs().T, case.head_dim), s, lse[:, None], precision.exponential)
    p = torch.exp(s - lse[:, None])
    p_error, difference = p * torch.expm1(e), dp - delta
    errors = dot_error(do.abs() @ v.abs().T, case.value_dim) + dot_error(delta_magnitude, case.value_dim)
    ds_error = p_error * difference.abs() + (p + p_error) * (errors + 2 * U32 * (dp.abs() + delta.abs()))
    return p, p_error, p * difference, ds_error


class Check:
    def __init__(self):
        self.worst, self.elements, self.wrong = 0.0, 0, 0
        self.at = {"where": "", "expected": None, "got": None, "allowed": None}
        self.digest = hashlib.sha256()

    def compare(self, where, got, expected, allowed):
        got, expected, allowed = (x.reshape(-1).double() for x in (got, expected, allowed))
        ratio = (got - expected).abs() / allowed
        self.elements += ratio.numel()
        self.wrong += int((~(ratio <= 1)).sum())
        ratio = torch.where(torch.isfinite(ratio), ratio, torch.full_like(ratio, math.inf))
        worst = int(ratio.argmax())
        if ratio[worst] > self.worst or not self.at["where"]:
            self.worst = float(ratio[worst])
            self.at = {"where": f"{where}[{worst}]", "expected": finite(expected[worst]), "got": finite(got[worst]),
                       "allowed": finite(allowed[worst])}

    def include(self, tensor):
        self.digest.update(tensor.contiguous().view(torch.uint8).numpy().tobytes())

    @property
    def ok(self):
        return self.elements > 0 and self.wrong == 0

    def to_json(self):
        return {"ok": self.ok, "error_over_allowed": finite(self.worst), "elements": self.elements, "wrong": self.wrong,
                **self.at, "outside": "", "digest": self.digest.hexdigest()[:16]}


def finite(value):
    value = float(value)
    return value if math.isfinite(value) else None


def sampled(generator, batch, heads, length):
    """Rows at both ends and at the edges of tiles, the others at random: (batch, head, index)."""
    edges = [i for i in (0, length - 1, 63, 64, 127, 128, length - 65) if 0 <= i < length]
    indices = edges + [generator.randrange(length) for _ in range(MOST_ROWS - len(edges))]
    return sorted({(generator.randrange(batch), generator.randrange(heads), i) for i in indices})


def double(tensor, b, h, first=0, end=None):
    """Rows of one head of a [batch, heads, seq, width] tensor (whatever its strides)."""
    return tensor[b, h, first:end].double()


class Reference:
    """Expected rows of one case, once; compared with the outputs of every buffer set."""

    def __init__(self, case, precision, inputs, forward):
        """`inputs`: q, k, v (and do) on the CPU; `forward`: the o and lse that backward was given, else None."""
        self.case, self.precision, self.inputs = case, precision, inputs
        generator = random.Random(case.seed)
        self.queries = [(row, self.query(row, forward)) for row in
                        sampled(generator, case.batch, case.heads, case.seq_q)]
        self.keys = [(row, self.key(row, forward)) for row in
                     sampled(generator, case.batch, case.kv_heads, case.seq_kv)] if case.backward else []

    def query(self, row, forward):
        (b, h, i), case, x = row, self.case, self.inputs
        h_kv, (first, end) = h // (case.heads // case.kv_heads), case.visible_keys(i)
        k, v = double(x["k"], b, h_kv, first, end), double(x["v"], b, h_kv, first, end)
        if not case.backward:
            return forward_row(case, self.precision, x["q"][b, h, i].double(), k, v)
        o, lse = forward
        _, _, ds, ds_error = pairs(case, self.precision, double(x["q"], b, h, i, i + 1),
                                   double(x["do"], b, h, i, i + 1), double(o, b, h, i, i + 1),
                                   lse[b, h, i:i + 1].double(), k, v)
        total = WeightedSum(case.dtype, case.head_dim, self.precision.kv_block)
        total.add(ds[0], ds_error[0], k)
        return total.result(1 / math.sqrt(case.head_dim))

    def key(self, row, forward):
        (b, h_kv, j), case, x, (o, lse) = row, self.case, self.inputs, forward
        group, (first, end) = case.heads // case.kv_heads, case.seeing_queries(j)
        dk, dv = (WeightedSum(case.dtype, width, self.precision.q_block) for width in (case.head_dim, case.value_dim))
        for h in range(h_kv * group, (h_kv + 1) * group):
            q, do = double(x["q"], b, h, first, end), double(x["do"], b, h, first, end)
            p, p_error, ds, ds_error = pairs(case, self.precision, q, do, double(o, b, h, first, end),
                                             lse[b, h, first:end].double(),
                                             double(x["k"], b, h_kv, j, j + 1), double(x["v"], b, h_kv, j, j + 1))
            dk.add(ds[:, 0], ds_error[:, 0], q)
            dv.add(p[:, 0], p_error[:, 0], do)
        return dk.result(1 / math.sqrt(case.head_dim)) + dv.result(1.0)

    def compare(self, check, outputs, of_set):
        """`outputs`: o and lse, or dq, dk and dv, on the CPU."""
        for (b, h, i), expected in self.queries:
            place = f"[batch {b}, query {i}, head {h}] of set {of_set}"
            check.compare(("dq" if self.case.backward else "o") + place, outputs[0][b, h, i], *expected[:2])
            if not self.case.backward and outputs[1] is not None:
                check.compare("lse" + place, outputs[1][b, h, i], *expected[2:])
        for (b, h, j), expected in self.keys:
            place = f"[batch {b}, key {j}, head {h}] of set {of_set}"
            check.compare("dk" + place, outputs[1][b, h, j], *expected[:2])
            check.compare("dv" + place, outputs[2][b, h, j], *expected[2:])
        for tensor in outputs:
            if tensor is not None:
                check.include(tensor)


def exact_lse(case, q, k):
    """[batch, heads, seq_q] in fp64, for kernels that keep none; only where the scores are small enough to write out."""
    group = case.heads // case.kv_heads
    lse = torch.empty(case.batch, case.heads, case.seq_q, dtype=torch.float64)
    for b in range(case.batch):
        for h in range(case.heads):
            s = q[b, h].double() @ k[b, h // group].double().T / math.sqrt(case.head_dim)
            if case.causal:
                s.masked_fill_(torch.ones_like(s, dtype=torch.bool).triu(1 + case.seq_kv - case.seq_q), -math.inf)
            lse[b, h] = torch.logsumexp(s, 1)
    return lse
