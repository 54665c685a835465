// Command staticserver serves the files of a directory on $PORT: what
// teal/static runs. It is one file of the standard library's, compiled when the
// stack image is made.
//
// All files are listed once at start, and a request is a look-up in that list:
// there is no path that leads out of the directory, no directory listing, and
// no file whose name (or whose directory's name) begins with a dot, but those of
// .well-known.
package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log"
	"mime"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"path"
	"strings"
	"sync"
	"syscall"
	"time"
)

func main() {
	root := flag.String("root", "/public", "directory to serve")
	spa := flag.Bool("spa", false, "answer unknown paths with index.html and status 200")
	flag.Parse()
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, ":"+port, os.DirFS(*root), *spa); err != nil {
		log.Fatal(err)
	}
}

// run serves until ctx ends and then finishes the requests in flight.
func run(ctx context.Context, addr string, files fs.FS, spa bool) error {
	s, err := newSite(files, spa)
	if err != nil {
		return err
	}
	server := &http.Server{Addr: addr, Handler: s, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- server.ListenAndServe() }()
	log.Printf("serving %d files on %s", len(s.files), addr)
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	return server.Shutdown(last)
}

// types are those that the standard library does not know without a mime.types file.
var types = map[string]string{
	".txt": "text/plain; charset=utf-8", ".md": "text/markdown; charset=utf-8", ".csv": "text/csv; charset=utf-8",
	".ico": "image/x-icon", ".woff": "font/woff", ".woff2": "font/woff2", ".ttf": "font/ttf", ".otf": "font/otf",
	".map": "application/json", ".webmanifest": "application/manifest+json", ".atom": "application/atom+xml",
	".rss": "application/rss+xml", ".mp4": "video/mp4", ".webm": "video/webm", ".mp3": "audio/mpeg", ".ogg": "audio/ogg",
	".zip": "application/zip", ".gz": "application/gzip",
}

// site is the list of files.
type site struct {
	fs    fs.FS
	spa   bool
	files map[string]*file // by slash-separated path without a leading slash
}

// file is one file; its ETag is computed when it is first asked for.
type file struct {
	name string
	tag  func() (string, error)
}

func newSite(files fs.FS, spa bool) (*site, error) {
	s := &site{fs: files, spa: spa, files: map[string]*file{}}
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := path.Base(name)
		if name != "." && base[0] == '.' && base != ".well-known" {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if info, err := fs.Stat(files, name); err == nil && info.Mode().IsRegular() {
			s.files[name] = &file{name: name, tag: sync.OnceValues(func() (string, error) { return etag(files, name) })}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the files: %w", err)
	}
	return s, nil
}

// etag names the content: a deploy that did not change a file leaves it in caches.
func etag(files fs.FS, name string) (string, error) {
	f, err := files.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil))[:20], nil
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		w.Header().Set("Allow", "GET, HEAD")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	name := strings.TrimPrefix(path.Clean("/"+r.URL.Path), "/")
	index := path.Join(name, "index.html")
	isDir := strings.HasSuffix(r.URL.Path, "/") || name == ""
	switch {
	case !isDir && s.files[name] != nil:
		s.serve(w, r, s.files[name], http.StatusOK)
	case isDir && s.files[index] != nil:
		s.serve(w, r, s.files[index], http.StatusOK)
	case s.files[index] != nil:
		// Relative links in the page count from the slash. Only the cleaned path is
		// named, so that "//host" never leads elsewhere.
		target := url.URL{Path: "/" + name + "/", RawQuery: r.URL.RawQuery}
		w.Header().Set("Location", target.String())
		w.WriteHeader(http.StatusMovedPermanently)
	case s.spa && s.files["index.html"] != nil && path.Ext(name) == "":
		s.serve(w, r, s.files["index.html"], http.StatusOK)
	case s.files["404.html"] != nil:
		s.serve(w, r, s.files["404.html"], http.StatusNotFound)
	default:
		http.Error(w, "not found", http.StatusNotFound)
	}
}

// serve answers with a file, or with its compressed form beside it.
func (s *site) serve(w http.ResponseWriter, r *http.Request, f *file, status int) {
	h := w.Header()
	h.Set("Content-Type", contentType(f.name))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-cache") // kept, but asked for again: the ETag answers
	if packed := s.files[f.name+".gz"]; packed != nil {
		h.Set("Vary", "Accept-Encoding")
		if acceptsGzip(r) {
			h.Set("Content-Encoding", "gzip")
			f = packed
		}
	}
	open, err := s.fs.Open(f.name)
	if err != nil {
		fail(w, err)
		return
	}
	defer open.Close()
	content, ok := open.(io.ReadSeeker)
	if !ok {
		fail(w, errors.New("not seekable"))
		return
	}
	if status != http.StatusOK {
		w.WriteHeader(status)
		if r.Method != http.MethodHead {
			_, _ = io.Copy(w, content)
		}
		return
	}
	tag, err := f.tag()
	if err != nil {
		fail(w, err)
		return
	}
	h.Set("ETag", `"`+tag+`"`)
	http.ServeContent(w, r, "", time.Time{}, content)
}

func fail(w http.ResponseWriter, err error) {
	log.Print(err)
	w.Header().Del("Content-Encoding")
	http.Error(w, "cannot read the file", http.StatusInternalServerError)
}

func contentType(name string) string {
	ext := strings.ToLower(path.Ext(name))
	if t := types[ext]; t != "" {
		return t
	}
	if t := mime.TypeByExtension(ext); t != "" {
		return t
	}
	return "application/octet-stream"
}

// acceptsGzip reads Accept-Encoding (RFC 9110, 12.5.3) as far as "gzip" goes.
func acceptsGzip(r *http.Request) bool {
	for _, part := range strings.Split(strings.Join(r.Header.Values("Accept-Encoding"), ","), ",") {
		coding, weight, _ := strings.Cut(part, ";")
		weight = strings.ReplaceAll(weight, " ", "")
		if strings.EqualFold(strings.TrimSpace(coding), "gzip") && weight != "q=0" && weight != "q=0.0" && weight != "q=0.00" && weight != "q=0.000" {
			return true
		}
	}
	return false
}
