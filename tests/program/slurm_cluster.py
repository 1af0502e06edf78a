"""A Slurm cluster of one node on loopback, for as long as a test lasts: munged, slurmctld and slurmd with their own
ports, key, sockets and spool folder, all in a temporary folder, without cgroups and without touching the system's own.
"""
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

NEEDED = ["slurmctld", "slurmd", "srun", "sbatch", "sinfo", "munged"]


class Unavailable(Exception):
    """Why there can be no cluster here: a reason to skip."""


def find(program):
    return shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/local/sbin")


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Cluster:
    def __init__(self, cpus):
        missing = [program for program in NEEDED if not find(program)]
        if missing:
            raise Unavailable(f"no {', '.join(missing)} (Debian: slurmctld slurmd slurm-client munge)")
        if os.geteuid() != 0:
            raise Unavailable("slurmd needs root to start a job's processes")
        self.folder = Path(tempfile.mkdtemp(prefix="assay-slurm-"))
        self.processes = []
        try:
            self.start(cpus)
        except BaseException:
            self.close()
            raise

    def start(self, cpus):
        self.folder.chmod(0o755)  # munge refuses a folder that others could change
        for name in ("spool", "state", "munge", "log"):
            (self.folder / name).mkdir(mode=0o755)
        self.start_munge()
        self.configuration = self.folder / "slurm.conf"
        self.configuration.write_text(self.settings(cpus))
        (self.folder / "plugstack.conf").write_text("")
        self.environment = {**os.environ, "SLURM_CONF": str(self.configuration)}
        self.launch("slurmctld", "-D", "-f", self.configuration)
        self.launch("slurmd", "-D", "-f", self.configuration, "-N", "node0")
        self.await_node()

    def start_munge(self):
        # Munge wants its files owned by the user it runs as; root is only let with --force, which warns.
        key = self.folder / "munge" / "key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        self.munge_socket = self.folder / "munge" / "socket"
        self.launch("munged", "--foreground", "--force", f"--socket={self.munge_socket}", f"--key-file={key}",
                    f"--log-file={self.folder}/log/munged.log", f"--pid-file={self.folder}/munge/pid",
                    f"--seed-file={self.folder}/munge/seed")
        for _ in range(100):
            if self.munge_socket.exists():
                return
            time.sleep(0.1)
        raise Unavailable(f"munged does not start: {self.log('munged')}")

    def settings(self, cpus):
        user = pwd.getpwuid(os.geteuid()).pw_name
        return f"""ClusterName=assay
SlurmctldHost={socket.gethostname().split(".")[0]}(127.0.0.1)
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={self.munge_socket}
CredType=cred/munge
SlurmctldPort={free_port()}
SlurmdPort={free_port()}
StateSaveLocation={self.folder}/state
SlurmdSpoolDir={self.folder}/spool
SlurmctldPidFile={self.folder}/slurmctld.pid
SlurmdPidFile={self.folder}/slurmd.pid
SlurmctldLogFile={self.folder}/log/slurmctld.log
SlurmdLogFile={self.folder}/log/slurmd.log
PlugStackConfig={self.folder}/plugstack.conf
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/builtin
ReturnToService=2
SlurmdParameters=config_overrides
MpiDefault=none
KillWait=2
MailProg=/bin/true
NodeName=node0 NodeHostname={socket.gethostname()} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=all Nodes=node0 Default=YES MaxTime=INFINITE OverSubscribe=FORCE State=UP
"""

    def launch(self, program, *arguments):
        with open(self.folder / "log" / f"{program}.out", "w") as out:
            environment = getattr(self, "environment", dict(os.environ))
            self.processes.append(subprocess.Popen([find(program), *map(str, arguments)], stdout=out, stderr=out,
                                                   stdin=subprocess.DEVNULL, env=environment, start_new_session=True))

    def log(self, program):
        text = ""
        for name in (f"{program}.out", f"{program}.log"):
            path = self.folder / "log" / name
            text += path.read_text(errors="replace")[-1500:] if path.exists() else ""
        return text

    def await_node(self):
        state = ""
        for _ in range(200):
            state = self.run("sinfo", "--noheader", "--format=%T").stdout.strip()
            if state == "idle":
                return
            if any(process.poll() is not None for process in self.processes):
                break
            time.sleep(0.2)
        raise Unavailable(f"the node is '{state}':\n{self.log('slurmctld')}\n{self.log('slurmd')}")

    def run(self, program, *arguments, timeout=60, environment=None, folder=None):
        return subprocess.run([find(program), *map(str, arguments)], capture_output=True, text=True, timeout=timeout,
                              env={**self.environment, **(environment or {})}, cwd=folder or self.folder)

    def close(self):
        """slurmd ends its steps' processes with itself when told to; what does not go is killed."""
        if hasattr(self, "configuration"):
            self.run("scancel", "--state=RUNNING")
        for process in reversed(self.processes):
            process.terminate()
        for process in reversed(self.processes):
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
