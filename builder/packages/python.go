package packages

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/textproto"
	"regexp"
	"strings"

	"teal/deploy"
)

const maxSitePackages = 384 << 20 // of the stream that is read through

// python lists what pip and its like installed: the metadata of each *.dist-info
// and *.egg-info.
func (b *box) python(ctx context.Context, there []deploy.Package) (all []deploy.Package, err error) {
	for _, dir := range b.sitePackages(ctx, b.speaks("python", there)) {
		found, e := b.site(ctx, dir)
		all, err = append(all, found...), errors.Join(err, e)
	}
	return all, err
}

// sitePackages are the directories for packages that are there, below the app, and
// where there is a Python in the system. Their names have the version of Python,
// and there is no call that lists a directory.
func (b *box) sitePackages(ctx context.Context, inSystem bool) (all []string) {
	var prefixes []string
	if inSystem {
		prefixes = []string{"/usr/local", "/usr", "/opt/venv", "/opt/conda", "/root/.local"}
	}
	for _, home := range b.homes(ctx) {
		prefixes = append(prefixes, home+"/.venv", home+"/venv")
	}
	if dir := b.variable("VIRTUAL_ENV"); dir != "" {
		prefixes = append(prefixes, b.within(dir))
	}
	if user, _, _ := strings.Cut(b.config.User, ":"); strings.Trim(user, "0123456789") != "" { // pip install --user
		prefixes = append(prefixes, b.within("/home/"+user+"/.local"))
	}
	for i, dir := range strings.Split(b.variable("PYTHONPATH"), ":") { // pip install --target
		if dir != "" && i < maxHomes && b.exists(ctx, b.within(dir)) {
			all = append(all, b.within(dir))
		}
	}
	seen := map[string]bool{}
	for _, prefix := range prefixes {
		if seen[prefix] || !b.exists(ctx, prefix+"/lib") {
			continue
		}
		seen[prefix] = true
		for _, version := range b.pythons(ctx, prefix) {
			for _, dir := range []string{"/lib/" + version + "/site-packages", "/lib/" + version + "/dist-packages", "/lib64/" + version + "/site-packages"} {
				if b.exists(ctx, prefix+dir) {
					all = append(all, prefix+dir)
				}
			}
		}
	}
	return all
}

// pythons are the versions below a prefix: "python3.11". "python3" is Debian's for
// all of them.
func (b *box) pythons(ctx context.Context, prefix string) (all []string) {
	if prefix == "/usr" {
		all = append(all, "python3")
	}
	for minor := 8; minor <= 18; minor++ {
		if version := fmt.Sprintf("python3.%d", minor); b.exists(ctx, prefix+"/lib/"+version) {
			all = append(all, version)
		}
	}
	return all
}

// installers are the programs that note themselves in a package's INSTALLER.
var installers = regexp.MustCompile(`^(pip|uv|poetry|pdm|pipenv|conda)\b`)

// site lists the packages in one directory. In those of the distribution only
// what a package manager of Python says that it installed counts: the others came
// with packages of the system, and are in its list.
func (b *box) site(ctx context.Context, dir string) ([]deploy.Package, error) {
	type distribution struct {
		deploy.Package
		installer string
	}
	found := map[string]*distribution{}
	err := b.walk(ctx, dir, maxSitePackages, func(name string, in io.Reader) error {
		where, file, inside := strings.Cut(name, "/")
		if !inside { // distutils wrote a file alone
			file = "PKG-INFO"
		}
		if !strings.HasSuffix(where, ".dist-info") && !strings.HasSuffix(where, ".egg-info") || len(found) == maxPackages {
			return nil
		}
		if found[where] == nil {
			found[where] = &distribution{}
		}
		in = io.LimitReader(in, maxMetadata)
		switch file {
		case "METADATA", "PKG-INFO":
			found[where].Package, _ = distInfo(in)
		case "INSTALLER":
			text, _ := io.ReadAll(in)
			found[where].installer = string(text)
		}
		return nil
	})
	own := !strings.HasPrefix(dir, "/usr/lib")
	var all []deploy.Package
	for _, d := range found {
		if d.Name != "" && (own || installers.MatchString(d.installer)) {
			all = append(all, d.Package)
		}
	}
	return all, err
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
	if p.Name == "" || p.Version == "" {
		return deploy.Package{}, false
	}
	return p, true
}
