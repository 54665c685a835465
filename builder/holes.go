package builder

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"teal/deploy"
)

const (
	holesAge   = 12 * time.Hour // how long a document from a mirror is used
	holesLimit = 1 << 30        // bytes of it
	holesFetch = 5 * time.Minute
)

// hole is a vulnerability, and the version of the source package that has it no more.
type hole struct {
	cve   string
	fixed string
}

// Explain implements deploy.Patcher for packages of Debian, by the data of its
// security tracker: a hole is closed when the version that fixes it came with
// the change. Without that data nothing is said.
func (b *Builder) Explain(ctx context.Context, i deploy.Inventory, changes []deploy.Change) []deploy.Change {
	wanted := map[string]bool{}
	for _, c := range changes {
		if c.Kind == deploy.PackageDeb && c.Old != "" && c.New != "" {
			wanted[sourceOf(i, c)] = true
		}
	}
	if b.config.CVEData == "" || i.Distro != "debian" || i.Codename == "" || len(wanted) == 0 {
		return changes
	}
	holes, err := b.holes(ctx, i.Codename, wanted)
	if err != nil {
		b.config.Log.Warn("cannot tell which holes are closed", "error", err)
		return changes
	}
	out := slices.Clone(changes)
	for n, c := range out {
		if c.Kind != deploy.PackageDeb || c.Old == "" || c.New == "" {
			continue
		}
		out[n].CVEs = nil
		for _, h := range holes[sourceOf(i, c)] {
			if compareVersions(c.Old, h.fixed) < 0 && compareVersions(h.fixed, c.New) <= 0 {
				out[n].CVEs = append(out[n].CVEs, h.cve)
			}
		}
		slices.Sort(out[n].CVEs)
		out[n].Security = out[n].Security || len(out[n].CVEs) > 0
	}
	return out
}

// sourceOf is the source package of a change. Versions of binary packages are
// compared with those of their source, which is right for all but a few that
// count for themselves.
func sourceOf(i deploy.Inventory, c deploy.Change) string {
	if c.Source != "" {
		return c.Source
	}
	for _, p := range i.Packages {
		if p.Kind == c.Kind && p.Name == c.Name && p.Source != "" {
			return p.Source
		}
	}
	return c.Name
}

// holes reads the tracker's document: source package → CVE → releases → codename
// → {status, fixed_version}. It has some ten thousand packages, so it is read as
// a stream, and only what is wanted is kept.
func (b *Builder) holes(ctx context.Context, codename string, wanted map[string]bool) (map[string][]hole, error) {
	file, err := b.openHoles(ctx)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	in := json.NewDecoder(io.LimitReader(file, holesLimit))
	if t, err := in.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("%s is not the tracker's document", b.config.CVEData)
	}
	found := map[string][]hole{}
	for in.More() {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		key, err := in.Token()
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", b.config.CVEData, err)
		}
		name, _ := key.(string)
		if !wanted[name] {
			var skipped json.RawMessage
			if err := in.Decode(&skipped); err != nil {
				return nil, fmt.Errorf("read %s: %w", b.config.CVEData, err)
			}
			continue
		}
		var of map[string]struct {
			Releases map[string]struct {
				Status string `json:"status"`
				Fixed  string `json:"fixed_version"`
			} `json:"releases"`
		}
		if err := in.Decode(&of); err != nil {
			return nil, fmt.Errorf("read %s: %w", b.config.CVEData, err)
		}
		for cve, h := range of {
			// "0" stands for a release that never had the hole.
			if r := h.Releases[codename]; r.Status == "resolved" && r.Fixed != "" && r.Fixed != "0" && strings.HasPrefix(cve, "CVE-") {
				found[name] = append(found[name], hole{deploy.Clean(cve, 30), r.Fixed})
			}
		}
	}
	return found, nil
}

// openHoles opens the file, or the copy of what a mirror has.
func (b *Builder) openHoles(ctx context.Context) (*os.File, error) {
	if !strings.HasPrefix(b.config.CVEData, "http://") && !strings.HasPrefix(b.config.CVEData, "https://") {
		return os.Open(b.config.CVEData)
	}
	path := b.holesCopy()
	b.fetching.Lock()
	defer b.fetching.Unlock()
	info, err := os.Lstat(path)
	if err == nil && info.Mode().IsRegular() && b.config.Now().Sub(info.ModTime()) < holesAge {
		return os.Open(path)
	}
	if errFetch := b.fetchHoles(ctx, path); errFetch != nil {
		if err == nil && info.Mode().IsRegular() {
			b.config.Log.Warn("going on with older data of the security tracker", "error", errFetch)
			return os.Open(path)
		}
		return nil, errFetch
	}
	return os.Open(path)
}

// holesCopy is where the copy of a mirror's document is.
func (b *Builder) holesCopy() string {
	return filepath.Join(b.config.CacheDir, "cve-"+hashOf(b.config.CVEData)+".json")
}

func (b *Builder) fetchHoles(ctx context.Context, path string) (err error) {
	ctx, cancel := context.WithTimeout(ctx, holesFetch)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.config.CVEData, nil)
	if err != nil {
		return err
	}
	client, err := httpClient(b.config.CAFile)
	if err != nil {
		return err
	}
	response, err := client.Do(req)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", b.config.CVEData, response.Status)
	}
	if b.config.CacheDir == "" {
		return errors.New("there is no directory to keep it in")
	}
	if err := os.MkdirAll(b.config.CacheDir, 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(b.config.CacheDir, "cve-*.part")
	if err != nil {
		return err
	}
	defer func() {
		if errRemove := os.Remove(file.Name()); err == nil && !errors.Is(errRemove, fs.ErrNotExist) {
			err = errRemove
		}
	}()
	_, err = io.Copy(file, io.LimitReader(response.Body, holesLimit))
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), path)
}
