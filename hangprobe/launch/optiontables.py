"""Which options the launchers take, and how many words each: what is needed to find where the application begins.

An option that is in no table may take any number of words, so a command line that has one is not understood. Some are
left out because with them the application does not stand on the command line (`--app`, `--multi-prog`), is not what is
started (`--tv`, `--container`), or is sent to the nodes as one file (`--preload-binary`, `--bcast`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hangprobe import hydraoptions
from hangprobe.model import Launcher

ATTACHED = -1
"""Of a short option: it may have a value, and then in the same word."""


@dataclass(frozen=True, slots=True)
class Grammar:
    """How a launcher reads its command line."""

    long: Mapping[str, int]
    """By name without dashes: how many words the option takes, its value not attached with `=`."""
    short: Mapping[str, int] = field(default_factory=dict)
    """By letter: the same of options that go together in one word, as getopt(3) takes them."""
    has_sections: bool = True
    """Whether a word `:` begins another application."""
    is_getopt: bool = False
    """Whether one dash begins short options only, and `--` ends them; else `-np` is `--np`."""


def _table(one: str, none: str, two: str = "") -> dict[str, int]:
    counts = ((one, 1), (none, 0), (two, 2))
    return {name: count for names, count in counts for name in names.split()}


def _letters(one: str, none: str, attached: str = "") -> dict[str, int]:
    return {**dict.fromkeys(one, 1), **dict.fromkeys(none, 0), **dict.fromkeys(attached, ATTACHED)}


# Open MPI 5: prterun(1) and mpirun(1), each tried with 5.0.11. Open MPI 4: mpirun(1) of Debian 12.
_OPENMPI = _table(
    """
    n np c N H host hostfile machinefile default-hostfile add-host add-hostfile map-by rank-by bind-to x wd wdir path
    prefix tmpdir output output-filename output-directory display stdin timeout spawn-timeout personality pset tune am
    amca launch-agent max-vm-size report-pid report-uri forward-signals preload-files runtime-options cpu-set cpu-list
    cpus-per-proc cpus-per-rank npernode npersocket ppr rankfile rf xterm stream-buffering initial-errhandler
    memory-alloc-kinds gpu-support with-ft pmix-prefix app-pmix-prefix set-env unset-env
    """,
    """
    v verbose q quiet oversubscribe nooversubscribe nolocal pernode bynode bycore byslot bind-to-core bind-to-socket
    report-bindings tag-output timestamp-output merge-stderr-to-stdout xml display-map display-allocation
    display-devel-map display-comm display-comm-finalize use-hwthread-cpus allow-run-as-root noprefix novm show-progress
    get-stack-traces leave-session-attached debug-daemons debug-daemons-file report-child-jobs-separately
    report-state-on-timeout set-cwd-to-session-dir hetero-nodes no-app-prefix
    """,
    "mca gmca omca gomca prtemca pmixmca gpmixmca",
)

# HPE PALS: from the documentation of sites that have it; none was at hand. `-env` is left out: it may take two words.
_PALS = _table(
    "n np ppn d depth cpu-bind mem-bind gpu-bind hosts hostlist hostfile wdir pmi",
    "envall genvall envnone genvnone no-vni l line-buffer label v verbose",
)

# Slurm: `srun --help`, 22.05.
_SRUN = _table(
    """
    account acctg-freq bb bbf begin cpus-per-task comment cpu-freq cpu-bind mem-bind hint dependency deadline delay-boot
    chdir export error epilog gres gres-flags input jobid job-name licenses clusters distribution mail-type mail-user
    mcs-label mpi ntasks ntasks-per-node nodes output het-group partition power priority prolog profile qos relative
    core-spec signal slurmd-debug switches task-epilog task-prolog thread-spec threads time time-min wait wckey
    cluster-constraint constraint mem mincpus reservation tmp nodelist exclude mem-per-cpu sockets-per-node
    cores-per-socket threads-per-core extra-node-info ntasks-per-core ntasks-per-socket cpus-per-gpu gpus gpu-bind
    gpu-freq gpus-per-node gpus-per-socket gpus-per-task mem-per-gpu ntasks-per-gpu open-mode
    """,
    """
    preserve-env hold immediate no-kill kill-on-bad-exit label nice overcommit overlap propagate pty quit-on-interrupt
    quiet reboot oversubscribe spread-job unbuffered use-min-nodes verbose disable-status contiguous exact exclusive
    resv-ports no-allocate compress
    """,
)
_SRUN_LETTERS = _letters("AbcdDeiJLMmnNopqrSTtWCwxBG", "EHklOQsuvXZ", "IK")

# GNU parallel 20221122: its table of options. Abbreviations are not understood.
_PARALLEL = _table(
    """
    joblog jl results result res jobs delay ssh-delay sshdelay load nice tag-string tagstring ctag-string ctagstring
    sshlogin sshloginfile slf ssh transfer-file transferfile transfer-files transferfiles tf return trc basefile bf
    template tmpl work-dir workdir wd rsync-opts rsyncopts tmpdir tempdir total-jobs totaljobs total trim env
    halt-on-error haltonerror halt limit memfree memsuspend retries timeout term-seq termseq max-procs maxprocs
    delimiter max-chars maxchars arg-file argfile process-slot-var processslotvar max-args maxargs max-replace-args
    maxreplaceargs col-sep colsep recstart recend block-size blocksize block block-timeout blocktimeout bt header
    filter
    """,
    """
    xargs resume resume-failed resumefailed retry-failed retryfailed silent keep-order keeporder no-keep-order
    nokeeporder nok no-k group ungroup latest-line latestline ll line-buffer line-buffered linebuffer linebuffered lb
    null quote plus noswap tag ctag color colour color-failed colorfailed onall nonall filter-hosts filterhosts
    controlmaster transfer cleanup compress progress eta bar shuf gnu plain link xapply will-cite willcite nn nonotice
    no-notice no-run-if-empty norunifempty csv verbose exit skip-first-line skipfirstline pipe spreadstdin round-robin
    roundrobin round regexp regex remove-rec-sep removerecsep rrs files cat fifo pipe-part pipepart hostgroup hostgroups
    """,
)
_PARALLEL_LETTERS = _letters("jSPdsanNCLE", "mXvku0qMrtx")

GRAMMARS: dict[Launcher, Grammar] = {
    Launcher.HYDRA: Grammar(hydraoptions.WORDS),
    Launcher.INTEL: Grammar(hydraoptions.WORDS),
    Launcher.OPENMPI: Grammar(_OPENMPI),
    Launcher.PALS: Grammar(_PALS),
    Launcher.SRUN: Grammar(_SRUN, _SRUN_LETTERS, is_getopt=True),
    Launcher.GNU_PARALLEL: Grammar(_PARALLEL, _PARALLEL_LETTERS, has_sections=False, is_getopt=True),
}
