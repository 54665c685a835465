package packages

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"

	"teal/deploy"
)

const maxSpecifications = 64 << 20 // of the stream that is read through

// gems lists the gems that are installed: each has a specification. Those that
// Ruby itself brings are among them, unless it is Debian's, which lists them.
func (b *box) gems(ctx context.Context, there []deploy.Package) (all []deploy.Package, err error) {
	if !b.speaks("ruby", there) {
		return nil, nil
	}
	for _, dir := range b.specifications(ctx) {
		e := b.walk(ctx, dir, maxSpecifications, func(name string, in io.Reader) error {
			if p, ok := gemspec(path.Base(name), in); ok && len(all) < maxPackages {
				all = append(all, p)
			}
			return nil
		})
		err = errors.Join(err, e)
	}
	return all, err
}

// specifications are the directories for them that are there: right below the home
// of gems, or below the version of Ruby that Bundler and the system put between.
func (b *box) specifications(ctx context.Context) (all []string) {
	roots := append([]string{b.variable("GEM_HOME"), b.variable("BUNDLE_PATH"), "/usr/local/bundle"}, strings.Split(b.variable("GEM_PATH"), ":")...)
	for _, home := range b.homes(ctx) {
		roots = append(roots, home+"/vendor/bundle")
	}
	roots = append(roots, "/usr/local/lib/ruby/gems", "/var/lib/gems")
	seen := map[string]bool{}
	for _, root := range roots {
		if root == "" || seen[b.within(root)] || len(seen) > 2*maxHomes {
			continue
		}
		root = b.within(root)
		seen[root] = true
		if !b.exists(ctx, root) {
			continue
		}
		for _, dir := range append([]string{root}, b.rubies(ctx, root)...) {
			if b.exists(ctx, dir+"/specifications") {
				all = append(all, dir+"/specifications")
			}
		}
	}
	return all
}

// rubies are the directories for versions of Ruby, of which the last number is 0.
func (b *box) rubies(ctx context.Context, root string) (all []string) {
	if b.exists(ctx, root+"/ruby") {
		root += "/ruby"
	} else if !strings.HasSuffix(root, "/gems") {
		return nil
	}
	for major, minors := range map[int]int{2: 7, 3: 9, 4: 9} {
		for minor := range minors + 1 {
			if dir := fmt.Sprintf("%s/%d.%d.0", root, major, minor); b.exists(ctx, dir) {
				all = append(all, dir)
			}
		}
	}
	return all
}

var (
	gemStub = regexp.MustCompile(`(?m)^# stub: (\S+) (\d\S*) `)
	gemFile = regexp.MustCompile(`^(.+?)-(\d[0-9A-Za-z.]*)(?:-.+)?\.gemspec$`)
)

// gemspec reads a specification, a program of Ruby, by the remark that RubyGems
// starts it with, or else by its name: "nokogiri-1.18.1-x86_64-linux-gnu.gemspec".
func gemspec(file string, in io.Reader) (deploy.Package, bool) {
	named := gemFile.FindStringSubmatch(file)
	if named == nil {
		return deploy.Package{}, false
	}
	head := make([]byte, 4<<10)
	n, _ := io.ReadFull(in, head)
	if stub := gemStub.FindSubmatch(head[:n]); stub != nil {
		named = []string{"", string(stub[1]), string(stub[2])}
	}
	return deploy.Package{Kind: deploy.PackageGem, Name: named[1], Version: named[2]}, true
}
