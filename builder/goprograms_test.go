package builder

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"teal/deploy"
)

// goTree is what a Go app with a Procfile is found to be.
func goTree(t *testing.T, source fsSource) (Preview, error) {
	t.Helper()
	return New(Config{Engine: testEngine(t), Namespace: "go"}).Preview(t.Context(), deploy.BuildRequest{Source: source, Defaults: deploy.DefaultSettings()})
}

func TestGoAppWithAProcfileIsBuiltForAllItsCommands(t *testing.T) {
	base := []string{
		"go.mod", "module example.org/shop/v2\n", "cmd/web/a.go", mainGo, "cmd/worker/a.go", mainGo, "tools/migrate/a.go", mainGo,
		"lib/lib.go", "package lib\n", "lib/testdata/x/a.go", mainGo, "vendor/x/a.go", mainGo, "sub/go.mod", "module sub\n", "sub/a.go", mainGo,
	}
	const all = `"./cmd/web", "./cmd/worker", "./tools/migrate"]`
	for _, c := range []struct {
		name string
		more []string
		want []string // in the text with the findings
		not  string
	}{
		{
			"flags",
			[]string{"Procfile", "web: bin/web -addr :$PORT\nworker: worker -v\nrelease: ./migrate up\n"},
			[]string{all, `CMD ["/app/bin/web", "-addr", ":8080"]`, "process worker (1): /app/bin/worker -v", "release command: /app/bin/migrate up", "FROM scratch", "ENV PATH=/app/bin "},
			"teal/base",
		},
		{
			"shell",
			[]string{"Procfile", "web: ./web -db $DATABASE_URL\n"},
			[]string{all, `CMD ["/bin/sh", "-c", "exec /app/bin/web -db $DATABASE_URL"]`, "FROM teal/base", "web of the Procfile needs a shell"},
			"FROM scratch",
		},
		{
			"assignment",
			[]string{"Procfile", "web: web\nworker: MODE=fast ./worker\n"},
			[]string{"process worker (1): env MODE=fast /app/bin/worker", "FROM teal/base", "process worker of the Procfile needs a shell"},
			"FROM scratch",
		},
		{
			"script",
			[]string{"Procfile", "web: web\nrelease: ./up.sh\n", "up.sh", "#!/bin/sh\n"},
			[]string{"release command: ./up.sh", "FROM teal/base", `"up.sh", "./"]`},
			"FROM scratch",
		},
		{
			"main says which ones",
			[]string{"Procfile", "worker: ./worker\n", "teal.toml", "[build]\nmain = \"cmd/web\"\n"},
			[]string{`"./cmd/web", "./cmd/worker"]`, `CMD ["/app/bin/web"]`},
			"migrate",
		},
		{
			"several of one name, not used",
			[]string{"Procfile", "web: web\n", "demo/worker/a.go", mainGo},
			[]string{`"./cmd/web", "./tools/migrate"]`, "would have the same name: ./cmd/worker, ./demo/worker"},
			"xx",
		},
		{
			"the root is called as its module",
			[]string{"Procfile", "web: shop\n", "main.go", mainGo},
			[]string{`CMD ["/app/bin/shop"]`, `"./cmd/worker", ".", "./tools/migrate"]`},
			"teal/base",
		},
		{
			"list in teal.toml",
			[]string{"Procfile", "web: web\n", "teal.toml", "release = \"migrate up\"\n"},
			[]string{"release command: /app/bin/migrate up", "FROM scratch"},
			"teal/base",
		},
		{"Aptfile", []string{"Procfile", "web: web\n", "Aptfile", "ffmpeg\n"}, []string{"FROM teal/base", "ffmpeg"}, "FROM scratch"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := goTree(t, files(append(append([]string{}, base...), c.more...)...))
			if err != nil {
				t.Fatal(err)
			}
			contains(t, p.Text(), c.want...)
			if strings.Contains(p.Text(), c.not) {
				t.Errorf("%q is in\n%s", c.not, p.Text())
			}
		})
	}
}

func TestCommandThatCannotRunIsRefused(t *testing.T) {
	base := []string{"go.mod", "module shop\n", "main.go", mainGo}
	for _, c := range []struct {
		name         string
		source       []string
		reason, hint string
	}{
		{"no such program", append(base, "Procfile", "mail: ./mail\n"), "process mail of the Procfile: there is no program ./mail", "programs: shop"},
		{"no such program in a shell line", append(base, "Procfile", "web: bin/web $X\n"), "web of the Procfile: there is no program bin/web", "programs: shop"},
		{"go run", append(base, "Procfile", "web: go run .\n"), "there is no go command where the app runs", "shop"},
		{"list in teal.toml", append(base, "teal.toml", "release = [\"/app\", \"up\"]\n"), "the release command of teal.toml: there is no program /app", "/app/bin/"},
		{"two of one name", append(base, "a/x/a.go", mainGo, "b/x/a.go", mainGo, "Procfile", "web: x\n"), "become the program x: ./a/x, ./b/x", `main = "./a/x"`},
		{"static site with a worker", []string{"index.html", "x", "Procfile", "worker: ./x\n"}, "process worker of the Procfile cannot run: the app is a static site", "procfile"},
		{"Staticfile with web", []string{"Staticfile", "root: .\n", "a", "", "Procfile", "web: ./x\n"}, "web of the Procfile cannot run", "procfile"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := goTree(t, files(c.source...))
			var f *deploy.Failure
			if !errors.As(err, &f) {
				t.Fatalf("error is %v", err)
			}
			contains(t, f.Reason, c.reason)
			contains(t, f.Hint, c.hint)
		})
	}
	p, err := goTree(t, files("index.html", "x", "run", "#!/bin/sh\n", "Procfile", "web: ./run\n"))
	if err != nil || p.What != "Procfile" {
		t.Errorf("a page beside a web process: %q, %v", p.What, err)
	}
}

func TestFilesBesideAGoProgramAreInTheImageAndGoIsNot(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	program := fmt.Sprintf(`package main

import (
	"flag"
	"fmt"
	"net/http"
	"os"
)

func main() {
	name := flag.String("name", "nobody", "")
	flag.Parse()
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		text, err := os.ReadFile("templates/page.txt")
		_, secret := os.Stat(".secret")
		_, source := os.Stat("main.go")
		fmt.Fprintf(w, "%%s %%s %%v %%v %%v", text, *name, err, os.IsNotExist(secret), os.IsNotExist(source))
	})
	panic(http.ListenAndServe(":"+os.Getenv("PORT"), nil)) // %s
}
`, b.ns)
	built, log := b.build(request(files("go.mod", "module shop\n\ngo 1.23\n", "main.go", program, "Procfile", "web: shop -name anna\n",
		"templates/page.txt", "a page for", ".dockerignore", ".secret\n", ".secret", "x")))
	contains(t, log, "beside the program in /app: templates", "FROM scratch")
	if _, body := get(t, b.start(built.Image)); body != "a page for anna <nil> true true" {
		t.Errorf("it answered %q\n%s", body, log)
	}
}
