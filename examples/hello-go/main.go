// Command hello is a small web app to try Teal with.
package main

import (
	"context"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// version is what the page shows: change it, commit, push, and watch it go live.
const version = "v1"

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Parse(pageText))

func main() {
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", hello)
	mux.HandleFunc("GET /version", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, version) })
	mux.HandleFunc("GET /slow", slow)
	mux.HandleFunc("POST /echo", echo)
	server := &http.Server{Addr: ":" + port, Handler: mux, ReadHeaderTimeout: 10 * time.Second}

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	go func() {
		log.Printf("hello %s listens on port %s", version, port)
		if err := server.ListenAndServe(); err != http.ErrServerClosed {
			log.Fatal(err)
		}
	}()
	<-ctx.Done()

	// Asked to stop: requests in flight are answered first.
	log.Print("finishing the requests in flight")
	last, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := server.Shutdown(last); err != nil {
		log.Fatal(err)
	}
	log.Print("done")
}

func hello(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	if err := page.Execute(w, map[string]string{"Version": version, "Greeting": os.Getenv("GREETING")}); err != nil {
		log.Print(err)
	}
}

// slow answers after ?d= (2s), to see that a switch waits for it.
func slow(w http.ResponseWriter, r *http.Request) {
	d, err := time.ParseDuration(r.FormValue("d"))
	if err != nil || d > time.Minute {
		d = 2 * time.Second
	}
	select {
	case <-time.After(d):
		fmt.Fprintf(w, "%s, after %s\n", version, d)
	case <-r.Context().Done():
	}
}

// echo sends a body back, after the version that took it.
func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	fmt.Fprintf(w, "%s\n%s", version, body)
}
