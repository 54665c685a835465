package builder

import (
	"fmt"
	"testing"
)

const cgoServer = `package main

// #include <stdlib.h>
import "C"

import (
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go http.ListenAndServe(":"+os.Getenv("PORT"), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "hello from C: %d", C.abs(-7))
	}))
	<-stop
}
`

func TestGoAppWithCIsBuiltAndAnswers(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	built, log := b.build(request(files("go.mod", "module app\n\ngo 1.23\n", "main.go", cgoServer)))
	contains(t, log, "cgo: main.go imports C: built with a C compiler, runs on teal/base")
	url, _ := b.startHardened(built.Image)
	if status, body := get(t, url+"/"); status != 200 || body != "hello from C: 7" {
		t.Errorf("answered %d %q", status, body)
	}
}

func TestModulesThatCompileCAreKnown(t *testing.T) {
	for mod, c := range map[string]bool{
		"module a\n\nrequire github.com/mattn/go-sqlite3 v1.14.22\n":                    true,
		"module a\n\nrequire (\n\tgithub.com/mattn/go-sqlite3 v1.14.22\n)\n":            true,
		"module a\n\nrequire github.com/mattn/go-sqlite3 v1.14.22 // indirect\n":        false,
		"module a\n\nrequire github.com/mattn/go-isatty v0.0.20\n":                      false,
		"module a\n\nrequire github.com/confluentinc/confluent-kafka-go/v2 v2.10.0\n\n": true,
	} {
		p, err := detected(t, "", files("go.mod", mod, "main.go", mainGo))
		if err != nil {
			t.Fatal(err)
		}
		if (p.on == stackPrefix+"base") != c {
			t.Errorf("runs on %s with %s", p.on, mod)
		}
	}
}

func TestEveryGoFileOfTheModuleIsSearchedForC(t *testing.T) {
	many := func(pairs ...string) fsSource {
		for i := range 150 {
			pairs = append(pairs, fmt.Sprintf("a%03d/a.go", i), "package a\n")
		}
		return files(append(pairs, "go.mod", "module a\n\ngo 1.23\n", "main.go", mainGo)...)
	}
	const c = "package z\n\n// int x;\nimport \"C\"\n"
	for _, c := range []struct {
		name   string
		source fsSource
		c      bool
	}{
		{"after many files", many("z/z.go", c), true},
		{"in a group", many("z/z.go", "package z\n\nimport (\n\t\"fmt\"\n\n\t// int x;\n\t\"C\"\n)\n"), true},
		{"group of one", many("z/z.go", "package z\nimport (\"C\")\n"), true},
		{"only where there is cgo", many("z/z.go", "//go:build cgo && linux\n\n"+c), true},
		{"another system", many("z/z.go", "//go:build darwin\n\n"+c), false},
		{"another system by the file's name", many("z/z_windows.go", c), false},
		{"never built", many("z/z.go", "//go:build ignore\n\n"+c), false},
		{"a test", many("z/z_test.go", c), false},
		{"vendored", many("vendor/z/z.go", c), false},
		{"test data", many("testdata/z.go", c), false},
		{"another module", many("z/go.mod", "module z\n", "z/z.go", c), false},
		{"text", many("z/z.go", "package z\n\nconst x = `\nimport \"C\"\n`\n"), false},
	} {
		p, err := detected(t, "", c.source)
		if err != nil {
			t.Fatal(err)
		}
		if (p.on == stackPrefix+"base") != c.c {
			t.Errorf("%s: runs on %s", c.name, p.on)
		}
	}
}
