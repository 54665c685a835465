package builder

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	registryapi "github.com/docker/docker/api/types/registry"
)

// dockerHub is the name that Docker's configuration file has for the registry
// of images without a host, and hubHosts are the hosts that stand for it.
const dockerHub = "https://index.docker.io/v1/"

var hubHosts = []string{"docker.io", "index.docker.io", "registry-1.docker.io"}

// logins are the credentials for registries, by host.
type logins map[string]registryapi.AuthConfig

// readLogins reads the file that "docker login" writes ($HOME/.docker/config.json):
// auths.<host>.auth is base64 of "user:password". It is read anew for each build.
// Credential helpers are programs to be run, and are not.
func readLogins(path string) (logins, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("cannot read the registries' credentials: %w", err)
	}
	var file struct {
		Auths map[string]struct {
			Auth          string `json:"auth"`
			IdentityToken string `json:"identitytoken"`
		} `json:"auths"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		return nil, fmt.Errorf("%s is not a Docker configuration file: %w", path, err)
	}
	out := logins{}
	for host, entry := range file.Auths {
		plain, err := base64.StdEncoding.DecodeString(entry.Auth)
		user, password, ok := strings.Cut(string(plain), ":")
		if err != nil || !ok && entry.IdentityToken == "" {
			return nil, fmt.Errorf("%s: the entry for %s has no user and password", path, host)
		}
		out[plainRegistry(host)] = registryapi.AuthConfig{Username: user, Password: strings.TrimRight(password, "\x00"), IdentityToken: entry.IdentityToken}
	}
	return out, nil
}

// plainRegistry gives the host of an entry, which may be a URL.
func plainRegistry(host string) string {
	if host == dockerHub {
		return hubHosts[0]
	}
	host = strings.TrimPrefix(strings.TrimPrefix(host, "https://"), "http://")
	host, _, _ = strings.Cut(host, "/")
	for _, hub := range hubHosts {
		if host == hub {
			return hubHosts[0]
		}
	}
	return host
}

// encoded gives the credentials for an image's registry as the Engine wants
// them in a header; "" when there are none.
func (l logins) encoded(ref string) string {
	auth, ok := l[plainRegistry(registryHost(ref))]
	if !ok {
		return ""
	}
	text, err := registryapi.EncodeAuthConfig(auth)
	if err != nil {
		return ""
	}
	return text
}

// mirrored gives the name that an image of Docker Hub has on the mirror; "" for
// one of another registry, or without a mirror.
func mirrored(ref, mirror string) string {
	if mirror == "" || registryHost(ref) != hubHosts[0] {
		return ""
	}
	name := strings.TrimPrefix(ref, hubHosts[0]+"/")
	if !strings.Contains(name, "/") {
		name = "library/" + name
	}
	return mirror + "/" + name
}
