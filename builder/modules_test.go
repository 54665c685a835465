package builder

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/docker/docker/client"

	"teal/deploy"
)

// The build fetches a module through the Go module proxy: with the certificate
// authorities of teal/go, since a company's proxy may open HTTPS on the way.
func TestGoAppWithADependencyIsBuilt(t *testing.T) {
	t.Parallel()
	sums, err := os.ReadFile("../go.sum")
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t)
	_, log := b.build(request(files(
		"go.mod", "module app\n\ngo 1.23\n\nrequire github.com/coder/websocket v1.8.15\n",
		"go.sum", string(sums),
		"cmd/web/main.go", "package main\n\nimport \"github.com/coder/websocket\"\n\nfunc main() { println(websocket.MessageText) }\n",
	)))
	contains(t, log, "main package ./cmd/web", "RUN go mod download")
}

func TestToolchainOfTheProxyIsCheckedAndUnpacked(t *testing.T) {
	t.Parallel()
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	var sums []string
	for _, f := range []struct{ name, text string }{
		{"bin/go", "go"},
		{"pkg/tool/linux_amd64/compile", "compile"},
		{"src/errors/errors.go", "package errors"},
		{"src/errors/errors_test.go", "package errors"},
		{"src/x/testdata/y", "y"},
		{"test/x.go", "x"},
	} {
		name := toolchainModule() + "/" + f.name
		out, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(out, f.text)
		sums = append(sums, fmt.Sprintf("%x  %s\n", sha256.Sum256([]byte(f.text)), name))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	hash := sha256.Sum256([]byte(strings.Join(sums, "")))
	sum := "h1:" + base64.StdEncoding.EncodeToString(hash[:])
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = w.Write(archive.Bytes()) }))
	defer proxy.Close()

	if _, _, err := fetchToolchain(t.Context(), proxy.URL, "h1:other"); err == nil || !strings.Contains(err.Error(), "checksum") {
		t.Errorf("a wrong archive was taken: %v", err)
	}
	file, size, err := fetchToolchain(t.Context(), proxy.URL, sum)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var unpacked bytes.Buffer
	if err := writeGoZip(&unpacked, file, size); err != nil {
		t.Fatal(err)
	}
	modes := map[string]int64{}
	for in := tar.NewReader(&unpacked); ; {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		modes[header.Name] = header.Mode
	}
	if modes["usr/local/go/bin/go"] != 0o755 || modes["usr/local/go/pkg/tool/linux_amd64/compile"] != 0o755 || modes["usr/local/go/src/errors/errors.go"] != 0o644 {
		t.Errorf("modes are %v", modes)
	}
	for name := range modes {
		if strings.Contains(name, "_test.go") || strings.Contains(name, "testdata") || strings.Contains(name, "go/test/") {
			t.Errorf("%s is of no use in a build", name)
		}
	}
}

func TestDpkgListNamesWhatIsInstalled(t *testing.T) {
	got := dpkgList([]byte("Package: b\nStatus: install ok installed\nArchitecture: all\nVersion: 2\nDescription: x\n y\n\n" +
		"Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n\nPackage: a\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1:1\n"))
	if got != "a amd64 1:1\nb all 2\n" {
		t.Errorf("got %q", got)
	}
}

// A connection to the Engine that breaks in the middle of a build is no fault of
// the app.
func TestEngineThatGoesAwayDuringABuildIsSaidSo(t *testing.T) {
	t.Parallel()
	socket, _ := strings.CutPrefix(testEngine(t).DaemonHost(), "unix://")
	between := newCut(t, socket)
	engine, err := client.NewClientWithOpts(client.WithHost("unix://"+between.path), client.WithAPIVersionNegotiation())
	if err != nil {
		t.Fatal(err)
	}
	b := newBench(t)
	b.config.Engine, b.stack.engine = engine, engine
	var log lockedBuffer
	ended := make(chan error, 1)
	go func() {
		_, err := b.Build(t.Context(), request(withTool(nil, fmt.Sprintf(`RUN ["/tool", "sleep", %q]`, b.ns))), &log)
		ended <- err
	}()
	eventually(t, time.Minute, "the step to run", func() error {
		if !strings.Contains(log.String(), "| sleeping") {
			return errors.New(log.String())
		}
		return nil
	})
	between.cut()
	select {
	case err := <-ended:
		if !errors.Is(err, deploy.ErrEngineAway) {
			t.Errorf("error is %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("Build did not return")
	}
}

// cut stands between client and Engine until it is cut.
type cut struct {
	path     string
	listener net.Listener
	mu       sync.Mutex
	conns    []net.Conn
}

func newCut(t *testing.T, engine string) *cut {
	t.Helper()
	c := &cut{path: filepath.Join(t.TempDir(), "engine.sock")}
	listener, err := net.Listen("unix", c.path)
	if err != nil {
		t.Fatal(err)
	}
	c.listener = listener
	t.Cleanup(c.cut)
	go func() {
		for {
			near, err := listener.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("unix", engine)
			if err != nil {
				_ = near.Close()
				continue
			}
			c.mu.Lock()
			c.conns = append(c.conns, near, far)
			c.mu.Unlock()
			go func() { _, _ = io.Copy(far, near) }()
			go func() { _, _ = io.Copy(near, far) }()
		}
	}()
	return c
}

func (c *cut) cut() {
	_ = c.listener.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, conn := range c.conns {
		_ = conn.Close()
	}
}
