#!/usr/bin/env python3
"""Ranks that die, stop, hang or leave the common order, in every phase of a run under mpirun: the survivors name the
culprit within the deadline, exit with 4, leave a result with every finished case, and no process is left.  Runs that
hang as a whole end, too.

usage: lost_ranks_test.py --program LOST_RANK --assay ASSAY [--phase PHASE | Launches | Hangs]
"""
import argparse
import concurrent.futures
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import uuid
from pathlib import Path

import program

PHASES = ["start", "plan", "preparation", "warm_up", "sampling", "check", "saving"]
DEADLINE = 2.0
# What is not the deadline: mpirun's start and end, the program's start, and cases that take no time to speak of; on a
# machine that has other things to do.
SLACK = 25.0
SUITE = {
    "schema": "assay-suite/1", "name": "lost", "description": "three cases of some milliseconds",
    "sampling": {"min_samples": 60, "max_samples": 60, "wall_seconds": 5, "warmup_seconds": 0},
    "cases": [{"workload": "planted", "kernel": "slow", "dtype": ["f32"], "cache": ["hot"], "n": [64, 65, 66]}],
}
# A shell around each rank writes down how it ended: mpirun's own code is that of the first that failed.  It outlives
# the SIGTERM with which mpirun ends the others.
# Pairs run as users run them: mpirun ends the whole job when the first rank has ended.  Fours run under an mpirun that
# leaves that to us, so that it is seen of everyone how it ends by itself; that one's own exit code is always 0.
WRAPPER = 'trap "" TERM; "$@"; code=$?; echo $code >"$CODES/$OMPI_COMM_WORLD_RANK"; exit $code'

PROGRAM = ASSAY = None


def describe_processes(mark):
    """A line each: what it is, its state, what it waits in."""
    out = ""
    for pid in program.processes_of(mark):
        proc = Path(f"/proc/{pid}")
        command = (proc / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:120]
        out += f"{pid} {(proc / 'stat').read_text().rsplit(')')[-1].split()[0]} {(proc / 'wchan').read_text()} {command}\n"
    return out


def what_is_left(mark):
    """After five seconds at most: whoever is on the way out has gone by then."""
    for _ in range(50):
        left = program.processes_of(mark)
        if not left:
            break
        time.sleep(0.1)
    return left


def ids_of(result):
    rows = subprocess.run([ASSAY, "table", str(result), "--format", "json"], capture_output=True, text=True)
    if rows.returncode != 0:
        raise AssertionError(f"the result does not load: {rows.stderr}")
    return [row["id"] for row in json.loads(rows.stdout)]


class Run:
    def __init__(self, folder, ranks, phase, fault, culprit, extra=()):
        suite, codes = folder / "suite.json", folder / "codes"
        suite.write_text(json.dumps(SUITE))
        shutil.rmtree(codes, ignore_errors=True)
        codes.mkdir()
        self.out, self.mark = folder / "result.json", f"ASSAY_TEST_RUN={uuid.uuid4()}"
        name, value = self.mark.split("=")
        command = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-n", str(ranks),
                   *(["--mca", "orte_abort_on_non_zero_status", "0"] if LostRanks.alone(ranks, phase) else []),
                   "sh", "-c", WRAPPER, "rank", PROGRAM, phase, fault, str(culprit),
                   "run", str(suite), "--out", str(self.out), "--quiet", "--timeout", str(DEADLINE), *extra]
        began = time.monotonic()
        with subprocess.Popen(command, env={**os.environ, name: value, "CODES": str(codes)}, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, start_new_session=True) as run:
            try:
                self.stdout, self.stderr = run.communicate(timeout=60)
            except subprocess.TimeoutExpired:
                left = describe_processes(self.mark)
                for pid in program.processes_of(self.mark):
                    os.kill(pid, signal.SIGKILL)
                self.stdout, self.stderr = run.communicate()
                ended = {p.name: p.read_text().strip() for p in codes.iterdir()}
                raise AssertionError(f"it does not end: codes {ended}\n{left}{self.stderr}") from None
        self.seconds = time.monotonic() - began
        self.code = run.returncode
        self.codes = {int(p.name): int(p.read_text()) for p in codes.iterdir()}
        self.left = what_is_left(self.mark)

    def ids(self):
        return ids_of(self.out)


