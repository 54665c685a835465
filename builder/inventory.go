package builder

import (
	"context"
	"fmt"

	"github.com/containerd/errdefs"

	"teal/builder/packages"
	"teal/deploy"
)

// Packages implements deploy.Patcher.
func (b *Builder) Packages(ctx context.Context, image string) (deploy.Inventory, error) {
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
