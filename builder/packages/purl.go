package packages

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"teal/deploy"
)

// purl names a package the way that databases of holes do: a package URL
// (package-url/purl-spec), as "pkg:deb/debian/openssl@3.0.15-1?arch=amd64&distro=debian-12".
func purl(p deploy.Package, i deploy.Inventory) string {
	kind, namespace, name, version := p.Kind, "", p.Name, p.Version
	var qualifiers []string // in the order of the alphabet, as the canonical form has them
	if p.Arch != "" {
		qualifiers = append(qualifiers, "arch="+escape(p.Arch))
	}
	switch p.Kind {
	case deploy.PackageDeb, deploy.PackageApk, deploy.PackageRPM:
		namespace = vendor(i.Distro)
		if distro := distro(i); distro != "" {
			qualifiers = append(qualifiers, "distro="+escape(distro))
		}
		if epoch, rest, has := strings.Cut(version, ":"); has && p.Kind == deploy.PackageRPM {
			version = rest
			qualifiers = append(qualifiers, "epoch="+escape(epoch))
		}
		if upstream := upstream(p); upstream != "" {
			qualifiers = append(qualifiers, "upstream="+escape(upstream))
		}
	case deploy.PackageGo, deploy.PackageNPM, deploy.PackageComposer:
		if at := strings.LastIndex(name, "/"); at >= 0 {
			namespace, name = name[:at], name[at+1:]
		}
	case deploy.PackagePyPI:
		name = strings.ToLower(strings.ReplaceAll(name, "_", "-"))
	case deploy.PackageMaven:
		group, artifact, grouped := strings.Cut(name, ":")
		if !grouped { // a name of Maven's has a group
			kind = deploy.PackageRuntime
			break
		}
		namespace, name = group, artifact
	}
	s := "pkg:" + string(kind) + "/"
	for part := range strings.SplitSeq(namespace, "/") {
		if part != "" {
			s += escape(part) + "/"
		}
	}
	s += escape(name) + "@" + escape(version)
	if len(qualifiers) > 0 {
		s += "?" + strings.Join(qualifiers, "&")
	}
	return s
}

// vendor is the namespace of a distribution's packages, which is not everywhere
// the ID of its os-release.
func vendor(id string) string {
	switch {
	case id == "rhel":
		return "redhat"
	case strings.HasPrefix(id, "opensuse"):
		return "opensuse"
	case strings.HasPrefix(id, "sle"): // sles, sled, sle-micro
		return "suse"
	}
	return strings.ToLower(id)
}

// distro is what scanners choose their data by: "debian-12"; "debian-forky" for
// one that is not released yet and has no number.
func distro(i deploy.Inventory) string {
	words := []string{i.Distro, cmp.Or(i.Edition, i.Codename)}
	return strings.ToLower(strings.Join(slices.DeleteFunc(words, func(w string) bool { return w == "" }), "-"))
}

// upstream names the source package, by which trackers of distributions list
// holes: "openssl", "glibc@2.36-9"; "" when it is the package itself.
func upstream(p deploy.Package) string {
	switch {
	case p.Source == "" && p.SourceVersion == "":
		return ""
	case p.SourceVersion == "":
		return p.Source
	}
	return cmp.Or(p.Source, p.Name) + "@" + p.SourceVersion
}

// escape percent-encodes all but letters, digits and ".-_~:".
func escape(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(url.QueryEscape(s), "+", "%20"), "%3A", ":")
}
