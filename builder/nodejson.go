package builder

import (
	"encoding/json"
	"strings"

	"teal/deploy"
)

// packageJSON is what Teal reads of a package.json. What has another type there
// than npm documents is passed over, as npm does.
type packageJSON struct {
	Name            jsonText  `json:"name"`
	Main            jsonText  `json:"main"`
	Scripts         jsonTexts `json:"scripts"`
	Engines         jsonTexts `json:"engines"`
	Volta           jsonTexts `json:"volta"`
	PackageManager  jsonText  `json:"packageManager"`
	Dependencies    jsonTexts `json:"dependencies"`
	DevDependencies jsonTexts `json:"devDependencies"`
	Workspaces      any       `json:"workspaces"`
}

func readPackageJSON(text []byte) (packageJSON, error) {
	var pkg packageJSON
	if err := json.Unmarshal(text, &pkg); err != nil {
		return pkg, failure("package.json cannot be read: "+jsonTrouble(string(text), err), "correct it, commit and push again", nil, err)
	}
	return pkg, nil
}

func (p packageJSON) needs(name string) bool {
	_, ok := p.Dependencies[name]
	_, dev := p.DevDependencies[name]
	return ok || dev
}

// has tells whether a script is there.
func (p packageJSON) has(script string) bool { return strings.TrimSpace(p.Scripts[script]) != "" }

// jsonText is a text; anything else is none.
type jsonText string

// UnmarshalJSON reads one.
func (w *jsonText) UnmarshalJSON(data []byte) error {
	var s string
	if json.Unmarshal(data, &s) == nil {
		*w = jsonText(s)
	}
	return nil
}

// jsonTexts are names and texts. A list is read as old packages wrote engines:
// ["node >= 18"].
type jsonTexts map[string]string

// UnmarshalJSON reads them.
func (w *jsonTexts) UnmarshalJSON(data []byte) error {
	*w = jsonTexts{}
	var list []string
	if json.Unmarshal(data, &list) == nil {
		for _, s := range list {
			name, rest, _ := strings.Cut(strings.TrimSpace(s), " ")
			(*w)[name] = strings.TrimSpace(rest)
		}
		return nil
	}
	var all map[string]any
	_ = json.Unmarshal(data, &all) // neither: there are none
	for name, value := range all {
		if s, ok := value.(string); ok {
			(*w)[name] = s
		}
	}
	return nil
}

// defaultNode are the words of version managers for a version of their choice.
var defaultNode = map[string]bool{"lts/*": true, "lts": true, "--lts": true, "node": true, "stable": true, "latest": true, "current": true}

// ltsNode are the names that nvm knows for lines.
var ltsNode = map[string]string{"argon": "4", "boron": "6", "carbon": "8", "dubnium": "10", "erbium": "12", "fermium": "14", "gallium": "16", "hydrogen": "18", "iron": "20", "jod": "22", "krypton": "24"}

// nodeWish makes a wish of what a file says: a range, a word of nvm's, or nothing.
func nodeWish(says, from string) wish {
	says = strings.TrimSpace(says)
	if defaultNode[strings.ToLower(says)] {
		return wish{from: from + ` says "` + deploy.Clean(says, 20) + `"`}
	}
	if line := ltsNode[strings.ToLower(strings.TrimPrefix(says, "lts/"))]; line != "" {
		return wish{line, from + ", " + says}
	}
	return wish{says, from}
}
