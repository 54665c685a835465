package main

import (
	"encoding/json"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// sshWords are the words of the command line that reaches Teal as the user:
// OpenSSH with a key and a known_hosts of its own, and no configuration.
func (w *world) sshWords(user string) []string {
	return []string{
		"ssh", "-F", "/dev/null", "-p", portOf(w.ssh), "-i", filepath.Join(w.dir, "key-"+user),
		"-o", "IdentitiesOnly=yes", "-o", "IdentityAgent=none", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR",
		"-o", "UserKnownHostsFile=" + filepath.Join(w.dir, "known-hosts-"+user), "-o", "GlobalKnownHostsFile=/dev/null",
		"-o", "StrictHostKeyChecking=accept-new",
	}
}

// startCommand starts one of Teal's commands over SSH.
func (w *world) startCommand(t *testing.T, user string, words ...string) *proc {
	t.Helper()
	argv := append(append(w.sshWords(user), hostOf(w.ssh)), words...)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env = w.env
	p := startProc(t, cmd)
	p.name = "ssh … " + strings.Join(words, " ")
	return p
}

// command runs one of Teal's commands over SSH.
func (w *world) command(t *testing.T, user string, words ...string) result {
	t.Helper()
	return w.startCommand(t, user, words...).end()
}

// input runs one of Teal's commands with something on its standard input.
func (w *world) input(t *testing.T, user, stdin string, words ...string) result {
	t.Helper()
	argv := append(append(w.sshWords(user), hostOf(w.ssh)), words...)
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Env, cmd.Stdin = w.env, strings.NewReader(stdin)
	return startProc(t, cmd).end()
}

// document runs a command with --json as root and reads what it prints.
func (w *world) document(t *testing.T, into any, words ...string) {
	t.Helper()
	r := w.command(t, "root", words...).exits(0)
	if err := json.Unmarshal([]byte(r.out), into); err != nil {
		t.Fatalf("ssh … %s: %v:\n%s", strings.Join(words, " "), err, r.out)
	}
}

// deployment is what "deployments --json" tells of one.
type deployment struct {
	ID         int
	Cause      string
	State      string
	Color      string
	Release    int
	Replaces   int
	By         string
	Commit     string
	Note       string
	CreatedAt  time.Time  `json:"created_at"`
	PromotedAt *time.Time `json:"promoted_at"`
	Failure    *struct{ Step, Class, Reason, Hint string }
	Receipt    *struct {
		Image    string
		Requests uint64
		Failed   uint64
		Cut      int
		Build    float64 `json:"build_s"`
		Start    float64 `json:"start_s"`
		Probe    float64 `json:"probe_s"`
		Switch   float64 `json:"switch_ms"`
		Overhead float64 `json:"overhead_ms"`
	}
}

// deployments gives the app's deployments, newest first.
func (a *app) deployments() []deployment {
	a.t.Helper()
	var doc struct{ Deployments []deployment }
	a.w.document(a.t, &doc, "deployments", a.name, "-n", "100", "--json")
	return doc.Deployments
}

// last gives the app's newest deployment.
func (a *app) last() deployment {
	a.t.Helper()
	all := a.deployments()
	if len(all) == 0 {
		a.t.Fatalf("%s has no deployment", a.name)
	}
	return all[0]
}

// reaches waits until the app's newest deployment is in one of the states.
func (a *app) reaches(states ...string) deployment {
	a.t.Helper()
	var d deployment
	eventually(a.t, func() string {
		d = a.last()
		for _, s := range states {
			if d.State == s {
				return ""
			}
		}
		return "the deployment of " + a.name + " is " + d.State + ", want " + strings.Join(states, " or ")
	})
	return d
}

// standing is what "apps --json" tells of an app.
type standing struct {
	Name       string
	URL        string
	PreviewURL string `json:"preview_url"`
	Active     string
	Live       int
	Previous   int
	Staged     int
}

func (a *app) standing() standing {
	a.t.Helper()
	var doc struct{ Apps []standing }
	a.w.document(a.t, &doc, "apps", "--json")
	for _, s := range doc.Apps {
		if s.Name == a.name {
			return s
		}
	}
	a.t.Fatalf("there is no app %s", a.name)
	return standing{}
}
