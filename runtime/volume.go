package runtime

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/volume"

	"teal/deploy"
)

// volumeName is the Engine's name of an app's volume. No app's name holds "--",
// so no two apps can mean the same one.
func (d *Docker) volumeName(app deploy.AppName, name string) string {
	return fmt.Sprintf("teal-%s-%s--%s", d.config.Namespace, app, name)
}

// mounts are the app's volumes in a container: the same ones in both colors.
func (d *Docker) mounts(r deploy.Release) []mount.Mount {
	var out []mount.Mount
	for _, name := range slices.Sorted(maps.Keys(r.Settings.Volumes)) {
		out = append(out, mount.Mount{Type: mount.TypeVolume, Source: d.volumeName(r.App, name), Target: r.Settings.Volumes[name]})
	}
	return out
}

// volumes makes the release's volumes that are not there. One that is there
// and not the app's own is refused: it may hold someone else's data.
func (d *Docker) volumes(ctx context.Context, r deploy.Release) error {
	for _, name := range slices.Sorted(maps.Keys(r.Settings.Volumes)) {
		full := d.volumeName(r.App, name)
		var made volume.Volume
		err := d.call(ctx, d.config.CallTimeout, func(ctx context.Context) (err error) {
			made, err = d.engine.VolumeCreate(ctx, volume.CreateOptions{Name: full, Labels: map[string]string{
				labelNamespace: d.config.Namespace, labelApp: string(r.App),
			}})
			return err
		})
		if err != nil {
			return fmt.Errorf("cannot make volume %s: %w", full, err)
		}
		if made.Labels[labelNamespace] != d.config.Namespace || made.Labels[labelApp] != string(r.App) {
			return fmt.Errorf("the name %s is taken by a volume that is not Teal's: rename or remove it", full)
		}
	}
	return nil
}

// RemoveVolumes removes all volumes of an app, and what is in them, for good.
// The app's instances have to be gone before.
func (d *Docker) RemoveVolumes(ctx context.Context, app deploy.AppName) error {
	if app == "" {
		return errors.New("cannot remove the volumes of no app")
	}
	var list volume.ListResponse
	err := d.call(ctx, d.config.CallTimeout, func(ctx context.Context) (err error) {
		list, err = d.engine.VolumeList(ctx, volume.ListOptions{Filters: d.mine(app)})
		return err
	})
	if err != nil {
		return fmt.Errorf("cannot list the volumes of %s: %w", app, err)
	}
	var errs []error
	for _, v := range list.Volumes {
		err := d.call(ctx, d.config.CallTimeout, func(ctx context.Context) error { return d.engine.VolumeRemove(ctx, v.Name, false) })
		if err != nil && !errdefs.IsNotFound(err) {
			errs = append(errs, fmt.Errorf("cannot remove volume %s: %w", v.Name, err))
		}
	}
	return errors.Join(errs...)
}
