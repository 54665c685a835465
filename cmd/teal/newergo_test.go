package main

import (
	"archive/tar"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"teal/deploy"
)

// olderGo is older than any Go that Teal itself can be built with.
const olderGo = "1.25.5"

// oldGo is teal/go with that toolchain. It stays from run to run.
const oldGo = "teal-e2e/go:" + olderGo

// goApp has no Dockerfile, and answers what the load asks.
var goApp = map[string]string{
	"go.mod": "module gopher\n\ngo 1.23\n",
	"main.go": `package main

import (
	"io"
	"net/http"
	"os"
)

func main() {
	http.HandleFunc("/version", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "1") })
	http.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		io.WriteString(w, "1\n"+string(body))
	})
	panic(http.ListenAndServe(":"+os.Getenv("PORT"), nil))
}
`,
	"teal.toml": "[probe]\npath = \"/version\"\ninterval = \"50ms\"\n[patch]\ntell = true\n",
}

// goTurn is held while teal/go is an older one, and while another test builds
// with it: BuildKit looks once what a name means for builds that overlap.
var goTurn sync.Mutex

// TestScheduledRunBuildsAnAppOnScratchAnewWhenGoIsNewer: its program holds the
// standard library of the Go it was made with, and nothing else that could be
// patched. It is live under load, and no request fails. With the same Go nothing
// happens.
func TestScheduledRunBuildsAnAppOnScratchAnewWhenGoIsNewer(t *testing.T) {
	t.Parallel()
	goTurn.Lock()
	done := sync.OnceFunc(goTurn.Unlock)
	t.Cleanup(done)
	box := newMailbox(t)
	box.open()
	w := newWorld(t, append(box.args(), "--patch-jitter", "0s")...)
	a := w.app(t, "anna", "gopher")
	for name, text := range goApp {
		writeFile(t, filepath.Join(a.dir, name), text, 0o644)
	}
	a.git("add", "-A").exits(0)
	a.git("commit", "-q", "-m", "Version 1").exits(0)
	newer := useOldGo(w)
	a.push().exits(0).says("go.mod found, and no Dockerfile", "FROM scratch", "is live on")
	if got := a.packageVersion("stdlib"); got != olderGo {
		t.Errorf("the program was built with Go %s, want %s", got, olderGo)
	}
	newer()
	l, began := startLoad(a, 10), time.Now()
	w.command(t, "anna", "schedule", "gopher", "*", "*", "*", "*", "*").exits(0)
	var patched deploy.Deployment
	inTime(t, 15*time.Minute, "the app was patched", func() bool {
		patched = a.lastStored()
		return patched.Release == 2 && (patched.State == deploy.Live || patched.State.Ended())
	})
	done()
	t.Logf("after %s: %s", time.Since(began).Round(time.Second), patched.Note)
	if patched.State != deploy.Live || len(patched.Changes) != 1 || patched.Changes[0].Name != "stdlib" || patched.Changes[0].Old != olderGo ||
		patched.Changes[0].New == olderGo || patched.Note != "patched: "+patched.Changes[0].String() {
		t.Errorf("the patch is recorded as %+v", patched)
	}
	w.command(t, "anna", "logs", "gopher", "--deployment", fmt.Sprint(patched.ID)).exits(0).says("newer: teal/go", "Built anew on teal/go: stdlib "+olderGo+" → ")
	if s := a.standing(); s.Live != 2 || s.Previous != 1 {
		t.Errorf("after the patch the app has %+v", s)
	}
	a.shows(patched, box.next())

	serving := a.instances()
	w.command(t, "anna", "patch", "gopher", "--now").exits(0).says("gopher is up to date: no updates")
	if now := a.instances(); now != serving {
		t.Errorf("a run without a newer Go restarted the app: %s became %s", serving, now)
	}
	l.stopUnharmed()
	box.empty()
}

// useOldGo has teal/go be the older one until newer is called.
func useOldGo(w *world) (newer func()) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Minute)
	defer cancel()
	w.run(w.bin, "stack", "build", "go").exits(0) // no work when it is there
	if _, err := engine.ImageInspect(ctx, oldGo); err != nil {
		makeOldGo(ctx, w.t)
	}
	return standIn(ctx, w.t, "teal/go", oldGo)
}

// makeOldGo lays the older toolchain, which is a Go module, over teal/go.
func makeOldGo(ctx context.Context, t *testing.T) {
	t.Helper()
	began := time.Now()
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", "golang.org/toolchain@v0.0.1-go"+olderGo+".linux-"+runtime.GOARCH)
	cmd.Dir = t.TempDir() // no go.mod of this module there
	out, err := cmd.Output()
	var module struct{ Dir string }
	if err == nil {
		err = json.Unmarshal(out, &module)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	tree, w := io.Pipe()
	go func() { _ = w.CloseWithError(writeOldGo(w, module.Dir)) }()
	defer tree.Close()
	buildOld(ctx, t, oldGo, tree)
	t.Logf("teal/go with Go %s: made in %s", olderGo, time.Since(began).Round(time.Second))
}

// writeOldGo writes the Dockerfile and what of the toolchain a build reads.
func writeOldGo(to io.Writer, dir string) error {
	w := tar.NewWriter(to)
	text := strings.Join([]string{
		"FROM teal/go", "COPY go /usr/local/older", "ENV PATH=/usr/local/older/bin:/usr/bin:/bin",
		`LABEL teal.stack=go teal.packages=old teal.source="an older Go"`, `RUN ["go", "build", "net/http"]`,
	}, "\n")
	err := w.WriteHeader(&tar.Header{Name: "Dockerfile", Mode: 0o644, Size: int64(len(text)), Typeflag: tar.TypeReg})
	if err == nil {
		_, err = io.WriteString(w, text)
	}
	if err == nil {
		err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			switch name := strings.TrimPrefix(path, dir+"/"); {
			case err != nil || e.IsDir() && e.Name() != "testdata":
				return err
			case e.IsDir():
				return fs.SkipDir
			case !e.Type().IsRegular() || strings.HasSuffix(name, "_test.go"):
				return nil
			default:
				return copyInto(w, path, "go/"+name)
			}
		})
	}
	return errors.Join(err, w.Close())
}

// copyInto writes a file that may be run: the module's archive does not say which may.
func copyInto(w *tar.Writer, path, name string) error {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err == nil {
		err = w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: info.Size(), Typeflag: tar.TypeReg})
	}
	if err == nil {
		_, err = io.Copy(w, in)
	}
	return err
}
