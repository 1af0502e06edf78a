"""PyTorch's and FlashAttention's kernels under one form: forward(q, k, v) -> o, lse and backward(...) -> dq, dk, dv.

PyTorch's operators are called below its autograd, so that only they are timed; arguments are bound by the names in their
schemas, which change less than their order.  Tensors are [batch, heads, seq, width], laid out [batch, seq, heads, width].
"""
import importlib
import math

import torch

from torch_attention.check import Precision

MOST_MATH_BYTES = 1 << 30  # of the scores, which torch_math writes out in fp32


class Unsupported(Exception):
    """Why a kernel does not take a case, in one line."""


def call(operator, values):
    """Calls an operator of torch.ops with those of `values` that its schema names."""
    positional, named = [], {}
    for argument in operator._schema.arguments:
        if argument.name not in values:
            if not argument.has_default_value():
                raise Unsupported(f"{operator.name()} wants an argument '{argument.name}', which is not known here")
            if not argument.kwarg_only:
                positional.append(argument.default_value)
            continue
        if argument.kwarg_only:
            named[argument.name] = values[argument.name]
        else:
            positional.append(values[argument.name])
    return operator(*positional, **named)


class Operators:
    """A pair of operators of torch.ops.aten."""

    def __init__(self, name, device, dtypes, forward, grouped=True, widths=True):
        self.name, self.device, self.dtypes = name, device, dtypes
        self.forward_name, self.grouped, self.widths = forward, grouped, widths

    def precision(self, case):
        return Precision()

    def operator(self, name):
        packet = getattr(torch.ops.aten, name, None)
        if packet is None:
            raise Unsupported(f"PyTorch {torch.__version__} has no {name}")
        return packet.default

    def refusal(self, case):
        if case.causal and case.seq_q != case.seq_kv:
            return "PyTorch's causal mask is aligned top-left, ours bottom-right"
        if case.window:
            return "has no sliding window"
        if case.backward and case.deterministic:
            return "PyTorch promises no deterministic backward pass of it"
        if case.heads != case.kv_heads and not self.grouped:
            return "takes no groups of query heads"
        if case.value_dim != case.head_dim and not self.widths:
            return "takes values only as wide as queries and keys"
        return None

    def values(self, case, q, k, v):
        return {"query": q, "key": k, "value": v, "attn_bias": None, "attn_mask": None, "compute_log_sumexp": True,
                "dropout_p": 0.0, "is_causal": case.causal, "return_debug_mask": False,
                "scale": 1 / math.sqrt(case.head_dim), "grad_input_mask": [True, True, True, False]}

    def forward(self, case, q, k, v):
        operator = self.operator(self.forward_name)
        out = call(operator, self.values(case, q, k, v))
        names = [result.name for result in operator._schema.returns]
        kept = dict(zip(names, out))
        renamed = {"output": "out", "log_sumexp": "logsumexp", "rng_state": "philox_seed", "unused": "philox_offset"}
        kept = {renamed.get(name, name): value for name, value in kept.items()}
        return kept["out"], kept["logsumexp"], kept

    def backward(self, case, q, k, v, do, kept):
        values = {**self.values(case, q, k, v), **kept, "grad_out": do, "grad_out_": do}
        return call(self.operator(self.forward_name + "_backward"), values)[:3]


class CpuFlash(Operators):
    def precision(self, case):
        """For 16-bit types its exponential is an approximation (of 0 it gives 1 - 5.3e-5, in PyTorch 2.15), and each block
        adds to gradients in the type: blocks are of 512 keys, and of 256, 64 or 32 queries."""
        if case.dtype == "f32":
            return Precision()
        q_block = 256 if case.seq_q >= 768 else 64 if case.seq_q >= 192 else 32
        return Precision(exponential=2.0**-14, q_block=q_block, kv_block=512)


