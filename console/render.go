package console

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"
)

//go:embed templates
var templateFiles embed.FS

// pages are the parsed templates by name; each holds the layout and the parts.
type pages map[string]*template.Template

// page is what the layout shows around a body.
type page struct {
	Title string
	Nav   string // which entry of the navigation is the current one
	// Live is the URL of an event stream; on each event, and every few seconds,
	// the script replaces the parts of the page that are marked data-live. "": none.
	Live string
	// Reload makes a browser without JavaScript load the page again by itself.
	Reload bool
	User   string // "" when nobody is logged in
	Body   any
}

func loadPages(funcs template.FuncMap) pages {
	base := template.Must(template.New("layout").Funcs(funcs).ParseFS(templateFiles, "templates/layout.html", "templates/parts.html"))
	names, err := fs.Glob(templateFiles, "templates/*.html")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	all := pages{}
	for _, file := range names {
		name := strings.TrimSuffix(path.Base(file), ".html")
		if name == "layout" || name == "parts" {
			continue
		}
		all[name] = template.Must(template.Must(base.Clone()).ParseFS(templateFiles, file))
	}
	return all
}

// funcs are what templates may call beside html/template's own.
func (c *Console) funcs() template.FuncMap {
	return template.FuncMap{
		"asset": func(name string) string { return c.assets.byName[name].url },
		"count": count[uint64],
	}
}

// render writes a page. It is made in memory first, so that a template that
// fails is a clean error and not half a page.
func (c *Console) render(w http.ResponseWriter, r *http.Request, v visit, name string, status int, p page) error {
	p.User = v.user.Name
	var b bytes.Buffer
	if err := c.pages[name].ExecuteTemplate(&b, "layout", p); err != nil {
		c.Log.Error("console cannot render", "page", name, "path", r.URL.Path, "error", err)
		http.Error(w, "The page could not be made. What serves your apps is not affected.", http.StatusInternalServerError)
		return nil
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if _, err := b.WriteTo(w); err != nil {
		c.Log.Debug("console visitor went away", "path", r.URL.Path, "error", fmt.Errorf("write page: %w", err))
	}
	return nil
}