class LostRanks(unittest.TestCase):
    phases = ["none", *PHASES]

    def check(self, run, folder, ranks, phase, fault, culprit):
        with self.subTest(ranks=ranks, phase=phase, fault=fault, rank=culprit):
            run = run.result()
            said = f"\n{run.stderr}\ncodes {run.codes}, mpirun {run.code}, {run.seconds:.1f} s"
            self.assertLess(run.seconds, DEADLINE + SLACK, said)
            self.assertEqual(run.left, [], "processes are left" + said)
            self.check_named(run, phase, culprit, said)
            for rank in range(ranks):
                # mpirun may end the others a moment after the first, before their shells write.
                if rank != culprit and self.alone(ranks, phase):
                    self.assertEqual(run.codes.get(rank), 4, f"rank {rank}" + said)
            if not self.alone(ranks, phase) and fault != "kill":  # that of the first that ended
                self.assertEqual(run.code, 4, said)
            if phase not in ("start", "plan"):
                self.check_result(run, ranks, phase, fault, culprit, folder, said)

    @staticmethod
    def alone(ranks, phase):
        """Whether mpirun leaves it to the ranks to end; before they know each other that is mpirun's."""
        return ranks > 2 and phase != "start"

    def check_named(self, run, phase, culprit, said):
        if phase == "start":  # the ranks do not know each other yet: its line is of each survivor's own
            self.assertRegex(run.stderr, f"(waited {DEADLINE:.0f} s|told to end), while MPI started.*rank {culprit} ", said)
            return
        self.assertRegex(run.stderr, f"assay: lost rank {culprit}( \\(|:)", said)
        self.assertEqual(run.stderr.count("assay: lost rank"), 1, "said more than once" + said)
        if "left the common order" in run.stderr:
            self.assertRegex(run.stderr, f"> rank {culprit} \\([^,]+, pid \\d+", said)
        else:
            self.assertRegex(run.stderr, f"assay: lost rank {culprit} \\([^,]+, pid \\d+", said)

    def check_result(self, run, ranks, phase, fault, culprit, folder, said):
        finished = 1
        if phase == "saving":  # the ranks leave the order while the last case is put away
            finished = 2 if fault in ("skip", "other") else 3
        if culprit == 0:  # nobody else writes: its journal is what --resume goes on from
            self.assertTrue(Path(str(run.out) + ".journal").exists(), said)
        else:
            self.assertEqual(len(run.ids()), finished, said)
            self.assertEqual(json.loads(run.out.read_text())["complete"], finished == 3, said)
        if phase == "sampling":
            # On a busy machine warm-up lasts for more launches, and of a rank that is gone others know its last heartbeat.
            self.assertRegex(run.stderr, "(sampling|warming up) planted", said)
            resumed = Run(folder, ranks, "none", "none", 0, ["--resume"])
            self.assertEqual(resumed.code, 0, resumed.stderr)
            self.assertEqual(len(resumed.ids()), 3, resumed.stderr)

    def each(self, fault, phases, culprits):
        """The runs of a phase side by side: most of their time is the deadline's."""
        for phase in [p for p in phases if p in self.phases]:
            with tempfile.TemporaryDirectory() as parent, concurrent.futures.ThreadPoolExecutor() as pool:
                folders = [Path(tempfile.mkdtemp(dir=parent)) for _ in culprits]
                runs = [pool.submit(Run, folder, ranks, phase, fault, culprit)
                        for folder, (ranks, culprit) in zip(folders, culprits)]
                for run, folder, (ranks, culprit) in zip(runs, folders, culprits):
                    self.check(run, folder, ranks, phase, fault, culprit)

    def test_killed(self):
        self.each("kill", PHASES, [(2, 1), (4, 2)])

    def test_stopped(self):
        self.each("stop", PHASES, [(2, 1), (4, 3)])

    def test_in_an_endless_loop(self):
        self.each("loop", PHASES, [(2, 1), (4, 1)])

    def test_skipped_an_operation(self):
        self.each("skip", PHASES[1:], [(2, 1), (4, 2)])

    def test_came_with_another_operation(self):
        self.each("other", PHASES[1:], [(2, 1), (4, 2)])

    def test_came_with_another_size(self):
        self.each("size", ["warm_up"], [(2, 1), (4, 3)])

    def test_rank_0_is_lost(self):
        for fault in ("kill", "stop", "loop"):
            self.each(fault, PHASES[1:-1], [(2, 0), (4, 0)])

    def test_nobody_is_lost(self):
        for ranks in (2, 4) if "none" in self.phases else ():
            with tempfile.TemporaryDirectory() as folder:
                run = Run(Path(folder), ranks, "none", "none", 0)
                self.assertEqual((run.code, run.left, set(run.codes.values())), (0, [], {0}), run.stderr)
                self.assertEqual(len(run.ids()), 3)
                self.assertNotIn("lost", run.stderr)