class Autograd:
    """A function that autograd differentiates: the backward pass is timed with autograd's own few steps."""

    def __init__(self, name, device, dtypes):
        self.name, self.device, self.dtypes = name, device, dtypes

    def precision(self, case):
        return Precision()

    def leaves(self, q, k, v):
        return [x.detach().requires_grad_() for x in (q, k, v)]

    def forward(self, case, q, k, v):
        with torch.no_grad():
            o, lse = self.attention(case, q, k, v)
        return o, lse, None

    def for_backward(self, case, q, k, v):
        leaves = self.leaves(q, k, v)
        o, lse = self.attention(case, *leaves)
        return o.detach(), lse.detach() if lse is not None else None, (o, leaves)

    def backward(self, case, q, k, v, do, kept):
        o, leaves = kept
        return torch.autograd.grad(o, leaves, do, retain_graph=True)


class Math(Autograd):
    """Without fusion: what attention costs where the scores go to memory."""

    def refusal(self, case):
        if case.causal and case.seq_q != case.seq_kv:
            return "PyTorch's causal mask is aligned top-left, ours bottom-right"
        if case.window or case.deterministic:
            return "has neither a sliding window nor a promise of determinism"
        if 4 * case.batch * case.heads * case.seq_q * case.seq_kv > MOST_MATH_BYTES:
            return f"its scores would take more than {MOST_MATH_BYTES >> 20} MiB"
        return None

    def attention(self, case, q, k, v):
        from torch.nn.attention import SDPBackend, sdpa_kernel

        with sdpa_kernel(SDPBackend.MATH):
            o = torch.nn.functional.scaled_dot_product_attention(
                q, k, v, is_causal=case.causal, scale=1 / math.sqrt(case.head_dim), enable_gqa=case.heads != case.kv_heads)
        return o, None


class FlashAttention(Autograd):
    """flash_attn (2) and flash_attn_interface (3), where installed; [batch, seq, heads, width] is theirs as well."""

    def __init__(self, name, module):
        super().__init__(name, "gpu", ("bf16", "f16"))
        self.module = module

    def function(self):
        try:
            return importlib.import_module(self.module).flash_attn_func
        except (ImportError, AttributeError) as error:
            raise Unsupported(f"{self.module} cannot be imported: {error}") from error

    def refusal(self, case):
        if case.causal and case.seq_q > case.seq_kv:
            return "queries that see no key are not compared here"
        try:
            self.function()
        except Unsupported as error:
            return str(error)
        return None

    def attention(self, case, q, k, v):
        window = (case.window - 1, 0) if case.window else (-1, -1)
        out = self.function()(*(x.transpose(1, 2) for x in (q, k, v)), softmax_scale=1 / math.sqrt(case.head_dim),
                              causal=case.causal, window_size=window, deterministic=case.deterministic,
                              return_attn_probs=True)
        if not isinstance(out, tuple) or len(out) < 2:
            raise Unsupported(f"this version of {self.module} returns no log-sum-exp, which the check needs")
        return out[0].transpose(1, 2), out[1]


HALF = ("bf16", "f16")
KERNELS = [
    Operators("torch_cudnn", "gpu", HALF, "_scaled_dot_product_cudnn_attention"),
    Operators("torch_flash", "gpu", HALF, "_scaled_dot_product_flash_attention", widths=False),
    Operators("torch_efficient", "gpu", ("bf16", "f16", "f32"), "_scaled_dot_product_efficient_attention", grouped=False),
    FlashAttention("flash_attn_2", "flash_attn"),
    FlashAttention("flash_attn_3", "flash_attn_interface"),
    Math("torch_math", "gpu", ("bf16", "f16", "f32")),
    CpuFlash("torch_cpu_flash", "cpu", ("f32", "bf16"), "_scaled_dot_product_flash_attention_for_cpu", widths=False),
]


def refusal(kernel, case):
    """Why a kernel is not asked to do a case, or None."""
    if case.dtype not in kernel.dtypes:
        return f"{kernel.name} has no {case.dtype}"
    if case.axes.get("lengths", "equal") != "equal":
        return "packed sequences are not measured here"
    if case.mode != "burst" or case.data != "normal":
        return "only bursts on normal data are measured here"
    return kernel.refusal(case)
