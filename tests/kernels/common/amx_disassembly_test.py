#!/usr/bin/env python3
"""Holds the AMX micro-kernel to its plan: per step of k, two or four products for three or four loads, and no tile
register moved through memory.

usage: amx_disassembly_test.py OBJDUMP LIBRARY    exit 0, or 1 with what is wrong
       amx_disassembly_test.py --self-test

A register number mistyped in assembly is wrong in the hardware alone: the functional unit never sees the assembly.  So
the registers of every product and load are compared as well.
"""
import re
import subprocess
import sys

# Row registers of the tile -> the tile instructions of its loop, in any order: (mnemonic, registers as AT&T writes them)
PRODUCTS = {1: [(0, 4, 6), (1, 4, 7)], 2: [(0, 4, 6), (1, 4, 7), (2, 5, 6), (3, 5, 7)]}
LOADS = {1: [4, 6, 7], 2: [4, 5, 6, 7]}
MULTIPLY = re.compile(r"amx_bf16.*amx_multiply.*ELi([12])ELb([01])")
TILE_CODE = re.compile(r"amx_bf16.*amx_tile")
REGISTER = re.compile(r"%tmm(\d)")


def functions(text):
    """Mangled name -> [(address, mnemonic, operands)]."""
    found, current = {}, None
    for line in text.splitlines():
        if m := re.match(r"[0-9a-f]+ <(\S+)>:", line):
            current = found.setdefault(m.group(1), [])
        elif (m := re.match(r"\s*([0-9a-f]+):\s+(\S+)\s*(.*)", line)) and current is not None:
            current.append((int(m.group(1), 16), m.group(2), m.group(3)))
    return found


def loop_of_products(code):
    """The shortest run of instructions that ends in a jump back to its start and multiplies tiles."""
    loops = []
    for i, (address, mnemonic, operands) in enumerate(code):
        m = re.match(r"([0-9a-f]+)\b", operands)
        if mnemonic.startswith("j") and m and int(m.group(1), 16) <= address:
            body = [c for c in code[: i + 1] if c[0] >= int(m.group(1), 16)]
            if any(c[1] == "tdpbf16ps" for c in body):
                loops.append(body)
    return min(loops, key=len, default=[])


def multiply_problems(name, code, row_registers):
    body = loop_of_products(code)
    products, loads, bad = [], [], []
    for address, mnemonic, operands in body:
        registers = [int(r) for r in REGISTER.findall(operands)]
        if mnemonic == "tdpbf16ps":
            products.append(tuple(reversed(registers)))
        elif mnemonic == "tileloadd":
            loads += registers
        elif registers or mnemonic.startswith("call"):
            bad.append(f"{name}: {address:x} does not belong into the loop: {mnemonic} {operands}")
    if sorted(products) != PRODUCTS[row_registers]:
        bad.append(f"{name}: products {products}, expected {PRODUCTS[row_registers]}")
    if sorted(loads) != LOADS[row_registers]:
        bad.append(f"{name}: loads of {loads}, expected {LOADS[row_registers]}")
    outside = [c for c in code if c not in body and REGISTER.search(c[2])]
    return bad + [f"{name}: {a:x} a tile instruction outside the loop: {m} {o}" for a, m, o in outside]


def problems(text):
    bad, multiplies, tiles = [], set(), 0
    for name, code in functions(text).items():
        if m := MULTIPLY.search(name):
            multiplies.add(m.groups())
            bad += multiply_problems(name, code, int(m.group(1)))
        elif TILE_CODE.search(name):
            tiles += 1
            for address, mnemonic, operands in code:
                if any(int(r) > 3 for r in REGISTER.findall(operands)):
                    bad.append(f"{name}: {address:x} touches a register that holds no sums: {mnemonic} {operands}")
    if len(multiplies) != 4 or tiles < 64:
        bad.append(f"{len(multiplies)} of 4 loops and {tiles} of 64 tiles are in the library")
    return bad, len(multiplies)


def self_test():
    def loop(rows, strided, instructions):
        lines = "".join(f" {i:x}:\t{text}\n" for i, text in enumerate(instructions + ["jne    0 <x>", "ret"]))
        return f"0000000000000000 <_ZN5assay3cpu8amx_bf1612amx_multiplyINS1_3AmxELi{rows}ELb{strided}EEEvv>:\n{lines}"

    upper = ["tileloadd (%r10,%r14,1),%tmm4", "tileloadd (%r11,%r13,1),%tmm6", "tdpbf16ps %tmm6,%tmm4,%tmm0",
             "tileloadd (%rsi,%r13,1),%tmm7", "prefetcht0 (%rsi)", "tdpbf16ps %tmm7,%tmm4,%tmm1"]
    lower = ["tileloadd (%rsi,%r14,1),%tmm5", "tdpbf16ps %tmm6,%tmm5,%tmm2", "tdpbf16ps %tmm7,%tmm5,%tmm3"]
    good = "".join(loop(1, s, upper) + loop(2, s, upper + lower) for s in "01")
    for i in range(64):
        good += f"0000000000000000 <_ZN5assay3cpu8amx_bf168amx_tileINS1_3AmxELi{i}ELb0EEEvv>:\n 0:\ttilezero %tmm3\n 5:\tret\n"
    assert problems(good) == ([], 4), problems(good)
    for old, new, expected in [
        ("tdpbf16ps %tmm6,%tmm5,%tmm2", "tdpbf16ps %tmm6,%tmm4,%tmm2", "products"),
        ("tdpbf16ps %tmm7,%tmm5,%tmm3", "tdpbf16ps %tmm5,%tmm7,%tmm3", "products"),
        ("tileloadd (%rsi,%r14,1),%tmm5", "tileloadd (%rsi,%r14,1),%tmm4", "loads"),
        ("prefetcht0 (%rsi)", "tilestored %tmm0,(%rsp,%rax,1)", "does not belong"),
        ("prefetcht0 (%rsi)", "call   5 <x>", "does not belong"),
        ("tilezero %tmm3", "tilezero %tmm4", "holds no sums"),
        ("amx_multiply", "other", "of 4 loops"),
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
        print("not x86-64: there is no AMX")
        return 0
    bad, checked = problems(done.stdout)
    print("\n".join(bad) or f"{checked} loops as planned")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
