package packages

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/textproto"
	"path"
	"slices"
	"strings"

	"teal/deploy"
)

const (
	maxLockFile     = 32 << 20
	maxSitePackages = 96 << 20 // of the stream that is read through
	maxMetadata     = 1 << 20
)

// homes are the directories where an app's own packages may lie.
func (b *box) homes() []string {
	all := []string{"/app", "/usr/src/app", "/srv"}
	if dir := path.Clean("/" + b.config.WorkingDir); dir != "/" && !slices.Contains(all, dir) {
		all = append([]string{dir}, all...)
	}
	return all
}

// npm reads the lock file that npm keeps inside node_modules: it says what lies
// there, and not what package.json would like.
func (b *box) npm(ctx context.Context) ([]deploy.Package, error) {
	for _, dir := range b.homes() {
		text, err := b.read(ctx, dir+"/node_modules/.package-lock.json", maxLockFile)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return npmLock(text)
	}
	return nil, nil
}

// npmLock reads a lock file of version 2 or 3.
func npmLock(text []byte) ([]deploy.Package, error) {
	var lock struct {
		Packages map[string]struct {
			Name    string `json:"name"`
			Version string `json:"version"`
			Link    bool   `json:"link"`
		} `json:"packages"`
	}
	if err := json.Unmarshal(text, &lock); err != nil {
		return nil, fmt.Errorf("npm's lock file makes no sense: %w", err)
	}
	var all []deploy.Package
	for where, p := range lock.Packages {
		i := strings.LastIndex(where, "node_modules/")
		if i < 0 || p.Link || p.Version == "" {
			continue
		}
		name := where[i+len("node_modules/"):]
		if p.Name != "" { // installed under another name than its own
			name = p.Name
		}
		all = append(all, deploy.Package{Kind: deploy.PackageNPM, Name: name, Version: p.Version})
	}
	return all, nil
}

// python lists what pip installed: the METADATA of each *.dist-info. Those that
// came with Debian's packages are in dpkg's list.
func (b *box) python(ctx context.Context) ([]deploy.Package, error) {
	roots := []string{"/usr/local/lib"}
	for _, dir := range b.homes() {
		roots = append(roots, dir+"/.venv/lib", dir+"/venv/lib")
	}
	roots = append(roots, "/opt/venv/lib")
	var all []deploy.Package
	for _, root := range roots {
		if !b.hasPython(ctx, root) {
			continue
		}
		err := b.walk(ctx, root, maxSitePackages, func(name string, in io.Reader) error {
			if path.Base(name) == "METADATA" && strings.HasSuffix(path.Dir(name), ".dist-info") {
				if p, ok := distInfo(io.LimitReader(in, maxMetadata)); ok {
					all = append(all, p)
				}
			}
			return nil
		})
		if err != nil {
			return all, err
		}
	}
	return all, nil
}

// hasPython looks for site-packages below a directory, by the names that Python
// gives it: there is no call that lists a directory.
func (b *box) hasPython(ctx context.Context, root string) bool {
	if _, err := b.engine.ContainerStatPath(ctx, b.id, root); err != nil {
		return false
	}
	for minor := 8; minor <= 16; minor++ {
		if _, err := b.engine.ContainerStatPath(ctx, b.id, fmt.Sprintf("%s/python3.%d/site-packages", root, minor)); err == nil {
			return true
		}
	}
	return false
}

// distInfo reads name and version from the head of a METADATA file, which has
// the form of a mail (PEP 566).
func distInfo(in io.Reader) (deploy.Package, bool) {
	text, err := io.ReadAll(in)
	if err != nil {
		return deploy.Package{}, false
	}
	header, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(text))).ReadMIMEHeader()
	if err != nil && !errors.Is(err, io.EOF) {
		return deploy.Package{}, false
	}
	p := deploy.Package{Kind: deploy.PackagePyPI, Name: strings.ToLower(header.Get("Name")), Version: header.Get("Version")}
	return p, p.Name != "" && p.Version != ""
}