class Hangs(unittest.TestCase):
    """A case in which no rank comes to an end, and nobody is behind: a process alone, and two."""

    def hang(self, ranks, phase, folder):
        suite, out = folder / "suite.json", folder / "result.json"
        suite.write_text(json.dumps(SUITE))
        mark = f"ASSAY_TEST_RUN={uuid.uuid4()}"
        name, value = mark.split("=")
        # A hang is told after ten times --timeout; a rank must not keep another waiting for once that.
        timeout = 1 if ranks == 1 else DEADLINE
        launcher = ["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-n", str(ranks)]
        run = subprocess.run([*(launcher if ranks > 1 else []), PROGRAM, phase, "hang", "0", "run", str(suite), "--out",
                              str(out), "--quiet", "--timeout", str(timeout)], env={**os.environ, name: value},
                             capture_output=True, text=True, timeout=60)
        return run, mark, out

    def check(self, ranks, phase, run, mark, out):
        with self.subTest(ranks=ranks, phase=phase):
            self.assertEqual(run.returncode, 4, run.stderr)
            doing = {"preparation": "preparing", "warm_up": "warming up", "check": "checking"}[phase]
            if ranks == 1:
                line = f"^assay: nothing has ended for [0-9]+\\.[0-9] s, 10 times --timeout, while {doing} planted/.*n=65"
            else:
                line = f"^assay: no rank is behind: all 2 are .*, while {doing} planted/.*n=65.*, and none goes on"
            self.assertRegex(run.stderr.splitlines()[0], line)
            finished = 2 if ranks == 1 else 1  # alone, the case that hung is known, and finished with that
            self.assertRegex(run.stderr, f"assay: {finished} of 3 cases were finished before that")
            self.assertEqual(what_is_left(mark), [])
            self.assertEqual(len(ids_of(out)), finished)
            self.assertRegex(json.loads(out.read_text())["provenance"]["run"]["ended_early"], "goes on|nothing has ended")

    def test_every_phase(self):
        with tempfile.TemporaryDirectory() as parent, concurrent.futures.ThreadPoolExecutor() as pool:
            runs = [(ranks, phase, pool.submit(self.hang, ranks, phase, Path(tempfile.mkdtemp(dir=parent))))
                    for ranks, phase in [(1, "preparation"), (1, "warm_up"), (1, "check"), (2, "check")]]
            for ranks, phase, run in runs:
                self.check(ranks, phase, *run.result())


