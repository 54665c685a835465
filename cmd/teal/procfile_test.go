package main

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/docker/docker/api/types/container"
)

// procfileApp is a Go app without a Dockerfile: three programs, and a file
// beside them that says the version.
var procfileApp = map[string]string{
	"go.mod": "module shop\n\ngo 1.23\n",
	"cmd/web/main.go": `package main

import (
	"flag"
	"fmt"
	"net/http"
	"os"
)

func main() {
	addr := flag.String("addr", "", "where it listens")
	flag.Parse()
	http.HandleFunc("/version", func(w http.ResponseWriter, _ *http.Request) {
		text, err := os.ReadFile("conf/version.txt")
		if err != nil {
			http.Error(w, err.Error(), 500)
			return
		}
		fmt.Fprintf(w, "%s", text)
	})
	panic(http.ListenAndServe(*addr, nil))
}
`,
	"cmd/worker/main.go": `package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	text, _ := os.ReadFile("conf/version.txt")
	fmt.Printf("works for %s as %s\n", text, os.Args[1])
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	<-end
}
`,
	"cmd/migrate/main.go": `package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGUSR1)
	text, _ := os.ReadFile("conf/version.txt")
	fmt.Printf("migrates %s for %s\n", os.Args[1], text)
	if string(text) == "two" {
		<-end
	}
}
`,
	"Procfile":  "web: bin/web -addr :$PORT\nworker: ./worker steady\nrelease: migrate up\nseed: migrate seed\n",
	"teal.toml": "[probe]\npath = \"/version\"\ninterval = \"50ms\"\n",
}

// TestProcessesOfAProcfileChangeOverAsOne: a one-off runs when somebody asks for
// it; release runs to its end while the old
// release serves alone; the worker is there in the live release only, after a
// push as after a rollback.
func TestProcessesOfAProcfileChangeOverAsOne(t *testing.T) {
	t.Parallel()
	goTurn.Lock()
	built := sync.OnceFunc(goTurn.Unlock)
	t.Cleanup(built)
	w := newWorld(t)
	a := w.app(t, "anna", "shop")
	for name, text := range procfileApp {
		writeFile(t, filepath.Join(a.dir, name), text, 0o644)
	}
	commit := func(version string) {
		t.Helper()
		writeFile(t, filepath.Join(a.dir, "conf", "version.txt"), version, 0o644)
		a.git("add", "-A").exits(0)
		a.git("commit", "-q", "-m", "Version "+version).exits(0)
	}
	commit("one")
	a.push().exits(0).says("programs: migrate, web, worker", "FROM scratch", "release command: /app/bin/migrate up", "process worker (1): /app/bin/worker steady",
		"seed is not started: it looks like a one-off command", "migrates up for one", "is live on")
	a.serves("one")
	a.runs("web v1", "worker v1")
	w.command(t, "anna", "cron", "shop", "run", "seed").exits(0).says("migrates seed for one", "seed of v1 ran well")

	commit("two")
	p := a.startPush()
	p.sees("migrates up for two")
	a.serves("one")
	a.runs("release", "web v1", "worker v1") // nothing of v2 while the release command runs
	a.tellRelease("SIGUSR1")
	out := p.end().exits(0).says("is live on").out
	built()
	if done, start := strings.Index(out, "==> Release command done"), strings.Index(out, "==> Starting"); done < 0 || start < done {
		t.Errorf("the release command did not end before the start:\n%s", out)
	}
	a.serves("two")
	a.runs("web v1", "web v2", "worker v2") // the old web, within its grace
	eventually(t, func() string {
		out := w.command(t, "anna", "logs", "shop").exits(0).out
		return missing(strings.Contains(out, "works for two as steady"), "the worker's output is in the log:\n"+out)
	})

	w.command(t, "anna", "rollback", "shop").exits(0)
	a.serves("one")
	a.runs("web v1", "web v2", "worker v1")
}

// tellRelease sends a signal to the release command that runs.
func (a *app) tellRelease(signal string) {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), patience)
	defer cancel()
	f := labeled(a.w.namespace(), a.name)
	f.Add("label", "teal.once")
	list, err := engine.ContainerList(ctx, container.ListOptions{Filters: f})
	if err != nil || len(list) != 1 {
		a.t.Fatalf("%d release commands run, %v", len(list), err)
	}
	if err := engine.ContainerKill(ctx, list[0].ID, signal); err != nil {
		a.t.Fatal(err)
	}
}

// runs waits until exactly these processes of the app run: "worker v2", and
// "release" for a throw-away container.
func (a *app) runs(want ...string) {
	a.t.Helper()
	eventually(a.t, func() string {
		ctx, cancel := context.WithTimeout(a.t.Context(), patience)
		defer cancel()
		list, err := engine.ContainerList(ctx, container.ListOptions{Filters: labeled(a.w.namespace(), a.name)})
		if err != nil {
			return err.Error()
		}
		var got []string
		for _, c := range list {
			process := c.Labels["teal.process"]
			switch {
			case c.Labels["teal.once"] != "":
				got = append(got, "release")
				continue
			case process == "":
				process = "web"
			}
			got = append(got, process+" v"+c.Labels["teal.release"])
		}
		slices.Sort(got)
		return missing(slices.Equal(got, want), strings.Join(got, ", ")+" are "+strings.Join(want, ", "))
	})
}
