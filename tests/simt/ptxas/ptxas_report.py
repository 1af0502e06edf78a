#!/usr/bin/env python3
"""What ptxas says about our kernels that PTX cannot show: spills, and wgmma that it serialised (notes C75xx).

usage: ptxas_report.py compile LOG -- COMMAND...   runs the compiler, keeps what it prints in LOG
       ptxas_report.py check LOG...                a table; exit 1 where a kernel spills or a note is there
       ptxas_report.py --self-test
"""
import re
import subprocess
import sys

# Kernels that may spill: part of the mangled name -> why.
ALLOWED_SPILLS = {}

ENTRY = re.compile(r"Compiling entry function '([^']+)' for '(sm_\w+)'")
SPILL = re.compile(r"(\d+) bytes stack frame, (\d+) bytes spill stores, (\d+) bytes spill loads")
USED = re.compile(r"Used (\d+) registers(.*)")
SHARED = re.compile(r"(\d+) bytes smem")
NOTE = re.compile(r"\(C75\d\d\).*")


class Entry:
    def __init__(self, name, arch):
        self.name, self.arch = name, arch
        self.registers = self.shared = self.spill_stores = self.spill_loads = None


def parse(text):
    """(entries, notes) of one log.  Properties of functions that are not entries are left out."""
    entries, notes, entry, properties_of = [], [], None, None
    for line in text.splitlines():
        if m := ENTRY.search(line):
            entry = properties_of = Entry(*m.groups())
            entries.append(entry)
        elif m := re.search(r"Function properties for (\S+)", line):
            properties_of = entry if entry and m.group(1) == entry.name else None
        elif (m := SPILL.search(line)) and properties_of:
            properties_of.spill_stores, properties_of.spill_loads = int(m.group(2)), int(m.group(3))
        elif (m := USED.search(line)) and entry:
            entry.registers = int(m.group(1))
            shared = SHARED.search(m.group(2))
            entry.shared = int(shared.group(1)) if shared else 0
        if m := NOTE.search(line):
            notes.append(m.group(0).strip())
    return entries, notes


def problems(entries, notes, allowed=None):
    found = [f"ptxas note {n}" for n in notes]
    if not entries:
        found.append("no kernel in the log: nothing was compiled")
    for e in entries:
        if e.registers is None or e.spill_stores is None:
            found.append(f"{e.arch} {e.name}: the log does not say what it uses")
        elif e.spill_stores or e.spill_loads:
            if not any(part in e.name for part in (ALLOWED_SPILLS if allowed is None else allowed)):
                found.append(f"{e.arch} {e.name}: spills {e.spill_stores} bytes, loads {e.spill_loads} back")
    return found


def demangle(names):
    try:
        done = subprocess.run(["c++filt"], input="\n".join(names), capture_output=True, text=True, check=True)
        return done.stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        return names


def check(paths):
    entries, bad = [], []
    for path in paths:
        with open(path) as f:
            found, notes = parse(f.read())
        entries += found
        bad += [f"{path}: {p}" for p in problems(found, notes)]
    print(f"{'arch':8s} {'registers':>9s} {'shared':>7s} {'spilled':>7s}  kernel")
    for e, name in sorted(zip(entries, demangle([e.name for e in entries])), key=lambda p: (p[1], p[0].arch)):
        spilled = None if e.spill_stores is None else e.spill_stores + e.spill_loads
        print(f"{e.arch:8s} {e.registers!s:>9s} {e.shared!s:>7s} {spilled!s:>7s}  {name[:150]}")
    for line in bad:
        print("FAIL", line)
    print(f"{len(entries)} kernels, {len(bad)} problems")
    return 1 if bad or not entries else 0


def compile_to(log, command):
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.stderr.write(done.stdout + done.stderr)
        return done.returncode
    with open(log, "w") as f:
        f.write(done.stdout + done.stderr)
    return 0


GOOD = """\
ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function '_Z4goodPf' for 'sm_80'
ptxas info    : Function properties for _Z4goodPf
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 212 registers, used 1 barriers, 49152 bytes smem, 400 bytes cmem[0]
ptxas info    : Compile time = 12.345 ms
"""
SPILLS = GOOD.replace("_Z4goodPf", "_Z7spillerPf").replace(
    "0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads",
    "16 bytes stack frame, 16 bytes spill stores, 20 bytes spill loads")
SERIALISED = GOOD + ("ptxas info    : (C7514) Potential Performance Loss: wgmma.mma_async instructions are serialized due to "
                     "insufficient register resources for the wgmma pipeline in the function '_Z4goodPf'\n")
HELPER = GOOD + """\
ptxas info    : Function properties for __internal_trig_reduction_slowpathd
    40 bytes stack frame, 8 bytes spill stores, 8 bytes spill loads
"""


def self_test():
    assert problems(*parse(GOOD)) == []
    entry = parse(GOOD)[0][0]
    assert (entry.arch, entry.registers, entry.shared) == ("sm_80", 212, 49152)
    assert len(problems(*parse(SPILLS))) == 1 and "spills 16 bytes" in problems(*parse(SPILLS))[0]
    assert problems(*parse(SPILLS), allowed={"spiller": "measured faster so"}) == []
    assert len(problems(*parse(SPILLS), allowed={"other": ""})) == 1
    assert len(problems(*parse(SERIALISED))) == 1 and "C7514" in problems(*parse(SERIALISED))[0]
    assert problems(*parse(HELPER)) == []
    assert len(problems(*parse(GOOD + SPILLS))) == 1 and len(parse(GOOD + SPILLS)[0]) == 2
    assert problems(*parse("")) != []
    assert problems(*parse(GOOD.replace("Used 212", "Needs 212"))) != []
    print("self-test passed")
    return 0


def main(arguments):
    if arguments == ["--self-test"]:
        return self_test()
    if len(arguments) > 3 and arguments[0] == "compile" and arguments[2] == "--":
        return compile_to(arguments[1], arguments[3:])
    if len(arguments) > 1 and arguments[0] == "check":
        return check(arguments[1:])
    sys.stderr.write(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
