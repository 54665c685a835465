package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
)

func labeled(namespace, app string) filters.Args {
	f := filters.NewArgs(filters.Arg("label", "teal.namespace="+namespace))
	if app != "" {
		f.Add("label", "teal.app="+app)
	}
	return f
}

// containers lists the app's containers: "blue v1 running". Left out is what is
// made to read an image's packages, at any time, and never runs.
func (a *app) containers() []string {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	list, err := engine.ContainerList(ctx, container.ListOptions{All: true, Filters: labeled(a.w.namespace(), a.name)})
	if err != nil {
		a.t.Fatal(err)
	}
	var out []string
	for _, c := range list {
		if c.Labels["teal.once"] != "" && c.State == "created" {
			continue
		}
		what := fmt.Sprintf("%s v%s %s", c.Labels["teal.color"], c.Labels["teal.release"], c.State)
		if c.Labels["teal.once"] != "" {
			what = "throw-away " + c.State
		}
		out = append(out, what)
	}
	slices.Sort(out)
	return out
}

// leftovers lists what the Engine has of the installation.
func leftovers(t *testing.T, namespace string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var out []string
	containers, err := engine.ContainerList(ctx, container.ListOptions{All: true, Filters: labeled(namespace, "")})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range containers {
		out = append(out, fmt.Sprintf("container %v %s", c.Names, c.State))
	}
	networks, err := engine.NetworkList(ctx, network.ListOptions{Filters: labeled(namespace, "")})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range networks {
		out = append(out, "network "+n.Name)
	}
	volumes, err := engine.VolumeList(ctx, volume.ListOptions{Filters: labeled(namespace, "")})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range volumes.Volumes {
		out = append(out, "volume "+v.Name)
	}
	images, err := engine.ImageList(ctx, image.ListOptions{All: true, Filters: labeled(namespace, "")})
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range images {
		out = append(out, fmt.Sprintf("image %.19s %v", i.ID, i.RepoTags))
	}
	return out
}

// sweep removes all that the Engine has of an installation.
func sweep(ctx context.Context, namespace string) error {
	containers, err := engine.ContainerList(ctx, container.ListOptions{All: true, Filters: labeled(namespace, "")})
	errs := []error{err}
	for _, c := range containers {
		errs = append(errs, engine.ContainerRemove(ctx, c.ID, container.RemoveOptions{Force: true}))
	}
	networks, err := engine.NetworkList(ctx, network.ListOptions{Filters: labeled(namespace, "")})
	errs = append(errs, err)
	for _, n := range networks {
		errs = append(errs, engine.NetworkRemove(ctx, n.ID))
	}
	volumes, err := engine.VolumeList(ctx, volume.ListOptions{Filters: labeled(namespace, "")})
	errs = append(errs, err)
	for _, v := range volumes.Volumes {
		errs = append(errs, engine.VolumeRemove(ctx, v.Name, true))
	}
	images, err := engine.ImageList(ctx, image.ListOptions{Filters: labeled(namespace, "")})
	errs = append(errs, err)
	for _, i := range images {
		_, err := engine.ImageRemove(ctx, i.ID, image.RemoveOptions{Force: true})
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
