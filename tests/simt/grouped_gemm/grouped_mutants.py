#!/usr/bin/env python3
"""Bugs planted in grouped wgmma_sm90.  Run by ctest; see tests/simt/mutants.py for the options.

The kernel's own are in tests/simt/gemm; these are of what grouping adds: finding tiles from row counts."""
import mutants

SCHEDULE = "kernels/grouped_gemm/grouped_schedule.h"
KERNEL = "kernels/gemm/sm90/wgmma.cuh"

WRONG = "wrong result"
UNINITIALISED = "wrong result|uninitialised|out of bounds"


def suite(grouped_pass, problem, planted):
    """One instance, run on one problem: N K CONFIG SMS ROWS..."""
    probe = f"grouped_bf16_{grouped_pass}"
    return mutants.Suite(source=f"tests/simt/grouped_gemm/probes/{probe}.cu", arch="90a", ptx=probe,
                         test=["tests/simt/grouped_gemm/grouped_probe", probe, "bf16", grouped_pass] + problem.split(),
                         mutants=[mutants.Mutant(f"{grouped_pass}: {name}", SCHEDULE if file is None else file, old, new,
                                                 expect=expect, quick=True)
                                  for name, file, old, new, expect in planted])


FORWARD = [
    ("first row not padded", None, "first_row_ += padded(count_);", "first_row_ += count_;", UNINITIALISED),
    ("padding of empty groups", None, "first_row_ += padded(count_);", "first_row_ += padded(count_ + 1);", UNINITIALISED),
    ("a group of one tile row too few", None, "(rows + tile_m - 1) / tile_m * columns; }", "rows / tile_m * columns; }", WRONG),
    ("the last group forgotten", None, "if (group_ + 1 >= groups_) return false;", "if (group_ + 2 >= groups_) return false;",
     WRONG),
    ("a count past the last", None, "if (group_ + 1 >= groups_) return false;", "if (group_ >= groups_) return false;",
     "out of bounds"),
    ("numbers not relative to the group", None, "unit_ - at_.begin(), (at_.rows()", "unit_, (at_.rows()", "any"),
    ("the expert before", None, "at_.group() * s.b_mn_step", "(at_.group() - 1) * s.b_mn_step", WRONG),
    ("all groups on the first expert", None, "at_.group() * s.b_mn_step + work.n", "work.n", WRONG),
    ("rows of the group's start missing", None, "      work.m += at_.first_row();\n", "", WRONG),
    ("a of the group's start missing", None, "work.a_mn = work.m;\n      work.b_mn = at_.group()",
     "work.a_mn = work.m - at_.first_row();\n      work.b_mn = at_.group()", WRONG),
    ("both CTAs of a cluster on one tile", None, "(at.column * place.cluster_n + place.along_n())",
     "(at.column * place.cluster_n)", WRONG),
    ("one tile of k too few", None, "work.k_tiles = s.k_tiles;", "work.k_tiles = s.k_tiles - 1;", WRONG),
]

DGRAD = [
    ("all groups on the first expert", None, "work.b_k = at_.group() * s.b_k_step;", "work.b_k = 0;", WRONG),
    ("b's place along k ignored by the copies", KERNEL, "work.b_k + k", "k", WRONG),
]

WGRAD = [
    ("steps of one however many clusters", None, "unit_ += place_.clusters;", "unit_ += 1;", WRONG),
    ("tokens from the first", None, "work.k = at_.first_row();", "work.k = 0;", WRONG),
    ("the last tile of k left out", None, "(at_.rows() + place_.tile_k - 1) / place_.tile_k", "at_.rows() / place_.tile_k", "any"),
    ("a tile of k of the next group", None, "(at_.rows() + place_.tile_k - 1) / place_.tile_k",
     "(at_.rows() + place_.tile_k - 1) / place_.tile_k + 1", WRONG),
    ("all gradients added to the first", None, "work.m += at_.group() * s.d_step;", "", WRONG),
    ("gradient of the next expert", None, "work.m += at_.group() * s.d_step;", "work.m += (at_.group() + 1) * s.d_step;", WRONG),
    ("tiles of an empty group", None, "end_ += count_ > 0 ? tiles_of(count_) : 0;", "end_ += tiles_of(count_);", "any"),
]

if __name__ == "__main__":
    mutants.main([
        suite("forward", "384 72 128x128x64/c2n 5 0 130 0 70 1", FORWARD),
        suite("dgrad", "128 136 128x128x64/c2n 3 70 0 1", DGRAD),
        suite("wgrad", "128 136 128x128x64/c2n 5 0 128 3 0", WGRAD),
    ])
