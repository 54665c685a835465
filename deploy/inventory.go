package deploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// PackageKind says which package manager a package belongs to. The words are
// the types of package URLs (purl-spec).
type PackageKind string

// The kinds.
const (
	PackageDeb      PackageKind = "deb"      // dpkg
	PackageApk      PackageKind = "apk"      // Alpine
	PackageRPM      PackageKind = "rpm"      //
	PackageGo       PackageKind = "golang"   // modules of a Go program, and "stdlib"
	PackageNPM      PackageKind = "npm"      //
	PackagePyPI     PackageKind = "pypi"     //
	PackageGem      PackageKind = "gem"      //
	PackageComposer PackageKind = "composer" //
	PackageMaven    PackageKind = "maven"    // libraries of Java: "group:artifact", or the artifact alone where its jar names no group
	PackageCargo    PackageKind = "cargo"    // crates of a Rust program
	PackageRuntime  PackageKind = "generic"  // a language runtime that no package manager knows
)

// Package is one thing that is installed in an image, under a version.
type Package struct {
	Kind    PackageKind `json:"kind"`
	Name    string      `json:"name"`
	Version string      `json:"version"`
	Arch    string      `json:"arch,omitempty"` // "amd64", as its package manager says it
	// Source and SourceVersion name what a Debian package was built from, which is
	// what security trackers speak of; "" when they are Name and Version.
	Source        string `json:"source,omitempty"`
	SourceVersion string `json:"source_version,omitempty"`
}

// From gives the source package and its version.
func (p Package) From() (name, version string) {
	return cmp.Or(p.Source, p.Name), cmp.Or(p.SourceVersion, p.Version)
}

// Inventory is what an image holds, as far as it can be told without running it.
type Inventory struct {
	System   string `json:"system"`   // "Debian GNU/Linux 12 (bookworm)"; "" for an image without a system
	Distro   string `json:"distro"`   // "debian", "alpine": ID of os-release
	Codename string `json:"codename"` // "bookworm"; "" when the system has none
	Edition  string `json:"edition"`  // "12", "3.20.3": VERSION_ID of os-release; "" when the system has none
	// Packages are sorted by kind, name, architecture and version.
	Packages []Package `json:"packages"`
	// Unknown says what could not be told, one line each: "the rpm database has a
	// format that Teal can't read".
	Unknown []string `json:"unknown,omitempty"`
	// Form says how much was known to be read when it was stored: InventoryForm.
	Form int `json:"form,omitempty"`
}

// InventoryForm is raised when readers of packages learn to read more. A list that
// was stored before is read anew: beside a new one it would look as if packages had
// come with a patch.
const InventoryForm = 1

// Sort puts the packages in order and drops doubles.
func (i *Inventory) Sort() {
	slices.SortFunc(i.Packages, func(a, b Package) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Arch, b.Arch), cmp.Compare(a.Version, b.Version))
	})
	i.Packages = slices.Compact(i.Packages)
}

// Of counts the packages of one kind.
func (i Inventory) Of(kind PackageKind) (n int) {
	for _, p := range i.Packages {
		if p.Kind == kind {
			n++
		}
	}
	return n
}

// HasSystem tells whether the list has the packages of an operating system: then
// two equal lists mean that nothing was patched.
func (i Inventory) HasSystem() bool {
	return i.Of(PackageDeb)+i.Of(PackageApk)+i.Of(PackageRPM) > 0
}

// Inventories keeps the package list of every release. Met by the store.
type Inventories interface {
	// SetInventory stores the list of a release, in place of one that is there.
	// ErrNotFound when there is no such release.
	SetInventory(ctx context.Context, app AppName, release int, i Inventory) error
	// Inventory gives it; ErrNotFound when none was stored.
	Inventory(ctx context.Context, app AppName, release int) (Inventory, error)
}

// Inventory gives the package list of a release (0: the one that serves): as it
// was stored, else as it is read from the image now. ErrNothing when the image
// is gone and no list was stored.
func (e *Engine) Inventory(ctx context.Context, app AppName, release int) (Release, Inventory, error) {
	a, err := e.appReady(ctx, app)
	if err != nil {
		return Release{}, Inventory{}, err
	}
	if release == 0 {
		release = a.Live
	}
	if release == 0 {
		return Release{}, Inventory{}, fmt.Errorf("%w: nothing of %s is live yet; push to deploy it", ErrNothing, app)
	}
	r, err := e.Store.Release(ctx, app, release)
	if err != nil {
		return Release{}, Inventory{}, err
	}
	i, err := e.inventory(ctx, r)
	return r, i, err
}

// inventory gives the stored list of a release, or reads and stores it.
func (e *Engine) inventory(ctx context.Context, r Release) (Inventory, error) {
	stored, err := e.Inventories.Inventory(ctx, r.App, r.Number)
	switch {
	case err == nil && (stored.Form == InventoryForm || r.Gone), err != nil && !errors.Is(err, ErrNotFound):
		return stored, err
	case r.Gone:
		return Inventory{}, fmt.Errorf("%w: the image of %s is gone, and its packages were never listed", ErrNothing, r.Name())
	}
	read, failed := e.Patcher.Packages(ctx, r.Image)
	switch {
	case failed != nil && err == nil:
		return stored, nil // the older one is better than none
	case failed != nil:
		return Inventory{}, fmt.Errorf("cannot list the packages of %s: %w", r.Name(), failed)
	}
	return read, e.shelve(ctx, r, read)
}

