package builder

import (
	"archive/tar"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"teal/builder/packages"
	"teal/deploy"
)

const (
	apkRepositories = "/etc/apk/repositories"
	apkIndexLimit   = 64 << 20 // bytes, unpacked
	apkFetch        = 2 * time.Minute
)

// apkRepository is the end of a line of /etc/apk/repositories. Only that is
// taken from an image, which may be hostile: the host is the server's setting.
var apkRepository = regexp.MustCompile(`/((?:v\d{1,2}\.\d{1,3}|edge)/(?:main|community))/?$`)

// askAlpine fills in what is out of date in an image of Alpine, by the index of
// each of its repositories on the mirror. The index is not checked against its
// signature: it decides what is looked at, never what is installed.
func (b *Builder) askAlpine(ctx context.Context, image string, list deploy.Inventory, p *deploy.Pending) error {
	cannot := func(why string) {
		p.Unknown = append(p.Unknown, "what is out of date in "+deploy.Clean(list.System, 60)+": "+why)
	}
	if b.config.ApkMirror == "" {
		cannot("there is no --apk-mirror to ask")
		return nil
	}
	lines, err := b.lists().File(ctx, image, apkRepositories)
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		cannot("it names no repositories")
		return nil
	}
	newest := map[string]string{}
	asked := 0
	for line := range strings.Lines(string(lines)) {
		line = strings.TrimSpace(line)
		found := apkRepository.FindStringSubmatch(line)
		if found == nil || line[0] == '#' || line[0] == '@' { // of "@edge https://…" only what was asked for by that name is installed
			continue
		}
		asked++
		index, err := b.apkIndex(ctx, found[1], apkArch(list))
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			cannot(deploy.Clean(err.Error(), 200))
			return nil
		}
		for _, has := range index {
			if known, ok := newest[has.Name]; !ok || compareAlpine(known, has.Version) < 0 {
				newest[has.Name] = has.Version
			}
		}
	}
	if asked == 0 {
		cannot("it names no repositories that the mirror could have")
		return nil
	}
	for _, has := range list.Packages {
		if to, ok := newest[has.Name]; has.Kind == deploy.PackageApk && ok && compareAlpine(has.Version, to) < 0 {
			p.Changes = append(p.Changes, deploy.Change{Kind: has.Kind, Name: has.Name, Arch: has.Arch, Old: has.Version, New: to, Source: has.Source})
		}
	}
	if len(p.Changes) > 0 {
		p.Unknown = append(p.Unknown, "which of Alpine's updates are for security: its index does not say")
	}
	return nil
}

// apkArch is the architecture of the image's packages.
func apkArch(list deploy.Inventory) string {
	for _, p := range list.Packages {
		if p.Kind == deploy.PackageApk && p.Arch != "" && p.Arch != "noarch" {
			return p.Arch
		}
	}
	return "x86_64"
}

var apkArchName = regexp.MustCompile(`^[a-z0-9_]{2,20}$`)

// apkIndex fetches the index of a repository such as "v3.20/main".
func (b *Builder) apkIndex(ctx context.Context, repository, arch string) ([]deploy.Package, error) {
	if !apkArchName.MatchString(arch) {
		return nil, fmt.Errorf("it is for the architecture %q", deploy.Clean(arch, 20))
	}
	ctx, cancel := context.WithTimeout(ctx, apkFetch)
	defer cancel()
	url := strings.TrimSuffix(b.config.ApkMirror, "/") + "/" + repository + "/" + arch + "/APKINDEX.tar.gz"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	client, err := httpClient(b.config.CAFile)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s", url, response.Status)
	}
	// A signature and the index, each a gzip member of its own; together one tar.
	unpacked, err := gzip.NewReader(response.Body)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", url, err)
	}
	for in := tar.NewReader(io.LimitReader(unpacked, apkIndexLimit)); ; {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%s has no index", url)
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", url, err)
		}
		if header.Name != "APKINDEX" {
			continue
		}
		text, err := io.ReadAll(in)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", url, err)
		}
		return packages.Apk(text), nil
	}
}

// apkVersion is 1.2.3b_rc1_p2~abc-r4: numbers, a letter, suffixes, a commit, a revision.
var apkVersion = regexp.MustCompile(`^(\d+(?:\.\d+)*)([a-z]?)((?:_[a-z]+\d*)*)(?:~[0-9a-f]+)?(?:-r(\d+))?$`)

// apkSuffixes in their order; "" is none.
var apkSuffixes = []string{"alpha", "beta", "pre", "rc", "", "cvs", "svn", "git", "hg", "p"}

// compareAlpine orders two versions of Alpine's packages (apk-package(5)). Words
// that are no versions are equal: then nothing is said to be newer.
func compareAlpine(a, b string) int {
	x, y := apkVersion.FindStringSubmatch(a), apkVersion.FindStringSubmatch(b)
	if x == nil || y == nil {
		return 0
	}
	return cmp.Or(
		compareNumbers(strings.Split(x[1], "."), strings.Split(y[1], ".")),
		strings.Compare(x[2], y[2]),
		compareSuffixes(x[3], y[3]),
		comparePart(cmp.Or(x[4], "0"), cmp.Or(y[4], "0")),
	)
}

func compareNumbers(a, b []string) int {
	for i := range min(len(a), len(b)) {
		if c := comparePart(a[i], b[i]); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

func compareSuffixes(a, b string) int {
	x, y := strings.Split(strings.TrimPrefix(a, "_"), "_"), strings.Split(strings.TrimPrefix(b, "_"), "_")
	for i := range max(len(x), len(y)) {
		wordA, numberA := cutSuffix(x, i)
		wordB, numberB := cutSuffix(y, i)
		if c := cmp.Or(cmp.Compare(slices.Index(apkSuffixes, wordA), slices.Index(apkSuffixes, wordB)), comparePart(numberA, numberB)); c != 0 {
			return c
		}
	}
	return 0
}

func cutSuffix(all []string, i int) (word, number string) {
	if i >= len(all) {
		return "", "0"
	}
	word = strings.TrimRight(all[i], "0123456789")
	return word, cmp.Or(all[i][len(word):], "0")
}
