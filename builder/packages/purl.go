package packages

import (
	"net/url"
	"strings"

	"teal/deploy"
)

// purl names a package the way that databases of holes do: a package URL
// (package-url/purl-spec), as "pkg:deb/debian/openssl@3.0.15-1?arch=amd64&distro=debian-12".
func purl(p deploy.Package, i deploy.Inventory) string {
	namespace, name := "", p.Name
	switch p.Kind {
	case deploy.PackageDeb, deploy.PackageApk, deploy.PackageRPM:
		namespace = i.Distro
	case deploy.PackageGo, deploy.PackageNPM:
		if at := strings.LastIndex(name, "/"); at >= 0 {
			namespace, name = name[:at], name[at+1:]
		}
	case deploy.PackagePyPI:
		name = strings.ToLower(strings.ReplaceAll(name, "_", "-"))
	}
	s := "pkg:" + string(p.Kind) + "/"
	for part := range strings.SplitSeq(namespace, "/") {
		if part != "" {
			s += escape(part) + "/"
		}
	}
	s += escape(name) + "@" + escape(p.Version)
	var qualifiers []string
	if p.Arch != "" {
		qualifiers = append(qualifiers, "arch="+escape(p.Arch))
	}
	if namespace != "" && namespace == i.Distro && i.Codename != "" {
		qualifiers = append(qualifiers, "distro="+escape(i.Codename))
	}
	if len(qualifiers) > 0 {
		s += "?" + strings.Join(qualifiers, "&")
	}
	return s
}

// escape percent-encodes all but letters, digits and ".-_~:".
func escape(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(url.QueryEscape(s), "+", "%20"), "%3A", ":")
}
