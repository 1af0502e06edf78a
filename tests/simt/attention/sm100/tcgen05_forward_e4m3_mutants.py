#!/usr/bin/env python3
"""Bugs planted in what tcgen05_sm100's forward pass does for e4m3 alone; what it shares with 16 bits has its own list.
Run by ctest; see tests/simt/mutants.py for the options."""
import mutants

KERNEL, ISSUE, ROWS = (f"kernels/attention/sm100/tcgen05_forward{part}.cuh" for part in ("", "_issue", "_rows"))
TILE = "kernels/attention/sm100/tcgen05_forward_tile.h"

WRONG = "wrong result"
ANY = "any"


def suite(width, cases, planted):
    """One instance on some of forward_e4m3_cases().  A sixth element True: part of the quick run."""
    probe = f"tcgen05_forward_e4m3_d{width}"
    return mutants.Suite(source=f"tests/simt/attention/sm100/probes/{probe}.cu", arch="100a", ptx=probe,
                         test=["tests/simt/attention/sm100/tcgen05_sm100_forward_probe", "e4m3", probe] + cases.split(),
                         mutants=[mutants.Mutant(f"{probe}: {m[0]}", *m[1:4], expect=m[4], quick=len(m) > 5)
                                  for m in planted])


D128 = [
    # --- weights
    ("pairs of weights exchanged", ROWS, "pack_e4m3x4(even.x, even.y, weight.x, weight.y)", "pack_e4m3x4(weight.x, weight.y, even.x, even.y)",
     WRONG, True),
    ("odd and even weights exchanged", ROWS, "pack_e4m3x4(even.x, even.y, weight.x, weight.y)", "pack_e4m3x4(even.y, even.x, weight.y, weight.x)",
     WRONG),
    ("a pair of weights twice", ROWS, "if (i % 2 == 0)\n          even = weight;", "if (i % 4 == 0)\n          even = weight;", ANY),
    ("weights in the wrong columns", KERNEL, "tcgen05_st_32x32b_x8(scores + part * 8, weights)", "tcgen05_st_32x32b_x8(scores + part * 16, weights)",
     ANY, True),
    ("the largest weights saturate", ISSUE, "kStart = 8, kMost = 8.8f", "kStart = 8, kMost = 16.f", WRONG, True),
    ("weights start above what e4m3 holds", ISSUE, "kStart = 8, kMost = 8.8f", "kStart = 12, kMost = 12.8f", WRONG),
    ("the start left out of the rescaling", ROWS, "exp2_approximate(shift - (largest - Element::kStart))", "exp2_approximate(shift - largest)",
     WRONG),
    ("the start left out of the shift", ROWS, "shift = largest - Element::kStart;", "shift = largest;", WRONG),
    # --- factors
    ("v's factor left out", KERNEL, "softmax.inverse() * __ldg(p.v_scale)", "softmax.inverse()", WRONG, True),
    ("q's factor left out", KERNEL, " * __ldg(params.q_scale) * __ldg(params.k_scale)", " * __ldg(params.k_scale)", WRONG),
    # --- products
    ("v advances by 16 keys", TILE, "tcgen05_k_step(false, 8 * kElementBytes)", "tcgen05_k_step(false, 16)", WRONG),
    ("the last keys left out", ISSUE, "start_output<I, kEarly, I::kKeySteps>", "start_output<I, kEarly, I::kKeySteps - 1>", WRONG),
    ("the product begins with weights that are not stored", ISSUE, "kEarly = I::kKeySteps * 3 / 4;", "kEarly = I::kKeySteps;", ANY),
    ("half of the dimensions of the scores", ISSUE, "step < I::kHeadDim / I::kStepElements", "step < I::kHeadDim / 64", WRONG),
    # --- the way out
    ("o's second panel over the next warp's", TILE, "kOPanels = kValueDim / 64;", "kOPanels = kVPanels;", ANY),
]

D192 = [
    ("k's second panel not reached", ISSUE, "at = step / 4 * I::kPanelBytes + step % 4 * 32", "at = step % 4 * 32", WRONG),
    ("one panel twice", ISSUE, "panel * I::kPanelElements,", "0,", WRONG),
]

if __name__ == "__main__":
    mutants.main([suite(128, "ragged causal packed rising climbing", D128), suite(192, "latent", D192)])
