package packages

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"teal/deploy"
)

// Subject is what a document is about: a release, and by what it was written.
type Subject struct {
	App     deploy.AppName
	Release int
	Image   string    // content address
	Made    time.Time // of the release: the same release gives the same document
	Tool    string    // "teal-1.2"
}

func (s Subject) name() string {
	return fmt.Sprintf("%s-%s", s.App, deploy.ReleaseName(s.Release))
}

// digest is the image's content address without its algorithm.
func (s Subject) digest() string { return strings.TrimPrefix(s.Image, "sha256:") }

// unique names the document for ever: the same packages of the same image, the same.
func (s Subject) unique(i deploy.Inventory) []byte {
	h := sha256.New()
	fmt.Fprintln(h, s.App, s.Release, s.Image)
	for _, p := range i.Packages {
		fmt.Fprintln(h, p)
	}
	return h.Sum(nil)[:16]
}

// SPDX writes the list as an SPDX 2.3 document in JSON
// (https://spdx.github.io/spdx-spec/v2.3/): the image as the package that is
// described, and what it contains.
func SPDX(s Subject, i deploy.Inventory) ([]byte, error) {
	type reference struct {
		Category string `json:"referenceCategory"`
		Type     string `json:"referenceType"`
		Locator  string `json:"referenceLocator"`
	}
	type checksum struct {
		Algorithm string `json:"algorithm"`
		Value     string `json:"checksumValue"`
	}
	type pkg struct {
		ID         string      `json:"SPDXID"`
		Name       string      `json:"name"`
		Version    string      `json:"versionInfo,omitempty"`
		Location   string      `json:"downloadLocation"`
		Analyzed   bool        `json:"filesAnalyzed"`
		Concluded  string      `json:"licenseConcluded"`
		Declared   string      `json:"licenseDeclared"`
		Copyright  string      `json:"copyrightText"`
		Purpose    string      `json:"primaryPackagePurpose,omitempty"`
		SourceInfo string      `json:"sourceInfo,omitempty"`
		Checksums  []checksum  `json:"checksums,omitempty"`
		References []reference `json:"externalRefs,omitempty"`
	}
	type relationship struct {
		From string `json:"spdxElementId"`
		Type string `json:"relationshipType"`
		To   string `json:"relatedSpdxElement"`
	}
	const none, root = "NOASSERTION", "SPDXRef-Image"
	image := pkg{
		ID: root, Name: string(s.App), Version: deploy.ReleaseName(s.Release), Location: none,
		Concluded: none, Declared: none, Copyright: none, Purpose: "CONTAINER",
		Checksums: []checksum{{"SHA256", s.digest()}},
	}
	all, relations := []pkg{image}, []relationship{{"SPDXRef-DOCUMENT", "DESCRIBES", root}}
	for n, p := range i.Packages {
		id := fmt.Sprintf("SPDXRef-Package-%d-%s", n+1, idString(p.Name))
		entry := pkg{
			ID: id, Name: p.Name, Version: p.Version, Location: none, Concluded: none, Declared: none, Copyright: none,
			References: []reference{{"PACKAGE-MANAGER", "purl", purl(p, i)}},
		}
		if name, version := p.From(); name != p.Name || version != p.Version {
			entry.SourceInfo = "built from " + name + " " + version
		}
		all = append(all, entry)
		relations = append(relations, relationship{root, "CONTAINS", id})
	}
	text := map[string]any{
		"spdxVersion":       "SPDX-2.3",
		"dataLicense":       "CC0-1.0",
		"SPDXID":            "SPDXRef-DOCUMENT",
		"name":              s.name(),
		"documentNamespace": "https://spdx.org/spdxdocs/" + s.name() + "-" + hex.EncodeToString(s.unique(i)),
		"creationInfo":      map[string]any{"created": s.Made.UTC().Format("2006-01-02T15:04:05Z"), "creators": []string{"Tool: " + s.Tool}},
		"documentDescribes": []string{root},
		"packages":          all,
		"relationships":     relations,
	}
	if len(i.Unknown) > 0 {
		text["comment"] = "cannot tell: " + strings.Join(i.Unknown, "; ")
	}
	return document(text)
}

// idString keeps what an SPDX identifier may have: letters, digits, "." and "-".
func idString(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
			return r
		}
		return '-'
	}, s)
}

func document(v any) ([]byte, error) {
	text, err := json.MarshalIndent(v, "", "  ")
	return append(text, '\n'), err
}
