package main

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/image"
)

// TestPatchRunShipsOnlyWhatDiffers: a base image that did not change restarts
// nothing; one that did goes live by itself, guarded as a push is; one that breaks
// the app does not, and one mail tells of it.
func TestPatchRunShipsOnlyWhatDiffers(t *testing.T) {
	t.Parallel()
	box := newMailbox(t)
	box.open()
	w := newWorld(t, box.args()...)
	base := newBase(t)
	base.is("first")
	a := w.app(t, "anna", "patched")
	id := a.deploys(vict{version: "one", base: base.name, start: "5s"})
	a.answers("/file?p=/base", "first")

	before := a.instances()
	w.command(t, "anna", "patch", "patched").exits(0).says("patched is up to date: no updates")
	if after := a.instances(); after != before {
		t.Errorf("a patch run without updates restarted the app: %s became %s", before, after)
	}
	if d := a.last(); d.Cause != "security patch" || d.State != "canceled" || !strings.Contains(d.Note, "no updates") {
		t.Errorf("the run is recorded as %+v", d)
	}

	base.is("second")
	w.command(t, "anna", "patch", "patched").exits(0).says("v2 of patched is live on green")
	a.answers("/file?p=/base", "second")
	a.refIs(id)
	if d := a.last(); d.Cause != "security patch" || d.By != "" || d.State != "live" || d.Replaces != 1 {
		t.Errorf("the patch is recorded as %+v", d)
	}
	w.command(t, "anna", "deployments", "patched").exits(0).says("security patch of " + id[:7])
	box.empty()

	base.is("broken")
	w.command(t, "anna", "patch", "patched").exits(1).says("probe answered 500", "green v2 still serves")
	a.answers("/file?p=/base", "second")
	m := box.next()
	want := fmt.Sprintf("[teal] patched: security patch of %s failed: probe answered 500 (green v2 still serves)", id[:7])
	if m.subject != want {
		t.Errorf("the subject is %q, want %q", m.subject, want)
	}
	// It fails again the next night: nobody is woken twice. A push that works is
	// after it on every channel, so that a second mail would have come by then.
	w.command(t, "anna", "patch", "patched").exits(1).says("probe answered 500")
	bad := a.commit(vict{version: "two", base: base.name, start: "5s"})
	a.push().exits(1)
	if m := box.next(); !strings.Contains(m.subject, "deploy of "+bad[:7]) {
		t.Errorf("the next mail is %q, want that of the push", m.subject)
	}
	if got := a.containers(); strings.Join(got, ", ") != "blue v1 running, green v2 running" {
		t.Errorf("the containers are %v", got)
	}
}

// instances names the containers that serve the app.
func (a *app) instances() string {
	a.t.Helper()
	var doc struct {
		Apps []struct {
			Colors []struct {
				Role      string
				Instances []struct{ ID string }
			}
		}
	}
	a.w.document(a.t, &doc, "ps", a.name, "--json")
	var ids []string
	for _, c := range doc.Apps[0].Colors {
		for _, in := range c.Instances {
			if c.Role == "serves" {
				ids = append(ids, in.ID)
			}
		}
	}
	return strings.Join(ids, " ")
}

// base is a base image that lies in the Engine: its name leads to no registry.
type base struct {
	t    *testing.T
	name string
}

func newBase(t *testing.T) base {
	t.Helper()
	b := base{t, "127.0.0.1:1/teal-e2e-" + strings.ToLower(rand.Text()[:10]) + ":latest"}
	t.Cleanup(func() {
		_, _ = engine.ImageRemove(context.Background(), b.name, image.RemoveOptions{Force: true, PruneChildren: true})
	})
	return b
}

// is makes the image anew: vict, and a file /base that says which one it is.
func (b base) is(text string) {
	b.t.Helper()
	program, err := os.ReadFile(victBin)
	if err != nil {
		b.t.Fatal(err)
	}
	b.load(tarOf(b.t, tarFile{"vict", 0o755, program}, tarFile{"base", 0o644, []byte(text)}))
}

// tarFile is a file of an archive.
type tarFile struct {
	name string
	mode int64
	text []byte
}

func tarOf(t *testing.T, files ...tarFile) io.Reader {
	t.Helper()
	var all bytes.Buffer
	w := tar.NewWriter(&all)
	for _, f := range files {
		if err := w.WriteHeader(&tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.text)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(f.text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &all
}

// load imports a root file system under the image's name.
func (b base) load(root io.Reader) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	// The image that had the name goes with it, unless an app is built on it.
	_, _ = engine.ImageRemove(ctx, b.name, image.RemoveOptions{PruneChildren: true})
	r, err := engine.ImageImport(ctx, image.ImportSource{Source: root, SourceName: "-"}, b.name, image.ImportOptions{})
	if err != nil {
		b.t.Fatal(err)
	}
	defer r.Close()
	for d := json.NewDecoder(r); ; {
		var m struct{ Error string }
		if err := d.Decode(&m); err == io.EOF {
			return
		} else if err != nil || m.Error != "" {
			b.t.Fatalf("cannot import %s: %s %v", b.name, m.Error, err)
		}
	}
}
