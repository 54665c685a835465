package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
)

var manyDeployments = flag.Int("deployments", 8, "how many deployments the disk has to stay flat under")

// TestDeploymentsLeaveTheDiskFlatAndRollbackWorking on the real Engine, with a
// layer of its own in each image. It is not parallel, for the Engine's own sums.
func TestDeploymentsLeaveTheDiskFlatAndRollbackWorking(t *testing.T) {
	const keep, blob = 1, 256 << 10
	w := newWorld(t, "--app-keep", fmt.Sprint(keep), "--app-grace", "1s")
	a := w.app(t, "anna", "shop")
	var first usage
	var data int64
	for n := range *manyDeployments {
		a.commit(vict{version: fmt.Sprint(n + 1)})
		writeFile(t, filepath.Join(a.dir, "blob"), randomText(blob), 0o644)
		writeFile(t, filepath.Join(a.dir, "Dockerfile"), vict{version: fmt.Sprint(n + 1)}.dockerfile()+"COPY blob /blob\n", 0o644)
		a.git("add", "-A").exits(0)
		a.git("commit", "-q", "-m", "With a blob").exits(0)
		a.push().exits(0)
		if n == 0 {
			first, data = a.usage(), w.dataBytes()
		}
		// An older image goes behind the promotion's back; but it does go.
		eventually(t, func() string {
			u := a.usage()
			return missing(u.images <= keep+2 && u.containers <= 2 && u.bytes <= first.bytes+(keep+1)*blob, fmt.Sprintf("after deployment %d little is left, now %+v", n+1, u))
		})
	}
	a.serves(fmt.Sprint(*manyDeployments))
	// The repository keeps every commit, and its blob; what comes with it is small.
	each := (w.dataBytes() - data) / int64(max(1, *manyDeployments-1))
	t.Logf("after %d deployments: %+v; the data directory grew by %d KiB for each, with its blob of %d KiB; the build cache of the whole Engine has %d MiB",
		*manyDeployments, a.usage(), each>>10, blob>>10, cacheBytes(t)>>20)
	if each > blob+64<<10 {
		t.Errorf("the data directory grew by %d KiB for each deployment", each>>10)
	}
	w.command(t, "anna", "restart-previous", "shop").exits(0)
	a.serves(fmt.Sprint(*manyDeployments - 1))
}

// dataBytes is what lies in the data directory.
func (w *world) dataBytes() (sum int64) {
	w.t.Helper()
	err := filepath.WalkDir(w.data, func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a file of git's own, for a moment
		}
		if err != nil || e.IsDir() || strings.HasSuffix(path, "-wal") {
			return err // the write-ahead log grows to its bound, and begins anew
		}
		if info, err := e.Info(); err == nil {
			sum += info.Size()
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return sum
}

// cacheBytes is the size of BuildKit's cache, which belongs to all builds.
func cacheBytes(t *testing.T) (sum int64) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	all, err := engine.DiskUsage(ctx, types.DiskUsageOptions{Types: []types.DiskUsageObject{types.BuildCacheObject}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range all.BuildCache {
		if !c.Shared {
			sum += c.Size
		}
	}
	return sum
}

// randomText is n bytes that no compression makes smaller by much.
func randomText(n int) string {
	var b strings.Builder
	for b.Len() < n {
		b.WriteString(rand.Text())
	}
	return b.String()[:n]
}

// usage is what the Engine has of an app. Bytes are those that its images do not
// share with each other.
type usage struct {
	images, containers int
	bytes              int64
}

func (a *app) usage() (u usage) {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), patience)
	defer cancel()
	all, err := engine.DiskUsage(ctx, types.DiskUsageOptions{Types: []types.DiskUsageObject{types.ImageObject}})
	if err != nil {
		a.t.Fatal(err)
	}
	for _, i := range all.Images {
		if i.Labels["teal.namespace"] == a.w.namespace() && i.Labels["teal.app"] == a.name {
			u.images++
			u.bytes += i.Size - max(0, i.SharedSize)
		}
	}
	list, err := engine.ContainerList(ctx, container.ListOptions{All: true, Filters: filters.NewArgs(filters.Arg("label", "teal.namespace="+a.w.namespace()))})
	if err != nil {
		a.t.Fatal(err)
	}
	u.containers = len(list)
	return u
}
