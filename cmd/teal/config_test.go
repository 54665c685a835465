package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
)

// TestConfigSetMakesAReleaseWithoutABuild: the app sees a new value after a
// switch, not after a build, and a value that breaks it never serves.
func TestConfigSetMakesAReleaseWithoutABuild(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.app(t, "anna", "shop")
	w.command(t, "anna", "create", "shop").exits(0).says("git remote add teal")
	w.command(t, "anna", "config", "set", "shop", "GREETING=hello").exits(0).says("the next push takes it along")
	id := a.deploys(vict{version: "one"})
	a.answers("/env?k=GREETING", "hello")
	a.answers("/env?k=PORT", "8080")

	w.command(t, "anna", "config", "set", "shop", "GREETING=moin", "COLOR=teal").exits(0).
		says("v2 of shop is live on green").hides("Building")
	a.answers("/env?k=GREETING", "moin")
	a.answers("/env?k=COLOR", "teal")
	a.refIs(id)
	d := a.last()
	if d.Cause != "config" || d.Receipt == nil || d.Receipt.Build != 0 || d.By != "anna" {
		t.Errorf("the deployment is %+v", d)
	}
	w.command(t, "anna", "config", "unset", "shop", "COLOR").exits(0).says("v3 of shop is live on blue")
	a.answers("/env?k=COLOR", "")
	w.command(t, "anna", "config", "set", "shop", "PORT=1").exits(2).says("PORT is always 8080")
	w.command(t, "bert", "config", "list", "shop", "--show").exits(3).hides("moin")
	w.command(t, "anna", "config", "list", "shop").exits(0).says("GREETING").hides("moin")
	w.command(t, "anna", "config", "list", "shop", "--show").exits(0).says("moin")
}

// TestSecretsAreRedactedWhereverTheyAreSaid: in what the pusher sees, in the
// stored log, in the app's own log, in the failure and in the mail; and they are
// not in layers, pages, files, and what the daemon writes when it crashes.
func TestSecretsAreRedactedWhereverTheyAreSaid(t *testing.T) {
	t.Parallel()
	const secret = "hunter2-swordfish-9000"
	box := newMailbox(t)
	box.open()
	w := newWorld(t, box.args()...)
	a := w.app(t, "anna", "vault")
	w.command(t, "anna", "create", "vault").exits(0)
	w.input(t, "anna", secret+"\n", "config", "set", "vault", "SECRET").exits(0).hides(secret)
	a.commit(vict{version: "one", release: []string{"-show", "SECRET", "-sleep", "1ms"}, flags: []string{"-show", "SECRET"}})
	a.push().exits(0).says("SECRET is [redacted]").hides(secret)
	a.answers("/env?k=SECRET", secret)
	w.command(t, "anna", "logs", "vault", "--deployment", "1").exits(0).says("SECRET is [redacted]").hides(secret)
	w.command(t, "anna", "logs", "vault").exits(0).says("SECRET is [redacted]").hides(secret)

	a.commit(vict{version: "two", flags: []string{"-show", "SECRET", "-status", "503"}, start: "5s"})
	a.push().exits(1).says("SECRET is [redacted]", "probe answered 503").hides(secret)
	w.command(t, "anna", "deployments", "vault", "--json").exits(0).says("SECRET is [redacted]").hides(secret)
	m := box.next()
	if !strings.Contains(m.text, "SECRET is [redacted]") || strings.Contains(m.raw, secret) {
		t.Errorf("the mail says:\n%s", m.text)
	}
	a.nowhere(secret)
}

// nowhere checks that nothing that others may read has the secret: pages of the
// console, files, images, logs, and the stacks of a daemon that is told to crash.
func (a *app) nowhere(secret string) {
	t, w := a.t, a.w
	t.Helper()
	paths := []string{"/apps/" + a.name}
	for _, d := range a.deployments() {
		paths = append(paths, fmt.Sprintf("/apps/%s/deployments/%d", a.name, d.ID))
	}
	for path, page := range w.pages(t, "anna", paths...) {
		if strings.Contains(page, secret) || !strings.Contains(page, a.name) {
			t.Errorf("the console's page %s has the secret, or nothing:\n%s", path, page)
		}
	}
	for _, image := range a.images() {
		if strings.Contains(image, secret) {
			t.Error("an image of the app has the secret")
		}
	}
	w.daemon.signal(syscall.SIGQUIT) // Go's runtime writes all stacks and ends
	if crash := w.daemon.end().exits(2).says("SIGQUIT: quit", "goroutine "); !strings.Contains(crash.out, "deploy.(*Engine).Run") {
		t.Errorf("the crash has no stack of the engine:\n%s", crash.out)
	}
	if where := filesWith(t, w.data, secret); len(where) > 0 {
		t.Errorf("in the clear in %s", where)
	}
	for i, log := range w.logs {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log of daemon %d has the secret", i+1)
		}
	}
	w.client.CloseIdleConnections()
	w.start() // it destroys the app
}

