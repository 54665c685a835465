// Command broken starts well and then answers every request with an error: a
// deploy of it is refused, and what was live goes on.
package main

import (
	"log"
	"net/http"
	"os"
	"time"
)

func main() {
	port := os.Getenv("PORT")
	if port == "" {
		port = "8080"
	}
	log.Printf("listening on port %s", port)
	server := &http.Server{Addr: ":" + port, ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		log.Printf("%s %s: cannot read the price list: table \"prices\" does not exist", r.Method, r.URL.Path)
		http.Error(w, "cannot read the price list", http.StatusInternalServerError)
	})}
	log.Fatal(server.ListenAndServe())
}
