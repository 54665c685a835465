package console

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"path"
	"strings"

	"teal/deploy"
)

//go:embed static
var staticFiles embed.FS

// asset is a file that pages refer to. Its URL holds its hash, so that a browser
// may keep it for ever and still gets the new one after an upgrade.
type asset struct {
	url     string
	etag    string
	kind    string
	content []byte
}

// assets are found by plain name ("console.css") and by hashed name.
type assets struct {
	byName map[string]asset
	byURL  map[string]asset
}

var kinds = map[string]string{
	".css": "text/css; charset=utf-8",
	".js":  "text/javascript; charset=utf-8",
	".svg": "image/svg+xml",
}

func loadAssets() assets {
	a := assets{byName: map[string]asset{}, byURL: map[string]asset{}}
	entries, err := staticFiles.ReadDir("static")
	if err != nil {
		panic(err) // embedded: it is there or the program does not compile
	}
	for _, e := range entries {
		content, err := staticFiles.ReadFile("static/" + e.Name())
		if err != nil {
			panic(err)
		}
		sum := sha256.Sum256(content)
		hash, ext := hex.EncodeToString(sum[:8]), path.Ext(e.Name())
		hashed := strings.TrimSuffix(e.Name(), ext) + "." + hash + ext
		one := asset{url: "/static/" + hashed, etag: `"` + hash + `"`, kind: kinds[ext], content: content}
		a.byName[e.Name()], a.byURL[hashed] = one, one
	}
	return a
}

func (c *Console) static(w http.ResponseWriter, r *http.Request, _ visit) error {
	a, ok := c.assets.byURL[r.PathValue("name")]
	if !ok {
		return deploy.ErrNotFound
	}
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("ETag", a.etag)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	if r.Header.Get("If-None-Match") == a.etag {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	_, err := w.Write(a.content)
	return err
}
