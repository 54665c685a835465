package builder

import (
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
