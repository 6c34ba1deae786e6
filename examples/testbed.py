"""The configuration of examples/polaris.py on three nodes without a batch system: `hangprobe testbed up 3`.

What differs, and why: LocalProvider starts the block's script where Parsl runs, as nobody asks a batch system for
nodes; PBS_NODEFILE must name the nodes, as a job of PBS has it (`hangprobe compare` sets it); MpiExecLauncher() is
as shipped, for MPICH; two workers a node, since nodes of a testbed share the machine's processors and an affinity
needs a processor for each worker; the run folder is below the working directory.
"""

from parsl.config import Config
from parsl.dataflow.memoization import BasicMemoizer
from parsl.executors import HighThroughputExecutor
from parsl.launchers import MpiExecLauncher
from parsl.providers import LocalProvider
from parsl.utils import get_all_checkpoints

user_opts = {
    "worker_init": "",
    "run_dir": "runinfo",
    "nodes_per_block": 3,
    "cpus_per_node": 2,
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
            cpu_affinity="alternating",
            prefetch_capacity=0,
            provider=LocalProvider(
                launcher=MpiExecLauncher(),
                worker_init=user_opts["worker_init"],
                nodes_per_block=user_opts["nodes_per_block"],
                init_blocks=1,
                min_blocks=0,
                max_blocks=1,
            ),
        ),
    ],
    memoizer=BasicMemoizer(checkpoint_files=checkpoints, checkpoint_mode="task_exit"),
    run_dir=user_opts["run_dir"],
    strategy=user_opts["strategy"],
    retries=2,
)
