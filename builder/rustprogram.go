package builder

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"teal/deploy"
)

// rustProgram finds the program: the only one of the package or of the
// workspace's packages, or the one that Cargo.toml or a Procfile names.
func rustProgram(ctx context.Context, t *tree, cargo cargoToml) (name, why string, err error) {
	if name = cargo.Package.DefaultRun; name != "" {
		return name, "program " + name + ": default-run in Cargo.toml", nil
	}
	names := rustPrograms(t, cargo, ".")
	if len(names) == 0 || t.web != "" {
		for _, dir := range rustMembers(t, cargo) {
			member, err := readCargo(ctx, t, dir+"/Cargo.toml")
			if err != nil {
				return "", "", err
			}
			names = append(names, rustPrograms(t, member, dir)...)
		}
	}
	switch {
	case t.web != "":
		return "", "programs: " + deploy.Clean(strings.Join(names, ", "), 200), nil
	case len(names) == 1:
		return names[0], "program " + names[0] + ": the only one", nil
	case len(names) == 0:
		return "", "", failure("Cargo.toml found, but no program: neither src/main.rs nor src/bin nor [[bin]], in none of its packages",
			"a library can't be deployed: add one of them, or name the directory that the app lies in, in teal.toml: [build] root = \"path/of/it\"", nil, nil)
	}
	return "", "", failure("several Rust programs: "+deploy.Clean(strings.Join(names, ", "), 200),
		fmt.Sprintf("say which one answers requests: in a Procfile, web: %s, or in Cargo.toml, [package] default-run = %q", names[0], names[0]), nil, nil)
}

// rustPrograms are those of the package in the directory, as Cargo finds them.
func rustPrograms(t *tree, cargo cargoToml, dir string) (names []string) {
	main := path.Join(dir, "src/main.rs")
	for _, b := range cargo.Bin {
		names = append(names, b.Name)
		if b.Path != "" && path.Join(dir, b.Path) == main {
			main = ""
		}
	}
	add := func(name string) {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if t.has(main) {
		add(cargo.Package.Name)
	}
	for _, file := range t.in(path.Join(dir, "src/bin")) {
		if name, ok := strings.CutSuffix(path.Base(file), ".rs"); ok {
			add(name)
		}
	}
	for _, below := range t.dirsIn(path.Join(dir, "src/bin")) {
		if t.has(below + "/main.rs") {
			add(path.Base(below))
		}
	}
	return names
}

// rustMembers are the directories of a workspace's packages that are built by default.
func rustMembers(t *tree, cargo cargoToml) (dirs []string) {
	patterns := cargo.Workspace.Default
	if len(patterns) == 0 {
		patterns = cargo.Workspace.Members
	}
	for _, p := range t.paths {
		dir, ok := strings.CutSuffix(p, "/Cargo.toml")
		if !ok {
			continue
		}
		in := func(all []string) bool {
			return slices.ContainsFunc(all, func(pattern string) bool {
				ok, err := path.Match(path.Clean(pattern), dir)
				return err == nil && ok
			})
		}
		if in(patterns) && !in(cargo.Workspace.Exclude) {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}
