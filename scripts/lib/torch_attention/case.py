"""One measured point: what an id of assay's attention workload says."""
from dataclasses import dataclass, field

CONVENTIONS = {  # as harness/workloads/attention_problem.cpp counts
    "forward": "flops = 2 heads (head_dim + value_dim) (visible query-key pairs), masked pairs and softmax not counted; "
               "bytes = q + k + v + o + lse",
    "backward": "flops = 2 heads (3 head_dim + 2 value_dim) (visible query-key pairs): five products, masked pairs and "
                "softmax not counted; bytes = q + k + v + o + lse + do + dq + dk + dv",
}
ELEMENT_BYTES = {"f32": 4, "bf16": 2, "f16": 2}


@dataclass
class Case:
    device: str  # "cpu", "gpu0"
    dtype: str
    axes: dict
    cache: str
    mode: str
    data: str
    seed: int
    labels: list = field(default_factory=list)

    @staticmethod
    def parse(text, labels=()):
        """attention/KERNEL/DEVICE/DTYPE/axis=value/.../CACHE/MODE/DATA/seed=N"""
        parts = text.split("/")
        if len(parts) < 9 or parts[0] != "attention" or not parts[-1].startswith("seed="):
            raise ValueError(f"{text}: is no id of an attention case")
        axes = {}
        for part in parts[4:-4]:
            name, equals, value = part.partition("=")
            if not equals:
                raise ValueError(f"{text}: '{part}' is no axis=value")
            axes[name] = int(value) if value.isdigit() else value
        return Case(parts[2], parts[3], axes, *parts[-4:-1], int(parts[-1][len("seed="):]), list(labels))

    def id(self, kernel):
        axes = "".join(f"/{name}={value}" for name, value in self.axes.items())
        return f"attention/{kernel}/{self.device}/{self.dtype}{axes}/{self.cache}/{self.mode}/{self.data}/seed={self.seed}"

    def to_json(self, kernel):
        index = int(self.device[len("gpu"):]) if self.device.startswith("gpu") else 0
        return {"workload": "attention", "kernel": kernel, "device": self.device.rstrip("0123456789"),
                "device_index": index, "dtype": self.dtype, "axes": self.axes, "mode": self.mode, "cache": self.cache,
                "data": self.data, "seed": self.seed, "labels": self.labels}

    @property
    def backward(self):
        return self.axes.get("pass", "forward") == "backward"

    @property
    def causal(self):
        return self.axes["mask"] == "causal"

    @property
    def window(self):
        return self.axes.get("window", 0)

    @property
    def deterministic(self):
        return self.axes.get("gradients", "fast") == "deterministic"

    @property
    def value_dim(self):
        return self.axes.get("head_dim_v", 0) or self.axes["head_dim"]

    def __getattr__(self, name):  # batch, heads, kv_heads, seq_q, seq_kv, head_dim
        try:
            return self.__dict__["axes"][name]
        except KeyError:
            raise AttributeError(name) from None

    def visible_keys(self, i):
        """[first, end) of the keys that query i sees; the mask is aligned bottom-right."""
        if not self.causal:
            return 0, self.seq_kv
        position = i + self.seq_kv - self.seq_q
        return (max(0, position + 1 - self.window) if self.window else 0), min(max(position + 1, 0), self.seq_kv)

    def seeing_queries(self, j):
        if not self.causal:
            return 0, self.seq_q
        first = j - (self.seq_kv - self.seq_q)
        end = first + self.window if self.window else self.seq_q
        return min(max(first, 0), self.seq_q), min(max(end, 0), self.seq_q)

    def work(self):
        pairs = self.batch * sum(max(0, end - first) for first, end in map(self.visible_keys, range(self.seq_q)))
        d, dv = self.head_dim, self.value_dim
        q, o = (self.batch * self.seq_q * self.heads * width for width in (d, dv))
        k, v = (self.batch * self.seq_kv * self.kv_heads * width for width in (d, dv))
        elements = q + k + v + o
        size = (2 if self.backward else 1) * elements * ELEMENT_BYTES[self.dtype] + 4 * self.batch * self.heads * self.seq_q
        return {"flops": float(2 * self.heads * (3 * d + 2 * dv if self.backward else d + dv) * pairs),
                "bytes": float(size), "convention": CONVENTIONS["backward" if self.backward else "forward"],
                "bus_factor": 0.0}

    def set_bytes(self):
        return int(self.work()["bytes"])
