package builder

import (
	"context"
	"fmt"
	"regexp"
	"strings"
	"time"

	"teal/deploy"
)

var (
	noFork = regexp.MustCompile(`(?i)resource temporarily unavailable|cannot fork|can't fork|can't start new thread|unable to create (?:native )?thread|failed to create new OS thread|\bEAGAIN\b`)
	// noReach is how the languages' tools say that an address did not answer, or that its name is unknown.
	noReach   = regexp.MustCompile(`(?i)no such host|could ?n[o']t? resolve|temporary failure (?:in name resolution|resolving)|name or service not known|network is unreachable|no route to host|connection (?:refused|timed out)|dial tcp|i/o timeout|Client\.Timeout exceeded|\bEAI_AGAIN\b|\bENOTFOUND\b|\bETIMEDOUT\b|\bECONNREFUSED\b|\bENETUNREACH\b|\bUnknownHostException\b`)
	wasKilled = regexp.MustCompile(`(?i)\bkilled\b|out of memory|cannot allocate memory`)
)

// explainExit is for a RUN that ended with an exit code. What the control groups
// counted says more than the code, which is of the program's own choice.
func explainExit(code string, failed *step, log []string, h happened, err error) *deploy.Failure {
	title := failed.command()
	all := strings.Join(log, "\n")
	switch {
	case code == "137" && (h.kills > 0 || h.full > 0), wasKilled.MatchString(all) && h.kills > 0:
		return classed(deploy.ClassBuildOOM, fmt.Sprintf("%s ran out of memory: it was killed at the ceiling of builds, %s (exit code %s)", title, mib(h.memory), code),
			"let the build need less memory (fewer jobs at once), or give this server more", log, err)
	case code == "137" && h.watched:
		return classed(deploy.ClassBuildKilled, fmt.Sprintf("%s was killed (exit code 137), and not at the ceiling of builds' memory", title),
			"somebody killed it, or this server as a whole ran out of memory: its kernel's log says which; push again", log, err)
	case code == "137":
		return classed(deploy.ClassBuildKilled, fmt.Sprintf("%s was killed (exit code 137): it probably ran out of memory", title),
			"let the build need less memory (fewer jobs at once), or give this server more", log, err)
	case noFork.MatchString(all) && (h.refused > 0 || h.processes > buildProcesses/2):
		return classed(deploy.ClassBuildProcesses, fmt.Sprintf("%s ended at the limit of %s processes and threads (exit code %s)", title, thousands(buildProcesses), code),
			"let the build begin fewer at once: fewer jobs, and no process that begins itself again", log, err)
	case noShell.MatchString(all):
		return classed(deploy.ClassCommandMissing, fmt.Sprintf("%s needs a shell, and its base image has none", title),
			`write the exec form, RUN ["go", "build", "."], or build on teal/base`, log, err)
	}
	return explainWords(code, failed, log, err)
}

// explainWords goes by what the step said last.
func explainWords(code string, failed *step, log []string, err error) *deploy.Failure {
	title := failed.command()
	if line := unreached(log); line != "" && code != "127" {
		return classed(deploy.ClassBuildNetwork, fmt.Sprintf("%s could not reach what it wants (exit code %s): %s", title, code, deploy.Clean(line, 160)),
			failed.hint("look whether that address is right, and whether this server reaches it; what a build needs can also lie in the repository"), log, err)
	}
	if reason, hint, found := troubleIn(log); found {
		class := deploy.ClassBuildStep
		if code == "127" {
			class = deploy.ClassCommandMissing
		}
		return classed(class, fmt.Sprintf("%s: %s", title, reason), hint, log, err)
	}
	if code == "127" || notFound.MatchString(strings.Join(log, "\n")) {
		return classed(deploy.ClassCommandMissing, fmt.Sprintf("%s: the command is not in the image", title),
			"install it in an earlier step, or build on an image that has it", log, err)
	}
	return classed(deploy.ClassBuildStep, fmt.Sprintf("%s ended with exit code %s", title, code),
		failed.hint("the last lines of the step say why; correct it, commit and push again"), log, err)
}

// unreached is the last of the last lines that says that an address did not
// answer. Further up such words may be about a try that was made again.
func unreached(log []string) string {
	for i := len(log) - 1; i >= max(0, len(log)-10); i-- {
		if noReach.MatchString(log[i]) {
			return strings.TrimSpace(log[i])
		}
	}
	return ""
}

// explainLate is for a build whose time was over: what the step that was still
// at work did with it.
func explainLate(timeout time.Duration, p *progress, h happened) *deploy.Failure {
	reason, hint := lateReason(timeout), "if it needs more, set [build] timeout in teal.toml"
	class, log := deploy.ClassBuildTimeout, []string(nil)
	switch s := p.atWork(); {
	case s == nil:
	case h.processes > buildProcesses/2:
		class, log = deploy.ClassBuildProcesses, s.tail()
		reason += fmt.Sprintf(": %s had begun %s processes and threads until then", s.command(), thousands(int(h.processes)))
		hint = fmt.Sprintf("builds may have %s; let this one begin fewer at once", thousands(buildProcesses))
	case s.clipped || p.cut && s.written > 1<<19:
		class, log = deploy.ClassBuildOutput, s.tail()
		reason += fmt.Sprintf(": %s wrote more than %.1f MiB of output until then", s.command(), float64(s.written)/(1<<20))
		hint = "a program that writes without end goes round in a circle, or asks what nobody answers; " + hint
	case h.alone && h.cpu > h.over/10:
		class, log = deploy.ClassBuildCPU, s.tail()
		reason += fmt.Sprintf(": %s was still computing (%s of processor time)", s.command(), seconds(h.cpu))
	default:
		log = s.tail()
		reason += fmt.Sprintf(": %s was still running", s.command())
		hint = "look what it waits for: an answer, a lock, the network, or apps that leave builds no processor; " + hint
	}
	return classed(class, reason, hint, log, context.DeadlineExceeded)
}

func lateReason(timeout time.Duration) string {
	return fmt.Sprintf("the build took longer than %s and was stopped", timeout)
}

// thousands writes 4096 as 4,096.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