class Launches(unittest.TestCase):
    """The program as it is, struck from outside while all its ranks are in launches that wait for each other."""

    def strike(self, ranks, kernel, signal_number, culprit):
        with tempfile.TemporaryDirectory() as folder, self.subTest(ranks=ranks, kernel=kernel, signal=signal_number):
            folder = Path(folder)
            suite, out = folder / "suite.json", folder / "result.json"
            suite.write_text(json.dumps({
                "schema": "assay-suite/1", "name": "struck", "description": "a short case and one that does not end",
                "sampling": {"min_samples": 2000, "max_samples": 1000000, "wall_seconds": 60, "warmup_seconds": 0.1},
                "cases": [{"workload": "gemm", "kernel": "cpu_blocked", "device": "cpu", "dtype": ["f32"], "m": 64,
                           "n": 64, "k": 64, "layout": ["nn"]},
                          {"workload": "all_reduce", "kernel": kernel, "device": "cpu", "dtype": ["f32"],
                           "bytes": [4194304]}]}))
            mark = f"ASSAY_TEST_RUN={uuid.uuid4()}"
            name, value = mark.split("=")
            with subprocess.Popen(["mpirun", "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "-n",
                                   str(ranks), ASSAY, "run", str(suite), "--out", str(out), "--quiet", "--timeout",
                                   str(DEADLINE), "--threads", "1"], env={**os.environ, name: value},
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
                pid = self.await_launches(run, Path(str(out) + ".journal"), mark, culprit)
                os.kill(pid, signal_number)
                began = time.monotonic()
                stderr = run.communicate(timeout=60)[1]
                seconds = time.monotonic() - began
            said = f"\n{stderr}\nmpirun {run.returncode}, {seconds:.1f} s"
            self.assertLess(seconds, DEADLINE + SLACK, said)
            self.assertRegex(stderr, f"assay: lost rank {culprit} \\([^,]+, pid {pid}, cpu\\)", said)
            self.assertRegex(stderr, "(warming up|sampling) all_reduce", said)  # on a busy machine it warms up for longer
            self.assertEqual(what_is_left(mark), [], said)
            if signal_number == signal.SIGSTOP:
                self.assertEqual(run.returncode, 4, said)
            self.assertEqual(len(ids_of(out)), 1, said)
            self.assertFalse([p for p in Path("/dev/shm").glob(f"assay-{pid}-*")], "shared memory is left")

    def await_launches(self, run, journal, mark, rank):
        """The rank's pid, once the endless case has been sampled for a while."""
        for _ in range(600):
            self.assertIsNone(run.poll(), run.stderr.read() if run.poll() is not None else "")
            if journal.exists() and journal.read_text().count('{"begin"') == 2:
                time.sleep(1.5)
                for pid in program.processes_of(mark):
                    environment = program.environment_of(pid).split(b"\0")
                    if f"OMPI_COMM_WORLD_RANK={rank}".encode() in environment:
                        return pid
            time.sleep(0.1)
        raise AssertionError("the case does not begin")

    def test_stopped(self):
        self.strike(2, "shm_ring", signal.SIGSTOP, 1)
        self.strike(2, "openmpi", signal.SIGSTOP, 1)
        self.strike(4, "openmpi", signal.SIGSTOP, 2)

    def test_killed(self):
        self.strike(2, "shm_ring", signal.SIGKILL, 1)
        self.strike(2, "openmpi", signal.SIGKILL, 1)
        self.strike(4, "shm_ring", signal.SIGKILL, 3)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True)
    parser.add_argument("--assay", required=True)
    parser.add_argument("--phase", choices=["none", *PHASES])
    options, rest = parser.parse_known_args()
    PROGRAM, ASSAY = options.program, options.assay
    if options.phase:
        LostRanks.phases = [options.phase]
    if not shutil.which("mpirun") or "Open MPI" not in subprocess.run(["mpirun", "--version"], capture_output=True,
                                                                       text=True).stdout:
        print("skipped: no Open MPI's mpirun here")
        sys.exit(77)
    unittest.main(argv=[sys.argv[0], *(rest or ["LostRanks"])], verbosity=2)
