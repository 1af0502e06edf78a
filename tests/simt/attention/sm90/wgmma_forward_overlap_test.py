#!/usr/bin/env python3
"""Holds the main loops of wgmma_sm90's forward pass to their design: between the wait for the scores and the wait for
the output lie all exponentials of a tile, and after them a loop that waits for the next keys (without it ptxas moves
the second wait up and nothing overlaps); of the two loops, one has no mask code.

usage: wgmma_forward_overlap_test.py PTX    exit 0, or 1 with what is missing
       wgmma_forward_overlap_test.py --self-test

Seen in the PTX, which every build makes, while a disassembler of what ptxas makes of it is not everywhere.
"""
import re
import sys

ENTRY = re.compile(r"\.entry (attention_wgmma_sm90_\w+)\(")
WAIT = re.compile(r"wgmma\.wait_group\.sync\.aligned (\d);")


def kernels(text):
    """Name -> lines of its body."""
    found, name = {}, None
    for line in text.splitlines():
        if m := re.search(r"\.entry (\S+)\(", line):
            m = ENTRY.search(line)
            name = m.group(1) if m else None
        elif name:
            found.setdefault(name, []).append(line)
    return found


def overlaps(lines):
    """(exponentials, waits for a barrier after most of them, selections) of every stretch from a wait that lets one
    group run on to the next wait."""
    found, start = [], None
    for i, line in enumerate(lines):
        if m := WAIT.search(line):
            if start is not None:
                part = lines[start:i]
                exponentials = [j for j, l in enumerate(part) if "ex2.approx" in l]
                middle = exponentials[len(exponentials) // 2] if exponentials else 0
                found.append((len(exponentials), sum("mbarrier.try_wait" in l for l in part[middle:]),
                              sum("selp.f32" in l for l in part)))
            start = i if m.group(1) == "1" else None
    return found


def check(text):
    bad, seen = [], kernels(text)
    for name, lines in seen.items():
        least = 34 if "_d256_" in name else 66  # a thread's scores of a tile, and two factors
        loops = overlaps(lines)
        print(f"{name}: (exponentials, waits, selections) beside a product: {loops}")
        if len(loops) != 2:
            bad.append(f"{name}: {len(loops)} loops, not one with masks and one without")
        if any(exponentials < least for exponentials, _, _ in loops):
            bad.append(f"{name}: exponentials that do not overlap the product before")
        if any(waits == 0 for _, waits, _ in loops):
            bad.append(f"{name}: nothing keeps ptxas from waiting for the product before the exponentials")
        if not loops or min(selections for _, _, selections in loops) > 4:
            bad.append(f"{name}: no loop without mask code")
    return bad if seen else ["no kernel of wgmma_sm90"]


def self_test():
    def loop(exponentials, waits, selections):
        return ("wgmma.wait_group.sync.aligned 1;\n" + "selp.f32 %f1, %f2, %f3, %p1;\n" * selections +
                "ex2.approx.ftz.f32 %f1, %f2;\n" * exponentials + "mbarrier.try_wait.parity [%r1], %r2;\n" * waits +
                "wgmma.wait_group.sync.aligned 0;\n")

    def kernel(*loops):
        return ".visible .entry attention_wgmma_sm90_bf16_d128_v128(\n" + "".join(loops)

    assert not check(kernel(loop(66, 1, 64), loop(66, 1, 0)))
    assert check(kernel(loop(66, 1, 64)))
    assert check(kernel(loop(66, 1, 64), loop(66, 1, 64)))
    assert check(kernel(loop(66, 0, 64), loop(66, 1, 0)))
    assert check(kernel(loop(66, 1, 64), loop(30, 1, 0)))
    assert check("nothing")
    print("self-test passed")
    return 0


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    if len(arguments) != 1:
        sys.stderr.write(__doc__)
        return 2
    with open(arguments[0]) as f:
        bad = check(f.read())
    for line in bad:
        print("FAIL", line)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
