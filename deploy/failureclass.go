package deploy

// Class is what kind of failure a Failure is: a short word for programs, which
// stays when the words for people change. A failure without a narrower class has
// its step's: "build", "release-command", "start", "probe", "gradual-promotion",
// "promote", "watch", "teal". An alert of no deployment has none.
type Class string

// Classes of failures of a build.
const (
	ClassDockerfile     Class = "dockerfile"      // it can't be read, or names no base
	ClassBaseImage      Class = "base-image"      // a FROM or "# syntax=" image can't be fetched
	ClassBuildFile      Class = "build-file"      // a COPY or ADD wants what is not in the commit
	ClassBuildSecret    Class = "build-secret"    // a secret that the app does not have
	ClassBuildStep      Class = "build-step"      // a RUN ended with an exit code, for reasons of its own
	ClassBuildOOM       Class = "build-oom"       // killed at the memory ceiling of builds
	ClassBuildKilled    Class = "build-killed"    // killed, and the ceiling is not known to be why
	ClassBuildProcesses Class = "build-processes" // ended at the ceiling of processes
	ClassBuildNetwork   Class = "build-network"   // could not reach an address
	ClassBuildOutput    Class = "build-output"    // out of time while it wrote more than is kept
	ClassBuildCPU       Class = "build-cpu"       // out of time while it computed
	ClassBuildTimeout   Class = "build-timeout"   // out of time while it waited
	ClassNoRoom         Class = "no-room"         // the server's memory or disk is too full to begin
)

// Classes of failures to start, and of the probe. The command of a RUN may be missing, too.
const (
	ClassNoCommand      Class = "no-command"      // the image names none
	ClassCommandMissing Class = "command-missing" // what is to be run is not there
	ClassCommandDenied  Class = "command-denied"  // … or is not executable
	ClassExited         Class = "exited"          // the app ended by itself
	ClassOOM            Class = "oom"             // killed at the app's own limit of memory
	ClassWrongPort      Class = "wrong-port"      // it listens, but not where requests go
	ClassNoAnswer       Class = "no-answer"       // it listens nowhere, or nobody could look
	ClassProbeStatus    Class = "probe-status"    // it answered, but not well
	ClassReleaseTimeout Class = "release-timeout" // the release command took too long
)