// TestBuildSecretIsFoundNowhere: the build sees it, and nobody and nothing else.
func TestBuildSecretIsFoundNowhere(t *testing.T) {
	t.Parallel()
	const secret = "tr0ub4dor-and-three"
	box := newMailbox(t)
	box.open()
	w := newWorld(t, box.args()...)
	a := w.app(t, "anna", "vault")
	w.command(t, "anna", "create", "vault").exits(0)
	w.input(t, "anna", secret+"\n", "build-secrets", "set", "vault", "TOKEN").exits(0).says("the next build").hides(secret)
	dockerfile := func(step string) {
		writeFile(t, filepath.Join(a.dir, "Dockerfile"), "FROM scratch\nCOPY vict /vict\n"+
			"RUN --mount=type=secret,id=TOKEN,required "+step+"\nENTRYPOINT [\"/vict\", \"-version\", \"one\"]\n", 0o644)
		a.git("commit", "-q", "-a", "-m", step).exits(0)
	}
	a.commit(vict{version: "one"})
	fresh := rand.Text() // or the step comes from the cache
	dockerfile(`["/vict", "-cat", "/run/secrets/TOKEN", "-version", "` + fresh + `"]`)
	a.push().exits(0).says("/run/secrets/TOKEN is [redacted]").hides(secret)
	a.answers("/env?k=TOKEN", "")
	w.command(t, "anna", "logs", "vault", "--deployment", "1").exits(0).says("is [redacted]").hides(secret)
	w.command(t, "anna", "build-secrets", "list", "vault").exits(0).says("TOKEN").hides(secret)
	w.command(t, "anna", "config", "list", "vault", "--show").exits(0).hides(secret)

	dockerfile(`["/vict", "-fail", "-exit", "3", "-cat", "/run/secrets/TOKEN"]`)
	a.push().exits(1).says("is [redacted]").hides(secret)
	m := box.next()
	if !strings.Contains(m.text, "is [redacted]") || strings.Contains(m.raw, secret) {
		t.Errorf("the mail says:\n%s", m.text)
	}
	a.nowhere(secret)
}

// pages gives pages of the console as the user sees them, by path.
func (w *world) pages(t *testing.T, user string, paths ...string) map[string]string {
	t.Helper()
	link := regexp.MustCompile(`http://\S+`).FindString(w.command(t, user, "login").exits(0).out)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, w.console)
		},
	}}
	fetch := func(url string) string {
		resp, err := client.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	base, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.PostForm(base.Scheme+"://"+base.Host+"/login", base.Query())
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	out := map[string]string{}
	for _, path := range paths {
		out[path] = fetch(base.Scheme + "://" + base.Host + path)
	}
	return out
}

// filesWith lists the files below dir that contain the text.
func filesWith(t *testing.T, dir, text string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if err == nil && bytes.Contains(b, []byte(text)) {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// images gives everything that the Engine has of the app's images.
func (a *app) images() (all []string) {
	a.t.Helper()
	ctx := a.t.Context()
	list, err := engine.ImageList(ctx, image.ListOptions{Filters: filters.NewArgs(filters.Arg("label", "teal.namespace="+a.w.namespace()), filters.Arg("label", "teal.app="+a.name))})
	if err != nil || len(list) == 0 {
		a.t.Fatalf("%d images, %v", len(list), err)
	}
	for _, i := range list {
		stream, err := engine.ImageSave(ctx, []string{i.ID})
		if err != nil {
			a.t.Fatal(err)
		}
		b, err := io.ReadAll(stream)
		_ = stream.Close()
		if err != nil {
			a.t.Fatal(err)
		}
		all = append(all, string(b))
	}
	return all
}
