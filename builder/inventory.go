package builder

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/containerd/errdefs"

	"teal/builder/packages"
	"teal/deploy"
)

// latestList is the list that was read last. A patch asks for that of the image it
// made three times within seconds: whether packages were lost, what differs, and
// what the release has. The image of a content address never changes.
type latestList struct {
	image string
	list  deploy.Inventory
}

// Packages implements deploy.Patcher.
func (b *Builder) Packages(ctx context.Context, image string) (deploy.Inventory, error) {
	b.mu.Lock()
	latest := b.latest
	b.mu.Unlock()
	if latest.image == image && strings.HasPrefix(image, "sha256:") {
		return copyOf(latest.list), nil
	}
	list, err := b.readPackages(ctx, image)
	if err == nil {
		b.mu.Lock()
		b.latest = latestList{image, copyOf(list)}
		b.mu.Unlock()
	}
	return list, err
}

func copyOf(i deploy.Inventory) deploy.Inventory {
	i.Packages, i.Unknown = slices.Clone(i.Packages), slices.Clone(i.Unknown)
	return i
}

func (b *Builder) readPackages(ctx context.Context, image string) (deploy.Inventory, error) {
	list, err := b.lists().Read(ctx, image)
	switch {
	case errdefs.IsNotFound(err):
		return deploy.Inventory{}, fmt.Errorf("image %s: %w", image, deploy.ErrNotFound)
	case err != nil:
		return deploy.Inventory{}, fmt.Errorf("list the packages of %s: %w", image, engineError(ctx, b.config.Engine, err))
	}
	return list, nil
}

func (b *Builder) lists() packages.Reader {
	return packages.Reader{Engine: b.config.Engine, Namespace: b.config.Namespace}
}