// shelve stores the list of a release, as read now.
func (e *Engine) shelve(ctx context.Context, r Release, i Inventory) error {
	i.Form = InventoryForm
	return e.Inventories.SetInventory(ctx, r.App, r.Number, i)
}

// takeStock lists the packages of the release that went live, when all is done:
// nobody waits for it, and whoever asks earlier reads them himself.
func (w *worker) takeStock(ctx context.Context, release int) {
	ctx, cancel := context.WithTimeout(ctx, stockTimeout)
	defer cancel()
	defer context.AfterFunc(w.lifetime(), cancel)()
	r, err := w.e.Store.Release(ctx, w.app, release)
	if err == nil {
		_, err = w.e.inventory(ctx, r)
	}
	if err != nil && ctx.Err() == nil {
		w.e.Log.Warn("Cannot list the packages of a release", "app", w.app, "release", release, "error", err)
	}
}

// Change is one package that differs between two images.
type Change struct {
	Kind     PackageKind `json:"kind"`
	Name     string      `json:"name"`
	Arch     string      `json:"arch,omitempty"`
	Old      string      `json:"old,omitempty"` // "": it is new
	New      string      `json:"new,omitempty"` // "": it is gone
	Security bool        `json:"security,omitempty"`
	CVEs     []string    `json:"cves,omitempty"` // closed by it, as far as is known
	// Source is the source package, where that has another name.
	Source string `json:"source,omitempty"`
}

// ofSystem tells whether it is one of the operating system or the language, which
// come with base images, and not of the app's libraries.
func (c Change) ofSystem() bool {
	switch c.Kind {
	case PackageDeb, PackageApk, PackageRPM, PackageRuntime:
		return true
	}
	return false
}

// String writes "openssl 3.0.15-1 → 3.0.17-1".
func (c Change) String() string {
	switch {
	case c.Old == "":
		return c.Name + " " + c.New + " (new)"
	case c.New == "":
		return c.Name + " " + c.Old + " (gone)"
	}
	return c.Name + " " + c.Old + " → " + c.New
}

// Compare lists what differs between two images, package by package. Several
// versions of one package (npm has them) are paired from the end: the newest with
// the newest.
func Compare(before, after Inventory) []Change {
	type id struct {
		kind       PackageKind
		name, arch string
	}
	versions := func(i Inventory) map[id][]Package {
		m := map[id][]Package{}
		for _, p := range i.Packages {
			k := id{p.Kind, p.Name, p.Arch}
			m[k] = append(m[k], p)
		}
		return m
	}
	old, now := versions(before), versions(after)
	var out []Change
	for k, from := range old {
		from, to := apart(from, now[k])
		for n := range max(len(from), len(to)) {
			c := Change{Kind: k.kind, Name: k.name, Arch: k.arch}
			if i := len(from) - 1 - n; i >= 0 {
				c.Old, c.Source = from[i].Version, from[i].Source
			}
			if i := len(to) - 1 - n; i >= 0 {
				c.New, c.Source = to[i].Version, to[i].Source
			}
			out = append(out, c)
		}
	}
	for k, to := range now {
		if _, known := old[k]; known {
			continue
		}
		for _, p := range to {
			out = append(out, Change{Kind: k.kind, Name: k.name, Arch: k.arch, New: p.Version, Source: p.Source})
		}
	}
	sortChanges(out)
	return out
}

// apart leaves out the versions that both have.
func apart(a, b []Package) (onlyA, onlyB []Package) {
	in := func(list []Package, version string) bool {
		return slices.ContainsFunc(list, func(p Package) bool { return p.Version == version })
	}
	for _, p := range a {
		if !in(b, p.Version) {
			onlyA = append(onlyA, p)
		}
	}
	for _, p := range b {
		if !in(a, p.Version) {
			onlyB = append(onlyB, p)
		}
	}
	return onlyA, onlyB
}

func sortChanges(all []Change) {
	slices.SortFunc(all, func(a, b Change) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Arch, b.Arch), cmp.Compare(a.Old, b.Old))
	})
}

// Brief says in one line what changes: "openssl 3.0.15-1 → 3.0.17-1, 4 more".
// What closes a known hole comes first, then what comes from a security
// archive. "" for no changes.
func Brief(changes []Change) string {
	if len(changes) == 0 {
		return ""
	}
	first := slices.MinFunc(changes, func(a, b Change) int {
		return cmp.Or(cmp.Compare(len(b.CVEs), len(a.CVEs)), cmp.Compare(weight(a), weight(b)), cmp.Compare(a.Name, b.Name))
	})
	text := first.String()
	if n := len(changes) - 1; n > 0 {
		text += fmt.Sprintf(", %d more", n)
	}
	if cves := Closed(changes); len(cves) > 0 {
		text += fmt.Sprintf("; closes %s", strings.Join(cves[:min(2, len(cves))], ", "))
		if n := len(cves) - 2; n > 0 {
			text += fmt.Sprintf(" and %d more", n)
		}
	}
	return text
}

// weight orders changes by what a person wants to read first: an upgrade before
// what came or went, security before the rest.
func weight(c Change) int {
	r := 0
	if c.Old == "" || c.New == "" {
		r += 2
	}
	if !c.Security {
		r++
	}
	return r
}

// Closed lists the CVEs that the changes close, without doubles.
func Closed(changes []Change) []string {
	var all []string
	for _, c := range changes {
		all = append(all, c.CVEs...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}
