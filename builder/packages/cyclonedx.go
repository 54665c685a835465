package packages

import (
	"cmp"
	"fmt"
	"strings"

	"teal/deploy"
)

// CycloneDX writes the list as a CycloneDX 1.5 document in JSON
// (https://cyclonedx.org/docs/1.5/json/): the image as the component that the
// metadata is about, and what it contains.
func CycloneDX(s Subject, i deploy.Inventory) ([]byte, error) {
	type hash struct {
		Algorithm string `json:"alg"`
		Content   string `json:"content"`
	}
	type property struct {
		Name  string `json:"name"`
		Value string `json:"value"`
	}
	type component struct {
		Type       string     `json:"type"`
		Ref        string     `json:"bom-ref"`
		Name       string     `json:"name"`
		Version    string     `json:"version,omitempty"`
		PURL       string     `json:"purl,omitempty"`
		Hashes     []hash     `json:"hashes,omitempty"`
		Properties []property `json:"properties,omitempty"`
	}
	all := []component{}
	if i.System != "" {
		all = append(all, component{Type: "operating-system", Ref: "os", Name: cmp.Or(i.Distro, "linux"), Version: cmp.Or(i.Edition, i.Codename)})
	}
	for n, p := range i.Packages {
		c := component{Type: "library", Ref: fmt.Sprintf("package-%d", n+1), Name: p.Name, Version: p.Version, PURL: purl(p, i)}
		if name, version := p.From(); name != p.Name || version != p.Version {
			c.Properties = []property{{"teal:source", name + " " + version}}
		}
		all = append(all, c)
	}
	id := s.unique(i)
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80 // a UUID of version 8 (RFC 9562): of our own making
	metadata := map[string]any{
		"timestamp": s.Made.UTC().Format("2006-01-02T15:04:05Z"),
		"tools":     map[string]any{"components": []component{{Type: "application", Ref: "tool", Name: "teal", Version: strings.TrimPrefix(s.Tool, "teal-")}}},
		"component": component{
			Type: "container", Ref: "image", Name: string(s.App), Version: deploy.ReleaseName(s.Release),
			Hashes: []hash{{"SHA-256", s.digest()}},
		},
	}
	if len(i.Unknown) > 0 {
		metadata["properties"] = []property{{"teal:unknown", strings.Join(i.Unknown, "; ")}}
	}
	return document(map[string]any{
		"bomFormat":    "CycloneDX",
		"specVersion":  "1.5",
		"serialNumber": fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:]),
		"version":      1,
		"metadata":     metadata,
		"components":   all,
	})
}
