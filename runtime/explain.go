package runtime

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"

	"teal/deploy"
)

// explainCreate turns the Engine's refusal to make a container into words for
// the one whose app it is; what isn't about the app stays an error.
func explainCreate(err error, config *container.Config, step deploy.Step) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	switch {
	case errdefs.IsNotFound(err):
		return fmt.Errorf("image %s: %w: %w", config.Image, deploy.ErrNotFound, err)
	case strings.Contains(text, "o command specified"):
		return &deploy.Failure{
			Step: step, Class: deploy.ClassNoCommand, Err: err, Reason: "the image names no command to run",
			Hint: "end the Dockerfile with CMD or ENTRYPOINT",
		}
	case strings.Contains(text, "inimum memory limit"):
		return &deploy.Failure{
			Step: step, Err: err, Reason: "the memory limit is too small to run anything",
			Hint: "raise memory in teal.toml to 16 MB or more",
		}
	}
	return err
}

var noUser = regexp.MustCompile(`unable to find (user|group) ([^:]+):`)

// moreThanThereIs tells the refusal of a CPU limit above what the host has.
func moreThanThereIs(err error) bool {
	return err != nil && strings.Contains(err.Error(), "ange of CPUs")
}

// explainStart does the same for the refusal to start one.
func explainStart(err error, step deploy.Step) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	if m := noUser.FindStringSubmatch(text); m != nil {
		return &deploy.Failure{
			Step: step, Err: err, Reason: fmt.Sprintf("the image has no %s %s", m[1], deploy.Clean(m[2], 60)),
			Hint: "create it in the Dockerfile before USER, or give USER a number",
		}
	}
	// runc says "OCI runtime create failed" of everything that is wrong with
	// what it was told to run, be that the app's fault or the host's: only the
	// first is worth more words.
	if _, dir, ok := strings.Cut(text, "chdir to cwd (\""); ok {
		dir, _, _ = strings.Cut(dir, "\"")
		return &deploy.Failure{
			Step: step, Err: err, Reason: fmt.Sprintf("the image's WORKDIR %s can't be entered", deploy.Clean(dir, 100)),
			Hint: "the user that the app runs as needs the right to enter it: " + lastPart(text),
		}
	}
	if strings.Contains(text, "rlimit type 7") {
		return fmt.Errorf("the Engine may not give an instance that many open files: set a lower number, or start the Engine with a higher limit: %w", err)
	}
	if strings.Contains(text, "docker-init") {
		return fmt.Errorf("the Engine lacks its init program docker-init: install the Engine's recommended packages (Debian: tini): %w", err)
	}
	return err
}

func lastPart(text string) string {
	return deploy.Clean(text[strings.LastIndex(text, ": ")+len(": "):], 200)
}

// noExec is what the Engine's init process says when it can't run the command.
var noExec = regexp.MustCompile(`^\[FATAL tini \(\d+\)\] exec (.+) failed: (.+)$`)

// explainInit reads a line of an instance's output; nil when it is not the init
// process's last word.
func explainInit(line string, step deploy.Step) *deploy.Failure {
	m := noExec.FindStringSubmatch(line)
	if m == nil {
		return nil
	}
	f := &deploy.Failure{Step: step, Reason: fmt.Sprintf("the image's command %s can't be run: %s", m[1], m[2])}
	switch m[2] {
	case "No such file or directory":
		f.Class = deploy.ClassCommandMissing
		f.Reason = fmt.Sprintf("the image's command %s is not there, or what it needs to run is not", m[1])
		f.Hint = "check CMD and ENTRYPOINT; if the file is there, look for the interpreter that its first line names (lines that end as on Windows, CRLF, name one that is not there), for the C library it is linked with (Go: build with CGO_ENABLED=0), and whether it was built for this host's processor"
	case "Permission denied":
		f.Class = deploy.ClassCommandDenied
		f.Reason = fmt.Sprintf("the image's command %s is not executable", m[1])
		f.Hint = fmt.Sprintf("make it so: git update-index --chmod=+x %s, or RUN chmod in the Dockerfile", strings.TrimPrefix(m[1], "/"))
	}
	return f
}
