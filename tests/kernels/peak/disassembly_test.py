#!/usr/bin/env python3
"""Holds the CPU's peak loops to registers: the loop of each run_* function is multiply-adds and its counter, nothing else.

usage: disassembly_test.py OBJDUMP LIBRARY    exit 0, or 1 with what is wrong
       disassembly_test.py --self-test

A compiler that spills an accumulator still computes the right numbers, a third as fast, and every percentage of that
"peak" would flatter us.
"""
import re
import subprocess
import sys

# Function (mangled, in part) -> the multiply-add instruction its loop must consist of, and how many.
LOOPS = {
    r"N_AVX3\w*run_fma_f32": (r"vfn?madd\d+ps", 20),
    r"N_AVX2\w*run_fma_f32": (r"vfn?madd\d+ps", 12),
    r"run_dot_bf16": (r"vdpbf16ps", 20),
    r"run_dot_amx": (r"tdpbf16ps", 6),
}
COUNTER = re.compile(r"(add|sub|inc|dec|lea|cmp|test|j[a-z]+|nop\w*)$")


def functions(text):
    """Mangled name -> [(address, mnemonic, operands)]."""
    found, current = {}, None
    for line in text.splitlines():
        if m := re.match(r"[0-9a-f]+ <(\S+)>:", line):
            current = found.setdefault(m.group(1), [])
        elif (m := re.match(r"\s*([0-9a-f]+):\s+(\S+)\s*(.*)", line)) and current is not None:
            current.append((int(m.group(1), 16), m.group(2), m.group(3)))
    return found


def innermost_loop(code):
    """The shortest run of instructions that ends in a jump back to its start and multiplies."""
    loops = []
    for i, (address, mnemonic, operands) in enumerate(code):
        m = re.match(r"([0-9a-f]+)\b", operands)
        if mnemonic.startswith("j") and m and int(m.group(1), 16) <= address:
            body = [c for c in code[: i + 1] if c[0] >= int(m.group(1), 16)]
            if any("madd" in c[1] or "dpbf16" in c[1] for c in body):
                loops.append(body)
    return min(loops, key=len, default=[])


def problems(text):
    bad, checked = [], 0
    for name, code in functions(text).items():
        for pattern, (instruction, least) in LOOPS.items():
            if not re.search(pattern, name):
                continue
            checked += 1
            body = innermost_loop(code)
            work = [c for c in body if re.fullmatch(instruction, c[1])]
            if len(work) < least or len(work) % least:
                bad.append(f"{name}: {len(work)} {instruction} in the loop, expected a multiple of {least}")
            for address, mnemonic, operands in body:
                if "(" in operands and not mnemonic.startswith(("nop", "lea")):
                    bad.append(f"{name}: {address:x} touches memory: {mnemonic} {operands}")
                elif not re.fullmatch(instruction, mnemonic) and not COUNTER.match(mnemonic):
                    bad.append(f"{name}: {address:x} is neither a multiply-add nor the counter: {mnemonic} {operands}")
    if checked == 0:
        bad.append("none of the loops is in the library")
    return bad, checked


def self_test():
    fma = "".join(f" {i:x}:\tvfmadd132ps %zmm0,%zmm0,%zmm{i + 1}\n" for i in range(20))
    good = f"0000000000000000 <_ZN5assay6N_AVX311run_fma_f32ElfPf>:\n{fma} 14:\tadd    $0x1,%rax\n 15:\tjne    0 <x>\n 16:\tret\n"
    assert problems(good) == ([], 1), problems(good)
    for old, new, expected in [
        (" 3:\tvfmadd132ps %zmm0,%zmm0,%zmm4\n", " 3:\tvfmadd132ps 0x40(%rsp),%zmm0,%zmm4\n", "touches memory"),
        (" 14:\t", " 13:\tvmovaps %zmm1,0x40(%rsp)\n 14:\t", "touches memory"),
        (" 14:\t", " 13:\tvmovaps %zmm1,%zmm2\n 14:\t", "neither"),
        (" 3:\tvfmadd132ps %zmm0,%zmm0,%zmm4\n", "", "expected a multiple"),
        ("run_fma", "run_other", "none of the loops"),
        ("jne    0 ", "jne    ff ", "expected a multiple"),
    ]:
        bad, _ = problems(good.replace(old, new))
        assert any(expected in line for line in bad), (expected, bad)
    print("self-test: every planted fault was found")


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    objdump, library = arguments
    done = subprocess.run([objdump, "-d", "--no-show-raw-insn", library], capture_output=True, text=True, check=True)
    if "x86-64" not in done.stdout:
        print("not x86-64: the loops are not looked at")
        return 0
    bad, checked = problems(done.stdout)
    print("\n".join(bad) or f"{checked} loops in registers")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
