package deploy

import (
	"context"
	"time"
)

// stockTimeout bounds listing the packages of one image.
const stockTimeout = 2 * time.Minute

// Patcher knows what is in an image and what of it is out of date. Met by the
// builder. Every method may be called from several goroutines.
type Patcher interface {
	// Packages lists what an image holds, without running anything of it.
	// ErrNotFound when there is no such image; ErrEngineAway.
	Packages(ctx context.Context, image string) (Inventory, error)
}
