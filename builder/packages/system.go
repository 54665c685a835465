package packages

import (
	"strings"

	"teal/deploy"
)

// OSRelease reads the fields of an os-release file (os-release(5)): words or
// quoted strings, with backslashes before quotes, dollars and the like.
func OSRelease(text []byte) map[string]string {
	fields := map[string]string{}
	for line := range strings.Lines(string(text)) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		if !ok || strings.HasPrefix(key, "#") {
			continue
		}
		if n := len(value); n >= 2 && (value[0] == '"' || value[0] == '\'') && value[n-1] == value[0] {
			value = value[1 : n-1]
		}
		fields[key] = deploy.Clean(strings.ReplaceAll(value, `\`, ""), 100)
	}
	return fields
}

// Dpkg reads dpkg's database of what is installed.
func Dpkg(status []byte) []deploy.Package { return dpkg(status) }

// dpkg reads dpkg's status file, or a file of distroless' status.d: paragraphs
// of "Key: value" (deb-control(5)). What has files in the system counts, also when
// it was left half configured; paragraphs without a Status, as in status.d, do.
func dpkg(status []byte) []deploy.Package {
	var all []deploy.Package
	fields := map[string]string{}
	end := func() {
		defer clear(fields)
		state := fields["Status"][strings.LastIndex(fields["Status"], " ")+1:]
		if fields["Package"] == "" || fields["Version"] == "" || state == "config-files" || state == "not-installed" {
			return
		}
		p := deploy.Package{Kind: deploy.PackageDeb, Name: fields["Package"], Version: fields["Version"], Arch: fields["Architecture"]}
		// "Source: openssl (3.0.15-1)"; the version only when it is another one.
		source, version, _ := strings.Cut(fields["Source"], " ")
		if source != p.Name {
			p.Source = source
		}
		p.SourceVersion = strings.Trim(version, "() ")
		all = append(all, p)
	}
	for line := range strings.Lines(string(status)) {
		line = strings.TrimRight(line, "\r\n")
		if line == "" {
			end()
			continue
		}
		if key, value, ok := strings.Cut(line, ":"); ok && key != "" && key[0] != ' ' && key[0] != '\t' {
			fields[key] = strings.TrimSpace(value)
		}
	}
	end()
	return all
}

// Apk reads an APKINDEX, which has the paragraphs of Alpine's database of what is installed.
func Apk(index []byte) []deploy.Package { return apk(index) }

// apk reads Alpine's /lib/apk/db/installed: paragraphs of "K:value", of which P
// is the name, V the version, A the architecture and o the origin.
func apk(installed []byte) []deploy.Package {
	var all []deploy.Package
	var p deploy.Package
	end := func() {
		if p.Name != "" && p.Version != "" {
			p.Kind = deploy.PackageApk
			if p.Source == p.Name {
				p.Source = ""
			}
			all = append(all, p)
		}
		p = deploy.Package{}
	}
	for line := range strings.Lines(string(installed)) {
		key, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), ":")
		switch {
		case key == "" && !ok:
			end()
		case key == "P":
			p.Name = value
		case key == "V":
			p.Version = value
		case key == "A":
			p.Arch = value
		case key == "o":
			p.Source = value
		}
	}
	end()
	return all
}
