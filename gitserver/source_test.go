package gitserver

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"teal/deploy"
)

// oddTree makes a repository with all that a tree can hold, pushes it, and
// returns it with its files: path → kind and contents.
func oddTree(t *testing.T) (*world, *clone, map[string]string) {
	t.Helper()
	w := newWorld(t)
	w.addApp("shop")
	c := w.newClone("anna", "shop")
	want := map[string]string{
		"Dockerfile":                       "-rw-r--r-- FROM scratch\n",
		".gitattributes":                   "-rw-r--r-- tests export-ignore\nversion.txt export-subst ident\n*.bat eol=crlf\n",
		"tests/a_test":                     "-rw-r--r-- not left out\n",
		"version.txt":                      "-rw-r--r-- $Format:%H$ $Id$\n",
		"run.bat":                          "-rw-r--r-- one\ntwo\n",
		"bin/run":                          "-rwxr-xr-x #!/bin/sh\n",
		"tab\tand\nnewline":                "-rw-r--r-- x",
		"grüße/日本":                         "-rw-r--r-- y",
		"latin-\xe9":                       "-rw-r--r-- z",
		"-dash":                            "-rw-r--r-- dash",
		" blank ":                          "-rw-r--r-- blank",
		`back\slash"quote'$(id)`:           "-rw-r--r-- q",
		"empty":                            "-rw-r--r-- ",
		"noise":                            "-rw-r--r-- " + noise(3<<20, 7),
		strings.Repeat("d/", 100) + "deep": "-rw-r--r-- deep",
		strings.Repeat("n", 200):           "-rw-r--r-- long",
		"a-b":                              "-rw-r--r-- 1",
		"a/b":                              "-rw-r--r-- 2",
		"a.b":                              "-rw-r--r-- 3",
		"link":                             "Lrwxrwxrwx bin/run",
		"absolute":                         "Lrwxrwxrwx /etc/passwd",
		"escaping":                         "Lrwxrwxrwx ../../../etc/passwd",
		"dangling":                         "Lrwxrwxrwx " + strings.Repeat("x", 150),
	}
	for name, file := range want {
		path := filepath.Join(c.dir, name)
		mode, text, _ := strings.Cut(file, " ")
		if mode[0] == 'L' {
			if err := os.Symlink(text, path); err != nil {
				t.Fatal(err)
			}
			continue
		}
		w.write(path, text, 0o644)
		if mode[3] == 'x' {
			if err := os.Chmod(path, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	c.git("-c", "core.autocrlf=false", "add", "-A")
	c.git("update-index", "--add", "--cacheinfo", "160000,"+c.head()+",vendor/theme")
	c.git("commit", "-q", "-m", "odd")
	c.git("push", "-q", "teal", "main")
	want["vendor/theme"] = "?--------- "
	return w, c, want
}

func TestTarIsTheTreeByteForByte(t *testing.T) {
	t.Parallel()
	w, c, want := oddTree(t)
	src, err := w.repos.Source(t.Context(), "shop", c.head())
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	files, err := src.Files(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.IsSortedFunc(files, func(a, b deploy.File) int { return strings.Compare(a.Path, b.Path) }) {
		t.Error("files are not sorted")
	}
	for _, f := range files {
		mode, text, _ := strings.Cut(want[f.Path], " ")
		if f.Mode.String() != mode || f.Size != int64(len(text)) {
			t.Errorf("%q is %v with %d bytes, want %s with %d", f.Path, f.Mode, f.Size, mode, len(text))
		}
	}
	if len(files) != len(want) {
		t.Errorf("%d files, want %d", len(files), len(want))
	}

	var out bytes.Buffer
	if err := src.Tar(t.Context(), &out, nil); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for r := tar.NewReader(&out); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(r)
		name := strings.TrimSuffix(h.Name, "/")
		switch h.Typeflag {
		case tar.TypeDir:
			got[name] = "?--------- "
		case tar.TypeSymlink:
			got[name] = "Lrwxrwxrwx " + h.Linkname
		default:
			got[name] = fs.FileMode(h.Mode).String() + " " + string(text)
		}
		if h.Uid != 0 || h.Gid != 0 || h.ModTime.Unix() != w.engine.received()[0].Commit.At.Unix() {
			t.Errorf("%q is of %d:%d, %v", name, h.Uid, h.Gid, h.ModTime)
		}
	}
	for name, file := range want {
		if got[name] != file {
			t.Errorf("%q is %.80q, want %.80q", name, got[name], file)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%d entries, want %d", len(got), len(want))
	}
}

func TestTarKeepsWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	w, c, _ := oddTree(t)
	src, err := w.repos.Source(t.Context(), "shop", c.head())
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := src.Tar(t.Context(), &out, func(p string) bool { return p == "bin/run" }); err != nil {
		t.Fatal(err)
	}
	r := tar.NewReader(&out)
	if h, err := r.Next(); err != nil || h.Name != "bin/run" || h.Mode != 0o755 {
		t.Errorf("%+v, %v", h, err)
	}
	if h, err := r.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("%+v, %v", h, err)
	}
	broken := errors.New("the builder is gone")
	if err := src.Tar(t.Context(), failingWriter{broken}, nil); !errors.Is(err, broken) {
		t.Errorf("a writer that fails: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := src.Tar(ctx, io.Discard, nil); err == nil {
		t.Error("a tar was written after the end of the context")
	}
}

type failingWriter struct{ err error }

func (f failingWriter) Write([]byte) (int, error) { return 0, f.err }

func TestReadFileGivesRegularFilesWithinTheLimit(t *testing.T) {
	t.Parallel()
	w, c, _ := oddTree(t)
	src, err := w.repos.Source(t.Context(), "shop", c.head())
	if err != nil {
		t.Fatal(err)
	}
	if b, err := src.ReadFile(t.Context(), "Dockerfile", 100); err != nil || string(b) != "FROM scratch\n" {
		t.Errorf("%q, %v", b, err)
	}
	for _, name := range []string{"link", "vendor/theme", "bin", "nothing", "../Dockerfile", ""} {
		if _, err := src.ReadFile(t.Context(), name, 100); !errors.Is(err, deploy.ErrNotFound) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := src.ReadFile(t.Context(), "noise", 100); err == nil || errors.Is(err, deploy.ErrNotFound) {
		t.Errorf("a file beyond the limit: %v", err)
	}
	for _, id := range []string{strings.Repeat("ab", 20), "main", "HEAD", "--help", ""} {
		if _, err := w.repos.Source(t.Context(), "shop", id); !errors.Is(err, deploy.ErrNotFound) {
			t.Errorf("commit %q: %v", id, err)
		}
	}
	if _, err := w.repos.Source(t.Context(), "none", c.head()); !errors.Is(err, deploy.ErrNotFound) {
		t.Errorf("no app: %v", err)
	}
}

func TestTreesBeyondTheLimitsAreRefusedBeforeTheyAreRead(t *testing.T) {
	t.Parallel()
	w, c, _ := oddTree(t)
	for want, l := range map[string]Limits{
		"more than 20 files":            {Entries: 20},
		"larger than 1 MiB together":    {TreeBytes: 1 << 20},
		"is deeper than 50 directories": {Depth: 50},
	} {
		repos := NewRepos(ReposConfig{Dir: w.repos.dir, Limits: l})
		src, err := repos.Source(t.Context(), "shop", c.head())
		if err != nil {
			t.Fatal(err)
		}
		var f *deploy.Failure
		if err := src.Tar(t.Context(), io.Discard, nil); !errors.As(err, &f) || !strings.Contains(f.Reason, want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestListerKeepsLittleOfWhatGitWrites(t *testing.T) {
	t.Parallel()
	id := strings.Repeat("ab", 20)
	l := &lister{limits: Limits{}.filled(), each: func(entry) {}}
	var err error
	written := 0
	for chunk := []byte("100644 blob " + id + " 1\t" + strings.Repeat("n", 32<<10)); err == nil && written < 1<<20; written += len(chunk) {
		_, err = l.Write(chunk)
	}
	if err == nil || !strings.Contains(err.Error(), "a path of the tree is longer than 8 KiB") || cap(l.partial) > 16<<10 {
		t.Errorf("after %d bytes of one name: %v; %d bytes are kept", written, err, cap(l.partial))
	}
	l = &lister{limits: Limits{}.filled(), each: func(entry) {}}
	files := 0
	for name := strings.Repeat("n", 4000); files < 20_000; files++ {
		if _, err = fmt.Fprintf(l, "100644 blob %s 1\t%s%d\x00", id, name, files); err != nil {
			break
		}
	}
	if err == nil || err.Error() != "the paths of the tree are longer than 32 MiB together" {
		t.Errorf("after %d names of 4,000 bytes: %v", files, err)
	}
	// However it is cut up, what git writes is read as a whole.
	var names []string
	l = &lister{limits: Limits{}.filled(), each: func(e entry) { names = append(names, e.Path) }}
	for _, b := range []byte("100644 blob " + id + " 1\ta\x00040000 tree " + id + " -\td\x00100755 blob " + id + " 2\td/b\x00") {
		if _, err := l.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(names, []string{"a", "d/b"}) || l.bytes != 3 {
		t.Errorf("byte by byte: %q, %d bytes", names, l.bytes)
	}
}

func TestCheckPathRefusesWhatNoGitWouldCheckOut(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"..", "../x", "/etc/passwd", "a/../b", "a//b", "./a", "a/", ".git/config", "a/.GIT/b", strings.Repeat("x", 5000)} {
		if checkPath(name, 256) == nil {
			t.Errorf("%.40q was taken", name)
		}
	}
	for _, name := range []string{"a", "..a", "a/..b", ".gitignore", "a\\b", "é"} {
		if err := checkPath(name, 256); err != nil {
			t.Error(err)
		}
	}
}

func ExampleReceiptText() {
	d := deploy.Deployment{
		App: "shop", Release: 14, Color: deploy.Green, Replaces: 13, State: deploy.Live,
		Receipt: &deploy.Receipt{
			Replaced: 13, Requests: 1204, P99Old: 12, P99New: 11.2, Drained: 3, Sockets: 1,
			Build: 1.1, Start: 0.4, Probe: 0.1, Switch: 2.1, Drain: 0.3,
		},
	}
	for _, line := range ReceiptText(d, "https://shop.example.com") {
		fmt.Println(strings.TrimSpace(line))
	}
	// Output:
	// ✓ shop v14 is live on green, replacing v13
	// https://shop.example.com
	// build 1.1 s · start 0.4 s · probe 0.1 s · switch 2.1 ms
	// during the switch: 1204 requests, 0 failed · p99 12 ms before, 11.2 ms after
	// drained in 0.3 s: 3 in flight, 0 cut · 1 socket open
}
