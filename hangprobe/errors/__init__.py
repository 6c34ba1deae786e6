"""Everything that hangprobe can refuse to do, one class per remedy.

    HangprobeError
     ├── UsageError                 the command line asks for something that cannot be
     │    ├── UnknownName               a reproducer, variant, mitigation ... that does not exist
     │    ├── NoSuchProcess             the process to look at is not there
     │    ├── ConfigurationUnreadable   the configuration's file is not there, or no text
     │    └── NoSuchJob                 the batch system has no such job, or it has no nodes
     ├── ExtraMissing               a library that only some commands need is not installed
     ├── NoJobFound                 none of the nodes that answered runs a job
     ├── ConfigurationRefused       a Parsl configuration cannot work as it stands
     ├── SubjectMute                an environment cannot say what its Parsl accepts
     ├── SubjectFailed              an environment with a version of Parsl cannot be made
     ├── UnwritableFolder           the results cannot be written where they should go
     ├── UnwritableFile             neither can the document
     ├── CommandNotStarted          the program under watch could not be executed
     ├── LauncherMissing            no mpiexec on PATH
     ├── LauncherBroken             there is one, and it cannot be executed
     ├── LauncherMismatch           what it started is not the job that was asked for
     ├── EnvironmentMissing         no environment holds this MPI
     ├── NodesRefused               this launcher cannot pretend several nodes
     ├── FolderUnseen               not all nodes of a job see the results folder
     ├── LinkFileRefused            the file that joins the nodes of a job is not to be had, or not to be believed
     ├── GuardianLost               the process that owns the job died first
     ├── RecordUnreadable           a record file is damaged or of a newer schema
     ├── CampaignMissing            the folder to go on with holds no campaign
     ├── CampaignExists             the folder for a new campaign is not empty
     ├── CampaignDiffers            the campaign on disk is another one than asked for
     ├── VersionsDiffer             it was begun with other versions than are here now
     ├── CampaignBusy               another runner works in the campaign's folder
     ├── TrialsFail                 one trial after the other could not be made
     ├── NamespacesForbidden        the kernel or its administrator allows no namespaces
     ├── ToolMissing                a program of the system is neither installed nor to be had
     ├── GnuParallelMissing         neither is GNU parallel
     ├── NotGnuParallel             what was given as GNU parallel is something else, or does not work
     ├── PerlMissing                there is no Perl to run it, or not all of Perl
     ├── EnvironmentUnfit           a program cannot be put into this environment
     ├── TestbedMissing             no testbed of this name is up
     ├── TestbedExists              a testbed of this name is up, and is another one than asked for
     └── TestbedFailed              a testbed could not be built or taken down

Each class has a slug that leads to the paragraph of the same name in docs/messages.md.
"""
