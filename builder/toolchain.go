package builder

import (
	"archive/tar"
	"archive/zip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// toolchain is a Go tree that can be laid into an image.
type toolchain struct {
	version string // "go1.26.8"
	source  string // for a person
	write   func(ctx context.Context, w io.Writer) error
}

// minHostGo is the oldest Go of the host that is taken: from it on GOTOOLCHAIN=auto
// is sound, so that one toolchain builds for every newer version too.
const minHostGo = 24

// findToolchain takes the host's Go when it is recent, else the pinned one of the proxy.
func (s *Stack) findToolchain(ctx context.Context) (toolchain, error) {
	host, err := hostToolchain(ctx)
	if err == nil {
		return host, nil
	}
	proxy, proxyErr := proxyToolchain(s.goProxy)
	if proxyErr != nil {
		return toolchain{}, fmt.Errorf("no Go toolchain: %w; %w", err, proxyErr)
	}
	return proxy, nil
}

// hostToolchain finds the Go that is installed beside Teal.
func hostToolchain(ctx context.Context) (toolchain, error) {
	command, err := exec.LookPath("go")
	if err != nil {
		command = "/usr/local/go/bin/go"
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, command, "env", "-json", "GOROOT", "GOVERSION")
	cmd.Dir = "/" // no go.mod asks for another version here
	out, err := cmd.Output()
	if err != nil {
		return toolchain{}, fmt.Errorf("no Go on this host: %w", err)
	}
	var env struct{ GOROOT, GOVERSION string }
	if err := json.Unmarshal(out, &env); err != nil {
		return toolchain{}, fmt.Errorf("read go env: %w", err)
	}
	if !recentGo(env.GOVERSION) {
		return toolchain{}, fmt.Errorf("the Go of this host is %s: 1.%d or newer is needed", env.GOVERSION, minHostGo)
	}
	return toolchain{
		version: env.GOVERSION,
		source:  "Go " + strings.TrimPrefix(env.GOVERSION, "go") + " of this host",
		write:   func(ctx context.Context, w io.Writer) error { return writeGoroot(ctx, w, env.GOROOT) },
	}, nil
}

func recentGo(version string) bool {
	parts := strings.Split(strings.TrimPrefix(version, "go"), ".")
	if len(parts) < 2 || parts[0] != "1" {
		return false
	}
	minor, err := strconv.Atoi(parts[1])
	return err == nil && minor >= minHostGo
}

// writeGoroot writes the tree at root as /usr/local/go of an image.
func writeGoroot(ctx context.Context, w io.Writer, root string) error {
	out := tar.NewWriter(w)
	if err := writeGoFrame(out); err != nil {
		return err
	}
	if err := copyTree(ctx, out, root, "", 0); err != nil {
		return fmt.Errorf("copy the Go toolchain at %s: %w", root, err)
	}
	return out.Close()
}

// copyTree writes a directory of the toolchain. Links are followed, because
// distributions keep parts of it elsewhere; depth bounds a loop of them.
func copyTree(ctx context.Context, out *tar.Writer, dir, rel string, depth int) error {
	if depth > 40 {
		return errors.New("links go in a circle")
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(rel, e.Name())
		if !wantedOfGo(name) {
			continue
		}
		full := filepath.Join(dir, e.Name())
		info, err := os.Stat(full)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a link to something that is not installed
		}
		switch {
		case err != nil:
			return err
		case info.IsDir():
			err = copyTree(ctx, out, full, name, depth+1)
		case info.Mode().IsRegular():
			err = copyGoFile(out, name, info.Size(), func() (io.ReadCloser, error) { return os.Open(full) })
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// wantedOfGo leaves out what no build reads: it is a third of the tree.
func wantedOfGo(name string) bool {
	top, _, _ := strings.Cut(name, "/")
	switch top {
	case "bin", "pkg", "src", "lib", "go.env", "VERSION", "LICENSE", "PATENTS":
	default:
		return false
	}
	base := path.Base(name)
	return base != "testdata" && !strings.HasSuffix(base, "_test.go") && base != ".git"
}

func copyGoFile(out *tar.Writer, name string, size int64, open func() (io.ReadCloser, error)) error {
	mode := int64(0o644)
	if strings.HasPrefix(name, "bin/") || strings.HasPrefix(name, "pkg/tool/") {
		mode = 0o755 // the proxy's archive has no executable bits
	}
	header := &tar.Header{Typeflag: tar.TypeReg, Name: "usr/local/go/" + name, Mode: mode, Size: size, ModTime: goTime}
	if err := out.WriteHeader(header); err != nil {
		return err
	}
	in, err := open()
	if err != nil {
		return err
	}
	defer in.Close()
	_, err = io.Copy(out, in)
	return err
}

// goTime is the time of every file: equal toolchains make equal layers.
var goTime = time.Unix(1_000_000_000, 0)

// writeGoFrame writes what a program may expect around the toolchain: a place
// for temporary files, and names for the two users.
func writeGoFrame(out *tar.Writer) error {
	for _, dir := range []struct {
		name string
		mode int64
	}{{"tmp/", 0o1777}, {"root/", 0o700}, {"etc/", 0o755}, {"usr/", 0o755}, {"usr/local/", 0o755}, {"usr/local/go/", 0o755}} {
		header := &tar.Header{Typeflag: tar.TypeDir, Name: dir.name, Mode: dir.mode, ModTime: goTime}
		if err := out.WriteHeader(header); err != nil {
			return err
		}
	}
	for _, f := range []namedFile{
		{"etc/passwd", []byte("root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/:/sbin/nologin\n")},
		{"etc/group", []byte("root:x:0:\nnonroot:x:65532:\n")},
	} {
		if err := writeFile(out, f.name, 0o644, f.data); err != nil {
			return err
		}
	}
	return nil
}

// proxyToolchain gives the pinned toolchain for this machine from the Go module proxy.
func proxyToolchain(proxy string) (toolchain, error) {
	sum, ok := pinnedGoSums[runtime.GOARCH]
	if !ok {
		return toolchain{}, fmt.Errorf("no Go toolchain is pinned for %s", runtime.GOARCH)
	}
	if proxy == "" {
		return toolchain{}, errors.New("no Go module proxy is set to fetch one from: install Go, or set --go-proxy")
	}
	return toolchain{
		version: "go" + pinnedGo,
		source:  "Go " + pinnedGo + " of the Go module proxy",
		write: func(ctx context.Context, w io.Writer) error {
			archive, size, err := fetchToolchain(ctx, proxy, sum)
			if err != nil {
				return fmt.Errorf("fetch Go %s: %w", pinnedGo, err)
			}
			defer archive.Close()
			return writeGoZip(w, archive, size)
		},
	}, nil
}

// writeGoZip turns a module archive into the tree of an image.
func writeGoZip(w io.Writer, archive io.ReaderAt, size int64) error {
	in, err := zip.NewReader(archive, size)
	if err != nil {
		return err
	}
	out := tar.NewWriter(w)
	if err := writeGoFrame(out); err != nil {
		return err
	}
	for _, f := range in.File {
		name := strings.TrimPrefix(f.Name, toolchainModule()+"/")
		if !fs.ValidPath(name) || !wantedOfGo(name) || strings.Contains(name, "/testdata/") {
			continue
		}
		if err := copyGoFile(out, name, int64(f.UncompressedSize64), f.Open); err != nil {
			return err
		}
	}
	return out.Close()
}
