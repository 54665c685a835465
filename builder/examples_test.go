package builder

import (
	"io/fs"
	"os"
	"strings"
	"testing"
	"testing/fstest"
)

func TestEachExampleIsBuiltAndAnswers(t *testing.T) {
	for _, c := range []struct {
		name, what, path, says string
		status                 int
	}{
		{"hello-go", "Go 1.24: go.mod found", "/version", "v1\n", 200},
		{"hello-static", "static site: files in public", "/", "A static site", 200},
		{"hello-docker", "Dockerfile", "/", "hello from a Dockerfile", 200},
		{"broken", "Go 1.24: go.mod found", "/", "cannot read the price list", 500},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			done := timed(t, "first build")
			built, log := b.build(request(dirSource("../examples/" + c.name)))
			done()
			if built.What != c.what {
				t.Errorf("what is %q, not %q", built.What, c.what)
			}
			status, body := get(t, b.start(built.Image)+c.path)
			if status != c.status || !strings.Contains(body, c.says) {
				t.Errorf("%s answered %d %q\n%s", c.path, status, body, log)
			}
			done = timed(t, "the same again")
			again, log := b.build(request(dirSource("../examples/" + c.name)))
			done()
			if again.Image != built.Image {
				t.Errorf("the same commit made %s and then %s\n%s", built.Image, again.Image, log)
			}
		})
	}
}

func TestOneChangedLineIsBuiltFromTheCache(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	tree := fstest.MapFS{}
	for _, name := range []string{"go.mod", "main.go", "page.html"} {
		data, err := fs.ReadFile(os.DirFS("../examples/hello-go"), name)
		if err != nil {
			t.Fatal(err)
		}
		tree[name] = &fstest.MapFile{Data: data, Mode: 0o644}
	}
	first, _ := b.build(request(fsSource{fs: tree}))
	tree["main.go"] = &fstest.MapFile{Data: []byte(strings.Replace(string(tree["main.go"].Data), `"v1"`, `"v2"`, 1)), Mode: 0o644}
	done := timed(t, "one line changed")
	second, _ := b.build(request(fsSource{fs: tree}))
	done()
	if first.Image == second.Image {
		t.Error("a changed line made the same image")
	}
	if _, body := get(t, b.start(second.Image)+"/version"); body != "v2\n" {
		t.Errorf("the new image says %q", body)
	}
}
