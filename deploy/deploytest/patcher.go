package deploytest

import (
	"context"
	"io"
	"slices"
	"sync"

	"teal/deploy"
)

// shelf keeps package lists and what is remembered of patch runs, in memory.
type shelf struct {
	mu      sync.Mutex
	lists   map[deploy.AppName]map[int]deploy.Inventory
	records map[deploy.AppName]deploy.PatchRecord
	posted  []deploy.Alert
}

func newShelf() *shelf {
	return &shelf{lists: map[deploy.AppName]map[int]deploy.Inventory{}, records: map[deploy.AppName]deploy.PatchRecord{}}
}

// SetInventory is part of deploy.Inventories.
func (s *shelf) SetInventory(_ context.Context, app deploy.AppName, release int, i deploy.Inventory) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lists[app] == nil {
		s.lists[app] = map[int]deploy.Inventory{}
	}
	s.lists[app][release] = i
	return nil
}

// Inventory is part of deploy.Inventories.
func (s *shelf) Inventory(_ context.Context, app deploy.AppName, release int) (deploy.Inventory, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, ok := s.lists[app][release]
	if !ok {
		return i, deploy.ErrNotFound
	}
	return i, nil
}

// PatchRecord is part of deploy.Patches.
func (s *shelf) PatchRecord(_ context.Context, app deploy.AppName) (deploy.PatchRecord, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.records[app], nil
}

// SetPatchRecord is part of deploy.Patches.
func (s *shelf) SetPatchRecord(_ context.Context, app deploy.AppName, r deploy.PatchRecord) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.records[app] = r
	return nil
}

// PostAlert is part of deploy.Patches.
func (s *shelf) PostAlert(_ context.Context, a deploy.Alert) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.ContainsFunc(s.posted, func(o deploy.Alert) bool { return o.Episode == a.Episode }) {
		s.posted = append(s.posted, a)
	}
	return nil
}

// Posted gives the alerts that are about no deployment's end.
func (w *World) Posted() []deploy.Alert {
	w.shelf.mu.Lock()
	defer w.shelf.mu.Unlock()
	return slices.Clone(w.shelf.posted)
}

// PatchRecord gives what is remembered of an app's patch runs.
func (w *World) PatchRecord(app deploy.AppName) deploy.PatchRecord {
	w.shelf.mu.Lock()
	defer w.shelf.mu.Unlock()
	return w.shelf.records[app]
}

// patcherAdapter knows one package of an image: its bits. What is pending it
// says as World.Pending does, else that it can't tell.
type patcherAdapter struct{ *adapters }

func (a patcherAdapter) Packages(_ context.Context, image string) (deploy.Inventory, error) {
	if !a.w.HasImage(image) {
		return deploy.Inventory{}, deploy.ErrNotFound
	}
	return deploy.Inventory{Packages: []deploy.Package{{Kind: deploy.PackageRuntime, Name: "bits", Version: image}}}, nil
}

func (a patcherAdapter) Pending(_ context.Context, images ...string) ([]deploy.Pending, error) {
	return give(a.generation, "Pending", func() ([]deploy.Pending, error) {
		all := make([]deploy.Pending, len(images))
		for i := range all {
			all[i] = deploy.Pending{Unknown: []string{"what an image holds"}}
			if a.w.Pending != nil {
				all[i] = a.w.Pending(images[i])
			}
		}
		return all, nil
	})
}

func (a patcherAdapter) Patch(ctx context.Context, req deploy.PatchRequest, log io.Writer) (deploy.Patched, error) {
	built, err := give(a.generation, "Build", func() (deploy.Built, error) { return a.w.build(ctx, req.BuildRequest, log) })
	return deploy.Patched{Built: built, Remedy: "built anew"}, err
}

func (a patcherAdapter) Explain(_ context.Context, _ deploy.Inventory, changes []deploy.Change) []deploy.Change {
	return changes
}
