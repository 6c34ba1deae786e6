"""Parsl on Polaris: 3 nodes of the queue debug-scaling, one manager a node, for Parsl 2025.12.8 and newer.

The configuration that the ALCF's documentation gave in 2022, with every mistake corrected that `hangprobe compare`
explains in it. Adjust `user_opts`; `hangprobe compare examples/polaris.py` compares its launcher with others.
"""

from parsl.config import Config

# For checkpointing:
from parsl.dataflow.memoization import BasicMemoizer

# The high throughput executor is for scaling to HPC systems:
from parsl.executors import HighThroughputExecutor

# You can use the MPI launcher, but may want the Gnu Parallel launcher (GnuParallelLauncher)
from parsl.launchers import MpiExecLauncher

# PBSPro is the right provider for Polaris:
from parsl.providers import PBSProProvider
from parsl.utils import get_all_checkpoints

# Adjust your user-specific options here:
user_opts = {
    "worker_init": "module load conda; conda activate; module load cray-hdf5; "
    "source /path/to/your/virtualenv/bin/activate",
    "scheduler_options": "",
    "account": "YOURACCOUNT",
    "queue": "debug-scaling",
    "walltime": "1:00:00",
    "run_dir": "/lus/grand/projects/yourproject/yourrundir/",
    "nodes_per_block": 3,  # think of a block as one job on polaris, so to run on the main queues, set this >= 10
    "cpus_per_node": 32,  # Up to 64 with multithreading
    "strategy": "simple",
}

checkpoints = get_all_checkpoints(user_opts["run_dir"])

config = Config(
    executors=[
        HighThroughputExecutor(
            label="htex",
            heartbeat_period=15,
            heartbeat_threshold=120,
            worker_debug=True,
            max_workers_per_node=user_opts["cpus_per_node"],
            cores_per_worker=1,
            # No address: managers try all of this node. On Polaris address_by_interface("bond0") is the one they reach.
            cpu_affinity="alternating",
            prefetch_capacity=0,
            provider=PBSProProvider(
                # The mpiexec of Polaris (PALS) has --cpu-bind and no --bind-to; one manager a node, on all processors.
                launcher=MpiExecLauncher(bind_cmd="--cpu-bind", overrides="--depth=64 --ppn 1"),
                account=user_opts["account"],
                queue=user_opts["queue"],
                select_options="ngpus=4",
                # PBS directives (header lines): for array jobs pass '-J' option
                scheduler_options=user_opts["scheduler_options"],
                # Command to be run before starting a worker, such as:
                worker_init=user_opts["worker_init"],
                # number of compute nodes allocated for each block
                nodes_per_block=user_opts["nodes_per_block"],
                init_blocks=1,
                min_blocks=0,
                max_blocks=1,  # Can increase more to have more parallel jobs
                cpus_per_node=user_opts["cpus_per_node"],
                walltime=user_opts["walltime"],
            ),
        ),
    ],
    memoizer=BasicMemoizer(checkpoint_files=checkpoints, checkpoint_mode="task_exit"),
    run_dir=user_opts["run_dir"],
    strategy=user_opts["strategy"],
    retries=2,
)
