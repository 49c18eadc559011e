"""Local Slurm cluster: a controller and six nodes, five of them with a fake GPU.

Requires root and the Debian packages slurm-wlm and munge. The machine's own /etc/slurm is not changed: daemons and
commands run in a mount namespace with the cluster's /etc/slurm.
"""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from workflow_tools import wait_until

PROGRAMS = ("slurmctld", "slurmd", "munged", "srun", "squeue", "unshare", "nsenter")
GPU_NODES = 5
NODES = [f"n{number}" for number in range(1, GPU_NODES + 2)]
WIDTH = 200  # characters per squeue column
CGROUPS = Path("/sys/fs/cgroup")

SLURM_CONF = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort=17000
AuthType=auth/munge
AuthInfo=socket={scratch}/munge/socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation={scratch}/state
SlurmdSpoolDir={scratch}/spool.%n
SlurmctldPidFile={scratch}/slurmctld.pid
SlurmdPidFile={scratch}/slurmd.%n.pid
SlurmctldLogFile={scratch}/slurmctld.log
SlurmdLogFile={scratch}/slurmd.%n.log
ProctrackType=proctrack/{proctrack}
TaskPlugin=task/{task}
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=100000,bf_interval=1
SlurmdParameters=config_overrides
ReturnToService=2
MpiDefault=none
GresTypes=gpu
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
MinJobAge=300
KillWait=2
OverTimeLimit=0
JobRequeue=1
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmdTimeout=30
{nodes}
PartitionName=cpu Nodes=n{last} Default=YES MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=REQUEUE
PartitionName=gpu Nodes=n[1-{gpu_nodes}] MaxTime=INFINITE State=UP PriorityTier=1 PreemptMode=REQUEUE
PartitionName=urgent Nodes=n[1-{gpu_nodes}] MaxTime=INFINITE State=UP PriorityTier=10 PreemptMode=OFF
"""
GRES_CONF = f"NodeName=n[1-{GPU_NODES}] Name=gpu Count=1 File=/dev/null\n"
CGROUP_CONF = f"""\
CgroupPlugin=cgroup/v1
CgroupMountpoint={CGROUPS}
CgroupAutomount=no
ConstrainCores=no
ConstrainRAMSpace=yes
ConstrainSwapSpace=no
ConstrainDevices=no
"""


def unavailable_reason() -> str | None:
    """Return why no cluster can be started here, or None."""
    if absent := [program for program in PROGRAMS if not shutil.which(program)]:
        return f"not installed: {', '.join(absent)} (Debian: slurm-wlm, munge)"
    return None if os.geteuid() == 0 else "requires root"


def enforces_memory() -> bool:
    """Return whether memory limits of jobs can be enforced here."""
    return all((CGROUPS / part).is_dir() for part in ("memory", "freezer", "cpuset"))


class Cluster:
    """Running Slurm cluster."""

    def __init__(self, scratch: Path):
        self.scratch = scratch
        self._processes: list[subprocess.Popen] = []

    def start(self) -> None:
        """Start all daemons and wait until all nodes are idle."""
        host, control = socket.gethostname(), "cgroup" if enforces_memory() else None
        for folder in ("etc", "state", "munge"):
            (self.scratch / folder).mkdir(parents=True)
        nodes = [
            f"NodeName=n{i} NodeHostname={host} NodeAddr=127.0.0.1 Port={17000 + i} CPUs=4 RealMemory=16000"
            + (" Gres=gpu:1" if i <= GPU_NODES else "")
            for i in range(1, len(NODES) + 1)
        ]
        conf = SLURM_CONF.format(
            host=host,
            scratch=self.scratch,
            proctrack=control or "linuxproc",
            task=control or "none",
            nodes="\n".join(nodes),
            last=len(NODES),
            gpu_nodes=GPU_NODES,
        )
        for name, text in (("slurm", conf), ("gres", GRES_CONF), ("cgroup", CGROUP_CONF)):
            (self.scratch / "etc" / f"{name}.conf").write_text(text, encoding="utf-8")
        Path("/etc/slurm").mkdir(exist_ok=True)
        hold = f"mount --bind {self.scratch}/etc /etc/slurm && exec sleep infinity"
        self._holder = subprocess.Popen(["unshare", "--mount", "sh", "-c", hold])
        self._processes.append(self._holder)
        wait_until(Path(f"/proc/{self._holder.pid}/root/etc/slurm/cgroup.conf").exists, "the namespace")
        self._start_munge()
        self._daemon("slurmctld", "-D")
        for node in NODES:
            self._daemon("slurmd", "-D", "-N", node)
        wait_until(lambda: self.output("sinfo", "-h", "-N", "-o", "%N %t").count("idle") >= len(NODES), "idle nodes")

    def _start_munge(self) -> None:
        key = self.scratch / "munge" / "key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o600)
        folder = self.scratch / "munge"
        shutil.chown(folder, "munge", "munge")
        shutil.chown(key, "munge", "munge")
        files = [f"--{name}-file={folder / name}" for name in ("key", "log", "pid", "seed")]
        command = ["munged", "--foreground", f"--socket={folder / 'socket'}", *files]
        self._processes.append(subprocess.Popen(command, user="munge", group="munge", extra_groups=[]))
        wait_until((folder / "socket").exists, "munge")

    def _daemon(self, *command: str) -> None:
        hidden = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        self._processes.append(subprocess.Popen(self.inside(command), **hidden))

    def inside(self, command: Sequence[str]) -> list[str]:
        """Return a command line that runs in the cluster's mount namespace."""
        return ["nsenter", f"--mount=/proc/{self._holder.pid}/ns/mnt", "--wd=.", *command]

    def output(self, *command: str) -> str:
        """Return the standard output of a command, empty if it fails."""
        result = subprocess.run(self.inside(command), capture_output=True, text=True)
        return result.stdout if result.returncode == 0 else ""

    def jobs(self, states: str = "all") -> list[dict[str, str]]:
        """Return the controller's jobs with their requests and states."""
        columns = {"id": "JobID", "state": "State", "partition": "Partition", "node": "NodeList", "memory": "MinMemory"}
        columns |= {"minutes": "TimeLimit", "gpus": "tres-per-job", "gres": "tres-per-node"}
        columns |= {"comment": "Comment", "folder": "WorkDir"}
        wanted = ",".join(f"{column}:{WIDTH}" for column in columns.values())
        lines = self.output("squeue", "--noheader", "--states", states, "--Format", wanted).splitlines()
        cells = ([line[i * WIDTH :][:WIDTH].strip() for i in range(len(columns))] for line in lines)
        return [dict(zip(columns, row, strict=True)) for row in cells]

    def stop(self) -> None:
        """Cancel all jobs and stop all daemons."""
        self.output("scancel", "--user=root")
        with suppress(TimeoutError):
            wait_until(lambda: not self.jobs("running,completing"), "the last job", seconds=30)
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def running() -> Iterator[Cluster]:
    """Run a cluster within a `with` block."""
    with tempfile.TemporaryDirectory(prefix="slurm-") as folder:
        Path(folder).chmod(0o755)  # munged does not run as root
        cluster = Cluster(Path(folder))
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()
