package packages

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"

	"teal/deploy"
)

// shelf imports images that tests look into.
type shelf struct {
	t  *testing.T
	ns string
	Reader
}

func newShelf(t *testing.T) shelf {
	t.Helper()
	engine, err := client.NewClientWithOpts(client.FromEnv, client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	ns := "t" + strings.ToLower(rand.Text()[:10])
	t.Cleanup(func() {
		left, err := engine.ContainerList(context.Background(), container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", "teal.namespace="+ns))})
		if err != nil || len(left) > 0 {
			t.Errorf("%d containers are left: %v", len(left), err)
		}
		_ = engine.Close()
	})
	return shelf{t, ns, Reader{Engine: engine, Namespace: ns}}
}

// image imports files (links: "-> target") with changes to the configuration.
func (s shelf) image(files map[string]string, changes ...string) string {
	s.t.Helper()
	var root bytes.Buffer
	w := tar.NewWriter(&root)
	for name, text := range files {
		h := &tar.Header{Name: name, Mode: 0o755, Size: int64(len(text)), Typeflag: tar.TypeReg}
		if target, isLink := strings.CutPrefix(text, "-> "); isLink {
			h, text = &tar.Header{Name: name, Mode: 0o777, Linkname: target, Typeflag: tar.TypeSymlink}, ""
		}
		if err := w.WriteHeader(h); err != nil {
			s.t.Fatal(err)
		}
		if _, err := io.WriteString(w, text); err != nil {
			s.t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		s.t.Fatal(err)
	}
	ref := "teal-" + s.ns + "/" + strings.ToLower(rand.Text()[:8]) + ":latest"
	r, err := s.Engine.ImageImport(s.t.Context(), image.ImportSource{Source: &root, SourceName: "-"}, ref, image.ImportOptions{Changes: changes})
	if err != nil {
		s.t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, r)
	_ = r.Close()
	s.t.Cleanup(func() { _, _ = s.Engine.ImageRemove(context.Background(), ref, image.RemoveOptions{Force: true}) })
	return ref
}

func (s shelf) read(ref string) deploy.Inventory {
	s.t.Helper()
	list, err := s.Read(s.t.Context(), ref)
	if err != nil {
		s.t.Fatal(err)
	}
	return list
}

const debian = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\nVERSION_CODENAME=bookworm\n"

func TestPackagesOfAnImageAreReadWithoutRunningIt(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	ref := s.image(map[string]string{
		"etc/os-release":     "-> ../usr/lib/os-release",
		"usr/lib/os-release": debian,
		"var/lib/dpkg/status": "Package: libssl3\nStatus: install ok installed\nSource: openssl\nVersion: 3.0.15-1\nArchitecture: amd64\n\n" +
			"Package: evil\x1b[2J\nStatus: install ok installed\nVersion: 1\nArchitecture: all\n",
		"work/node_modules/.package-lock.json":                                   `{"packages":{"node_modules/express":{"version":"4.19.2"}}}`,
		"app/.venv/lib/python3.11/site-packages/Flask-3.0.dist-info/METADATA":    "Metadata-Version: 2.1\nName: Flask\nVersion: 3.0.0\n\nA text: that is none.\n",
		"app/.venv/lib/python3.11/site-packages/flask/METADATA":                  "Name: no\nVersion: no\n",
		"app/.venv/lib/python3.11/site-packages/broken-1.dist-info/METADATA":     "nothing",
		"app/.venv/lib/python3.11/site-packages/broken-1.dist-info/sub/METADATA": "Name: no\nVersion: no\n",
	}, "WORKDIR /work", "ENV NODE_VERSION=22.1.0", `CMD ["node", "x.js"]`)
	list := s.read(ref)
	want := []deploy.Package{
		{Kind: "deb", Name: "evil?[2J", Version: "1", Arch: "all"},
		{Kind: "deb", Name: "libssl3", Version: "3.0.15-1", Arch: "amd64", Source: "openssl"},
		{Kind: "generic", Name: "node", Version: "22.1.0"},
		{Kind: "npm", Name: "express", Version: "4.19.2"},
		{Kind: "pypi", Name: "flask", Version: "3.0.0"},
	}
	if !slices.Equal(list.Packages, want) {
		t.Errorf("%+v", list.Packages)
	}
	if list.System != "Debian GNU/Linux 12 (bookworm)" || list.Distro != "debian" || list.Codename != "bookworm" || len(list.Unknown) != 0 {
		t.Errorf("%+v", list)
	}
}

func TestLanguageIsListedOnceWithTheVersionThatTheImagePrinted(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	for _, c := range []struct{ note, env, deb, want string }{
		{"Node 24.1.0\n", "NODE_ENV=production", "libstdc++6 12.2.0", "node 24.1.0"},
		{"Python 3.12.11\n", "PYTHON_VERSION=3.12.10", "libssl3 3.0.15", "python 3.12.11"},
		{"Python 3.12.11\n", "A=b", "python3.11-minimal 3.11.2-6+deb12u6", "python 3.12.11"},
		{"Python 3.11.2\n", "PYTHON_VERSION=3.11.2", "python3.11-minimal 3.11.2-6+deb12u6", ""},
		{"Java 17.0.16", "A=b", "openjdk-17-jre-headless 17.0.16+8-1~deb12u1", ""},
		{"PHP 8.2.2", "A=b", "php8.2-cli 8.2.29-1~deb12u1", "php 8.2.2"},
		{"rustc 1.90.0\n", "A=b", "libgcc-s1 12.2.0", "rust 1.90.0"},
		{"bash: node: not found\nNode unknown\nCobol 1\n", "RUBY_VERSION=3.4.1", "libssl3 3.0.15", "ruby 3.4.1"},
	} {
		name, version, _ := strings.Cut(c.deb, " ")
		list := s.read(s.image(map[string]string{
			VersionFile[1:]: c.note, "etc/os-release": debian,
			"var/lib/dpkg/status": "Package: " + name + "\nStatus: install ok installed\nVersion: " + version + "\nArchitecture: amd64\n",
		}, "ENV "+c.env))
		var got []string
		for _, p := range list.Packages {
			if p.Kind == deploy.PackageRuntime {
				got = append(got, p.Name+" "+p.Version)
			}
		}
		if strings.Join(got, ", ") != c.want || len(list.Unknown) > 0 {
			t.Errorf("%+v: listed %q (%q)", c, got, list.Unknown)
		}
	}
}

func TestGoProgramOnScratchTellsItsModules(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	program, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	list := s.read(s.image(map[string]string{"app": string(program)}, `ENTRYPOINT ["/app"]`))
	// A test's program does not list its modules, but the standard library.
	want := deploy.Package{Kind: deploy.PackageGo, Name: "stdlib", Version: strings.TrimPrefix(runtime.Version(), "go")}
	if !slices.Equal(list.Packages, []deploy.Package{want}) || list.System != "" {
		t.Errorf("%+v", list)
	}
}

func TestWhatCannotBeToldIsSaid(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	for part, files := range map[string]map[string]string{
		"no package database":      {"etc/os-release": "PRETTY_NAME=Strange\nID=strange\n"},
		"rpm/Packages makes no":    {"etc/os-release": "PRETTY_NAME=Old\n", "var/lib/rpm/Packages": "x"},
		"rpm/Packages.db makes no": {"etc/os-release": "PRETTY_NAME=Other\n", "var/lib/rpm/Packages.db": strings.Repeat("x", 5000)},
		"rpmdb.sqlite makes no":    {"etc/os-release": "PRETTY_NAME=New\n", "var/lib/rpm/rpmdb.sqlite": "no database at all"},
		"/etc/os-release has 65":   {"etc/os-release": "PRETTY_NAME=Big\n" + strings.Repeat("#", 65<<10)},
		"npm's lock file makes no": {"app/node_modules/.package-lock.json": "{"},
	} {
		list := s.read(s.image(files))
		if len(list.Unknown) == 0 || !strings.Contains(strings.Join(list.Unknown, "\n"), part) {
			t.Errorf("%q is not said: %q", part, list.Unknown)
		}
	}
}

func TestFilesThatAreTooLargeAreNamed(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	huge := strings.Repeat("Package: a\nVersion: 1\nDescription: "+strings.Repeat("x", 1<<20)+"\n\n", 65)
	ref := s.image(map[string]string{"etc/os-release": debian, "var/lib/dpkg/status": huge, "app/node_modules/.package-lock.json": `{"packages":{"node_modules/a":{"version":"1"}}}`})
	list := s.read(ref)
	said := strings.Join(list.Unknown, "\n")
	if !strings.Contains(said, "/var/lib/dpkg/status has 65 MB, more than the 64 MB") || len(list.Packages) != 1 {
		t.Errorf("%+v", list)
	}
	if _, err := s.Status(t.Context(), ref); !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), "/var/lib/dpkg/status") {
		t.Errorf("error is %v", err)
	}
}

func TestAlpineDatabaseIsFoundWhereItMayLie(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	for _, dir := range []string{"lib", "usr/lib"} {
		list := s.read(s.image(map[string]string{"etc/os-release": "PRETTY_NAME=Alpine\nID=alpine\nVERSION_ID=3.20.3\n", dir + "/apk/db/installed": "P:musl\nV:1.2.5-r0\nA:x86_64\n"}))
		if len(list.Packages) != 1 || list.Edition != "3.20.3" || len(list.Unknown) != 0 {
			t.Errorf("%s: %+v", dir, list)
		}
	}
}

func TestPackagesOfDistrolessAreListedOnce(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	list := s.read(s.image(map[string]string{
		"etc/os-release": debian, "var/lib/dpkg/status.d/libc6": "Package: libc6\nVersion: 2.36-9\nArchitecture: amd64\n",
		"var/lib/dpkg/status.d/libc6.md5sums": "Package: no\nVersion: 1\n", "var/lib/dpkg/status.d/tzdata": "Package: tzdata\nVersion: 2024a-0\nArchitecture: all\n",
		"var/lib/dpkg/status": "Package: tzdata\nStatus: install ok installed\nVersion: 2024a-0\nArchitecture: all\n",
	}))
	if len(list.Packages) != 2 || list.Packages[0].Name != "libc6" || list.Packages[1].Name != "tzdata" {
		t.Errorf("%+v", list)
	}
}

func TestLinksThatLeadNowhereEndTheReading(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	list := s.read(s.image(map[string]string{
		"etc/os-release": "-> /a", "a": "-> /b", "b": "-> /a", "var/lib/dpkg/status": "-> /var/lib/dpkg/status", "app": "-> /proc/1/exe",
	}, `ENTRYPOINT ["/app"]`))
	if len(list.Packages) != 0 {
		t.Errorf("%+v", list)
	}
}

func TestImageThatIsGoneIsNotFound(t *testing.T) {
	t.Parallel()
	if _, err := newShelf(t).Read(t.Context(), "sha256:"+strings.Repeat("0", 64)); !errdefs.IsNotFound(err) {
		t.Errorf("error is %v", err)
	}
}

func TestReadingEndsWithItsContextAndLeavesNothing(t *testing.T) {
	t.Parallel()
	s := newShelf(t)
	ref := s.image(map[string]string{"etc/os-release": debian})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Read(ctx, ref); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
}
