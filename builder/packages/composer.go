package packages

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"teal/deploy"
)

// composer reads what Composer notes of the vendor directory that it made.
func (b *box) composer(ctx context.Context) (all []deploy.Package, err error) {
	for _, home := range b.homes(ctx) {
		text, e := b.read(ctx, home+"/vendor/composer/installed.json", maxLockFile)
		if errors.Is(e, fs.ErrNotExist) {
			continue
		}
		if e == nil {
			var found []deploy.Package
			found, e = composerInstalled(text)
			all = append(all, found...)
		}
		err = errors.Join(err, e)
	}
	return all, err
}

// composerInstalled reads an installed.json: a list in Composer 1, an object that
// has it since.
func composerInstalled(text []byte) ([]deploy.Package, error) {
	type entry struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	}
	var now struct {
		Packages []entry `json:"packages"`
	}
	err := json.Unmarshal(text, &now)
	if err != nil {
		err = json.Unmarshal(text, &now.Packages)
	}
	if err != nil {
		return nil, fmt.Errorf("the installed.json of Composer makes no sense: %w", err)
	}
	var all []deploy.Package
	for _, p := range now.Packages {
		if p.Name != "" && p.Version != "" {
			all = append(all, deploy.Package{Kind: deploy.PackageComposer, Name: p.Name, Version: p.Version})
		}
	}
	return all, nil
}
