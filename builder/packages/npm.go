package packages

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"strings"

	"teal/deploy"
)

const (
	maxModules  = 384 << 20 // of the stream that is read through
	maxPackages = 20_000
)

// moduleLists are the notes that package managers leave inside node_modules: they
// say what lies there, and not what package.json would like.
var moduleLists = []struct {
	file string
	read func(text []byte) ([]deploy.Package, error)
}{
	{".package-lock.json", npmLock},
	{".pnpm/lock.yaml", pnpmLock},
	{".yarn-state.yml", yarnState},
}

// npm lists what lies in the node_modules of the app.
func (b *box) npm(ctx context.Context) (all []deploy.Package, err error) {
	for _, home := range b.homes(ctx) {
		found, e := b.nodeModules(ctx, home+"/node_modules")
		if errors.Is(e, fs.ErrNotExist) {
			e = b.plugAndPlay(ctx, home)
		}
		all, err = append(all, found...), errors.Join(err, e)
	}
	return all, err
}

// nodeModules reads the list of the package manager; of yarn 1, bun, and where the
// list was not copied into the image, the packages themselves.
func (b *box) nodeModules(ctx context.Context, dir string) ([]deploy.Package, error) {
	if !b.exists(ctx, dir) {
		return nil, fs.ErrNotExist
	}
	for _, list := range moduleLists {
		text, err := b.read(ctx, dir+"/"+list.file, maxLockFile)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return list.read(text)
	}
	var all []deploy.Package
	err := b.walk(ctx, dir, maxModules, func(name string, in io.Reader) error {
		inside, ok := moduleName(name)
		if !ok {
			return nil
		}
		if len(all) == maxPackages {
			return fmt.Errorf("%s has more than the %d packages that are listed", dir, maxPackages)
		}
		if p, ok := packageJSON(inside, io.LimitReader(in, maxMetadata)); ok {
			all = append(all, p)
		}
		return nil
	})
	return all, err
}

// moduleName tells which package a file below node_modules is the package.json of:
// "@x/y" of "a/node_modules/@x/y/package.json".
func moduleName(file string) (string, bool) {
	dir, base := path.Split("node_modules/" + file)
	if base != "package.json" {
		return "", false
	}
	_, name, _ := cutLast(strings.TrimSuffix(dir, "/"), "node_modules/")
	scope, rest, scoped := strings.Cut(name, "/")
	switch {
	case name == "" || name[0] == '.', scoped && (scope[0] != '@' || strings.Contains(rest, "/")):
		return "", false
	}
	return name, true
}

// cutLast cuts around the last of a separator.
func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}

func packageJSON(name string, in io.Reader) (deploy.Package, bool) {
	var says struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	}
	if json.NewDecoder(in).Decode(&says) != nil || says.Version == "" {
		return deploy.Package{}, false
	}
	if says.Name != "" { // installed under another name than its own
		name = says.Name
	}
	return deploy.Package{Kind: deploy.PackageNPM, Name: name, Version: says.Version}, true
}

// plugAndPlay says of an app of yarn's without node_modules that it can't be told.
func (b *box) plugAndPlay(ctx context.Context, home string) error {
	for _, file := range []string{".pnp.cjs", ".pnp.js"} {
		if b.exists(ctx, home+"/"+file) {
			return fmt.Errorf("which npm packages %s has: yarn's Plug'n'Play keeps them in archives, which are not looked into", home)
		}
	}
	return nil
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
		_, name, ok := cutLast(where, "node_modules/")
		if !ok || p.Link || p.Version == "" {
			continue
		}
		if p.Name != "" { // installed under another name than its own
			name = p.Name
		}
		all = append(all, deploy.Package{Kind: deploy.PackageNPM, Name: name, Version: p.Version})
	}
	return all, nil
}

// pnpmKey matches the keys below "packages" in pnpm's lock files of all versions:
// "/express/4.19.2_peer@1.0.0:" (5), "/express@4.19.2(peer@1.0.0):" (6),
// "'@x/y@2.0.0':" (9).
var pnpmKey = regexp.MustCompile(`^  (?:\? )?['"]?/?((?:@[^/@\s]+/)?[^/@'":\s]+)[/@](\d[^_('":\s]*)`)

// pnpmLock reads the lock file that pnpm keeps in node_modules: YAML, of which the
// keys below one word are all that counts.
func pnpmLock(text []byte) ([]deploy.Package, error) {
	var all []deploy.Package
	sections := 0
	inside := false
	for line := range strings.Lines(string(text)) {
		if line[0] >= 'a' && line[0] <= 'z' {
			sections++
			inside = strings.HasPrefix(line, "packages:")
		}
		if m := pnpmKey.FindStringSubmatch(line); inside && m != nil {
			all = append(all, deploy.Package{Kind: deploy.PackageNPM, Name: m[1], Version: m[2]})
		}
	}
	if sections == 0 {
		return nil, errors.New("pnpm's lock file makes no sense")
	}
	return all, nil
}

// yarnLocator matches what yarn 2 and later call a package: "@x/y@npm:2.0.0",
// also with a patch, and once for each set of peers.
var yarnLocator = regexp.MustCompile(`^"?((?:@[^/@]+/)?[^/@"]+)@(?:virtual:[0-9a-f]+#)?(?:npm:|patch:[^#]*npm%3A)(\d[0-9A-Za-z.+-]*)`)

// yarnState reads what yarn 2 and later note of a node_modules that they made.
func yarnState(text []byte) ([]deploy.Package, error) {
	if !strings.Contains(string(text), "__metadata:") {
		return nil, errors.New("yarn's state of node_modules makes no sense")
	}
	var all []deploy.Package
	for line := range strings.Lines(string(text)) {
		if m := yarnLocator.FindStringSubmatch(line); m != nil {
			all = append(all, deploy.Package{Kind: deploy.PackageNPM, Name: m[1], Version: m[2]})
		}
	}
	return all, nil
}
