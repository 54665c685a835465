package builder

import (
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/image"
)

// guarded puts a login before a registry.
func guarded(t *testing.T, r *registry, user, password string) string {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if u, p, _ := req.BasicAuth(); u != user || p != password {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}`)
			return
		}
		r.ServeHTTP(w, req)
	}))
	t.Cleanup(server.Close)
	r.host = strings.TrimPrefix(server.URL, "http://")
	return r.host
}

func dockerConfig(t *testing.T, host, user, password string) string {
	path := filepath.Join(t.TempDir(), "config.json")
	text := fmt.Sprintf(`{"auths": {%q: {"auth": %q}}, "credsStore": "desktop"}`, host, base64.StdEncoding.EncodeToString([]byte(user+":"+password)))
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestPrivateBaseIsFetchedWithTheCredentialsAndNotWithout(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	host := guarded(t, r, "teal", "correct horse")
	config := dockerConfig(t, host, "teal", "correct horse")
	b := newBench(t, func(c *Config) { c.RegistryConfig = config })
	base := r.push("private", b.ns)
	dockerfile := "FROM " + base + "\nCOPY a /a\n"

	stranger := newBench(t)
	f, _ := stranger.refused(request(files("Dockerfile", dockerfile, "a", "1")))
	contains(t, f.Reason, "the base image "+base+":latest cannot be fetched")

	_, log := b.build(request(files("Dockerfile", dockerfile, "a", "1")))
	contains(t, log, "base image "+base+": pulled")
	if strings.Contains(log, "correct horse") {
		t.Errorf("the password is in the log:\n%s", log)
	}
}

func TestBuildKitIsGivenTheCredentialsForWhatItFetchesItself(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	host := guarded(t, r, "teal", "correct horse")
	config := dockerConfig(t, "http://"+host+"/v1/", "teal", "correct horse")
	b := newBench(t, func(c *Config) { c.RegistryConfig = config })
	base := r.push("private", b.ns)
	// A name that stays unknown until the build itself is not fetched before it.
	dockerfile := "ARG NAME\nFROM scratch AS x\nFROM ${NAME:+" + base + "}\nCOPY a /a\n"
	req := request(files("Dockerfile", dockerfile, "a", "1", "teal.toml", "[build]\nargs = { NAME = \"yes\" }\n"))
	_, log := b.build(req)
	if strings.Contains(log, ": pulled") {
		t.Fatalf("the base was fetched before the build, so this shows nothing:\n%s", log)
	}
}

func TestImagesOfDockerHubComeFromTheMirror(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	b := newBench(t, func(c *Config) { c.Mirror = r.host })
	name := "teal-test-" + b.ns
	r.push("library/"+name, b.ns)
	t.Cleanup(func() {
		_, _ = testEngine(t).ImageRemove(t.Context(), name, image.RemoveOptions{Force: true})
	})
	_, log := b.build(request(files("Dockerfile", "FROM "+name+"\nCOPY a /a\n", "a", "1")))
	contains(t, log, "base image "+name+": pulled")
}

func TestWrongDockerConfigurationSaysWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string]string{
		"{": "is not a Docker configuration file",
		`{"auths": {"r.example": {"auth": "x"}}}`: "the entry for r.example has no user and password",
	} {
		path := filepath.Join(dir, "config.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readLogins(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error is %v, want %q", text, err, want)
		}
	}
	if _, err := readLogins(filepath.Join(dir, "none")); err == nil {
		t.Error("a missing file is no error")
	}
	for host, want := range map[string]string{
		"https://index.docker.io/v1/": "docker.io", "registry-1.docker.io": "docker.io", "https://r.example/v2/": "r.example", "r.example:5000": "r.example:5000",
	} {
		if got := plainRegistry(host); got != want {
			t.Errorf("%s: %s, want %s", host, got, want)
		}
	}
}

func TestBuildSecretIsInNoLayerNoHistoryAndNoLog(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	const secret = "correct-horse-battery-staple"
	req := request(withTool(nil,
		`RUN --mount=type=secret,id=TOKEN ["/tool", "write", "/used", "yes"]`,
		`RUN --mount=type=secret,id=TOKEN,required ["/tool", "list", "/run/secrets", "`+b.ns+`"]`)) // a name of its own: never cached
	req.Secrets = map[string]string{"TOKEN": secret}
	built, log := b.build(req)
	contains(t, log, "found TOKEN")
	if strings.Contains(log, secret) {
		t.Error("the secret is in the log")
	}
	history, err := b.engine.ImageHistory(t.Context(), built.Image)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(fmt.Sprint(history), secret) {
		t.Error("the secret is in the history")
	}
	if strings.Contains(saved(t, b, built.Image), secret) {
		t.Error("the secret is in a layer")
	}
	req.Secrets = nil
	f, _ := b.refused(request(withTool(nil, `RUN --mount=type=secret,id=OTHER,required ["/tool", "say", "x"]`)))
	contains(t, f.Reason, "the build wants the secret OTHER")
	contains(t, f.Hint, "build-secrets set")
}

// saved gives all layers of an image, as they are stored.
func saved(t *testing.T, b *bench, id string) string {
	t.Helper()
	stream, err := b.engine.ImageSave(t.Context(), []string{id})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	text, err := io.ReadAll(stream)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
