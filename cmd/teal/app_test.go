package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// app is an app as its developer has it: a work tree, a remote, a key.
type app struct {
	t    *testing.T
	w    *world
	user string // who pushes
	name string
	dir  string // work tree
}

// app makes a work tree whose remote "teal" is the app. Nothing is pushed.
func (w *world) app(t *testing.T, user, name string) *app {
	t.Helper()
	a := &app{t: t, w: w, user: user, name: name, dir: filepath.Join(w.dir, "work", user, name)}
	if err := os.MkdirAll(a.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	a.git("init", "-q", "-b", "main").exits(0)
	a.author()
	a.git("remote", "add", "teal", "ssh://git@"+w.ssh+"/"+name).exits(0)
	return a
}

// by gives the same app in the hands of another user, with a clone of the work tree.
func (a *app) by(user string) *app {
	a.t.Helper()
	other := *a
	other.user, other.dir = user, filepath.Join(a.w.dir, "work", user, a.name)
	if err := os.CopyFS(other.dir, os.DirFS(a.dir)); err != nil {
		a.t.Fatal(err)
	}
	other.author()
	return &other
}

// author has commits carry the user's name.
func (a *app) author() {
	a.t.Helper()
	a.git("config", "user.name", strings.ToUpper(a.user[:1])+a.user[1:]).exits(0)
	a.git("config", "user.email", a.user+"@example.org").exits(0)
}

// git runs stock git in the work tree.
func (a *app) git(args ...string) result {
	a.t.Helper()
	return a.startGit(args...).end()
}

func (a *app) startGit(args ...string) *proc {
	a.t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = a.dir
	cmd.Env = append(append([]string{}, a.w.env...),
		"GIT_SSH_COMMAND="+strings.Join(a.w.sshWords(a.user), " "),
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_TERMINAL_PROMPT=0", "LC_ALL=C")
	return startProc(a.t, cmd)
}

// vict is what a commit holds: the Dockerfile and teal.toml of an app that does
// what its flags say.
type vict struct {
	version string
	flags   []string // of the app
	run     []string // flags of vict as a build step; "": none
	base    string   // image; "": scratch, and vict is copied into it
	release []string // flags of vict as release command; none: no command
	limit   string   // of the release command; "": the server's
	start   string   // start timeout; "": 20s
	top     string   // further lines for the beginning of teal.toml
	toml    string   // further lines for the end of teal.toml
}

// commit commits it and gives the commit's name.
func (a *app) commit(v vict) string {
	a.t.Helper()
	writeFile(a.t, filepath.Join(a.dir, "Dockerfile"), v.dockerfile(), 0o644)
	writeFile(a.t, filepath.Join(a.dir, "teal.toml"), v.manifest(), 0o644)
	if v.base == "" {
		b, err := os.ReadFile(victBin)
		if err != nil {
			a.t.Fatal(err)
		}
		writeFile(a.t, filepath.Join(a.dir, "vict"), string(b), 0o755)
	}
	a.git("add", "-A").exits(0)
	a.git("commit", "-q", "--allow-empty", "-m", "Version "+v.version).exits(0)
	return a.head()
}

func (a *app) head() string {
	a.t.Helper()
	return strings.TrimSpace(a.git("rev-parse", "HEAD").exits(0).out)
}

func (v vict) dockerfile() string {
	var b strings.Builder
	if v.base == "" {
		b.WriteString("FROM scratch\nCOPY vict /vict\n")
	} else {
		fmt.Fprintf(&b, "FROM %s\n", v.base)
	}
	if len(v.run) > 0 {
		fmt.Fprintf(&b, "RUN %s\n", words(v.run))
	}
	fmt.Fprintf(&b, "ENTRYPOINT %s\n", words(append([]string{"-version", v.version}, v.flags...)))
	return b.String()
}

func (v vict) manifest() string {
	var b strings.Builder
	b.WriteString(v.top + "\n")
	if len(v.release) > 0 {
		fmt.Fprintf(&b, "release = %s\n", words(v.release))
	}
	if v.limit != "" {
		fmt.Fprintf(&b, "release_timeout = %q\n", v.limit)
	}
	start := v.start
	if start == "" {
		start = "20s"
	}
	fmt.Fprintf(&b, "[probe]\ninterval = \"50ms\"\nstart_timeout = %q\n%s\n", start, v.toml)
	return b.String()
}

// words writes a command line of vict as JSON, which is TOML too.
func words(flags []string) string {
	b, err := json.Marshal(append([]string{"/vict"}, flags...))
	if err != nil {
		panic(err)
	}
	return string(b)
}

// sleeping are the flags of a build step that takes d, and a mark by which its
// process is found. The Engine has never run it before.
func sleeping(d string) (flags []string, mark string) {
	mark = "mark-" + rand.Text()
	return []string{"-show", mark, "-sleep", d}, mark
}

// processes tells how many processes of the machine have mark on their command line.
func processes(t *testing.T, mark string) int {
	t.Helper()
	return len(marked(t, mark))
}

// marked gives their process IDs.
func marked(t *testing.T, mark string) (pids []int) {
	t.Helper()
	all, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range all {
		if b, err := os.ReadFile(path); err == nil && strings.HasPrefix(string(b), "/vict\x00") && strings.Contains(string(b), mark) {
			pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			if err != nil {
				t.Fatal(err)
			}
			pids = append(pids, pid)
		}
	}
	return pids
}

// wake ends the sleep of the processes with the mark.
func wake(t *testing.T, mark string) {
	t.Helper()
	eventually(t, func() string { // again: a program that has just begun does not hear it yet
		for _, pid := range marked(t, mark) {
			if err := syscall.Kill(pid, syscall.SIGUSR1); err != nil && !errors.Is(err, syscall.ESRCH) {
				t.Fatal(err)
			}
		}
		return missing(processes(t, mark) == 0, "the sleeper ends")
	})
}

// push pushes the branch main and waits for the end.
func (a *app) push(options ...string) result {
	a.t.Helper()
	return a.startPush(options...).end()
}

func (a *app) startPush(options ...string) *proc {
	a.t.Helper()
	return a.startGit(append(append([]string{"push"}, options...), "teal", "main")...)
}

// deploys commits and pushes what must go live.
func (a *app) deploys(v vict) string {
	a.t.Helper()
	id := a.commit(v)
	a.push().exits(0).says("is live on")
	a.serves(v.version)
	return id
}

// ref is what the branch main on the server points at; "" when it is not there.
func (a *app) ref() string {
	a.t.Helper()
	out := a.git("ls-remote", "teal", "refs/heads/main").exits(0).out
	id, _, _ := strings.Cut(out, "\t")
	return id
}

// refIs checks what the branch main on the server points at.
func (a *app) refIs(want string) {
	a.t.Helper()
	if got := a.ref(); got != want {
		a.t.Errorf("the ref of %s is at %q, want %q", a.name, got, want)
	}
}

// url is an address of the app in production.
func (a *app) url(path string) string {
	return "http://" + a.name + ".localhost:" + portOf(a.w.http) + path
}

// ask gives the answer of the app in production.
func (a *app) ask(path string) (status int, body string, err error) {
	return a.w.get(a.url(path))
}

func (w *world) get(url string) (status int, body string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, "", err
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// answers checks what the app in production answers.
func (a *app) answers(path, want string) {
	a.t.Helper()
	status, body, err := a.ask(path)
	if err != nil || status != http.StatusOK || strings.TrimSpace(body) != want {
		a.t.Errorf("GET %s answered %d %q (%v), want %q", a.url(path), status, body, err, want)
	}
}

// serves checks which version production answers with.
func (a *app) serves(version string) {
	a.t.Helper()
	a.answers("/version", version)
}
