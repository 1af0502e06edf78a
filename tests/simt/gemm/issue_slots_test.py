#!/usr/bin/env python3
"""Holds simt_f32's main loop to its design: FMA are at least 89 % of its PTX, 90 % of what is issued, where loads are vectors.

usage: issue_slots_test.py PTX    exit 0, or 1 with the loop that has too much else
       issue_slots_test.py --self-test

Counted in the PTX, which every build makes, while a disassembler of what ptxas makes of it is not everywhere.
"""
import re
import sys

LEAST = 0.89  # of the PTX; ptxas makes predicates of the branches around bounds, which is worth one per cent more
KERNEL = re.compile(r"\.entry (\S*simt_f32ILb[01]ELb[01]ELb[01]ELb1E\S*)\(")  # the last argument: kVectors


def kernels(text):
    """Name -> lines of its body."""
    found, name = {}, None
    for line in text.splitlines():
        if m := re.search(r"\.entry (\S+)\(", line):
            name = m.group(1) if KERNEL.search(line) else None
        elif name:
            found.setdefault(name, []).append(line.strip())
    return found


def main_loop(lines):
    """(FMA, instructions) of the loop with the most FMA: from a label to the last branch back to it."""
    labels = {m.group(1): i for i, line in enumerate(lines) if (m := re.match(r"(\$\w+):", line))}
    best = (0, 1)
    for i, line in enumerate(lines):
        m = re.search(r"\bbra(?:\.uni)?\s+(\$\w+);", line)
        if m and labels.get(m.group(1), i + 1) <= i:
            body = [l for l in lines[labels[m.group(1)]:i + 1] if re.match(r"(@!?%p\d+ +)?[a-z][\w.]*\s.*;|[a-z][\w.]*;", l)]
            best = max(best, (sum(l.startswith("fma.rn.f32") for l in body), len(body)))
    return best


def check(text):
    bad, seen = [], kernels(text)
    for name, lines in seen.items():
        fma, all_ = main_loop(lines)
        line = f"{name}: {fma} FMA of {all_} instructions, {100 * fma / all_:.1f} %"
        print(line)
        if fma == 0 or fma < LEAST * all_:
            bad.append(line)
    return bad if seen else ["no kernel of simt_f32 with vector loads"]


def self_test():
    def kernel(fma, other):
        body = "\tfma.rn.f32 %f1, %f2, %f3, %f1;\n" * fma + "\tadd.s32 %r1, %r1, 1;\n" * other
        return f".visible .entry _Z8simt_f32ILb1ELb1ELb0ELb1EEv(\n)\n{{\n$L__BB0_1:\n{body}\t@%p1 bra $L__BB0_1;\n\tret;\n}}\n"
    assert not check(kernel(95, 4))
    assert check(kernel(80, 19))
    assert check(kernel(0, 3))
    assert check("nothing")
    print("self-test passed")
    return 0


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    with open(arguments[0]) as f:
        bad = check(f.read())
    for line in bad:
        print("FAIL", line)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
