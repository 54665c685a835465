package builder

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"teal/deploy"
)

// manifestName is the file in which an app says what it wants.
const manifestName = "teal.toml"

// maxManifest is the longest teal.toml that is read.
const maxManifest = 64 << 10

// Manifest is what an app's teal.toml says, laid over the server's defaults. The
// file lies at the root of the repository; it may be missing, and every key in
// it may be missing. Keys that are not listed here are an error, so that a
// misspelled one is not silently without effect.
//
//	instances = 2                    # containers of each color, 1 to 10
//	release = "/app migrate --all"   # run once in the new image before anything is switched;
//	                                 # words as in a shell but without one: 'a b' and "a b" are one word.
//	release = ["/app", "migrate"]    # the same as a list, nothing is split
//	release_timeout = "10m"          # its limit, 1s to 24h
//	keep = 5                         # older releases whose image is kept, 0 to 100
//	promote = "gradual"              # in steps, see [switch]; "at-once" is the default
//	strategy = "single-writer"       # never two releases at once: requests wait while one takes
//	                                 # the other's place; "blue-green" is the default
//
//	[build]
//	dockerfile = "docker/Dockerfile" # default: Dockerfile, and without one what Teal finds
//	root = "services/shop"           # directory of the app in the repository; its own teal.toml goes over this one
//	language = "node"                # without a Dockerfile, when several would do: go, rust, java, php, ruby, python, node, static, procfile
//	target = "production"            # the Dockerfile's stage that is run; default: the last one
//	main = "./cmd/web"               # Go without a Dockerfile: the package to build, when there are several
//	timeout = "20m"                  # 10s to 24h
//	args = { FLAVOR = "plain" }      # ARGs of the Dockerfile, own or written by Teal; readable in the history: no secrets
//
//	[probe]
//	path = "/healthz"                # what must answer with a status below 400; begins with "/"
//	interval = "500ms"               # between two tries, 50ms to 1m
//	timeout = "2s"                   # of one try, 50ms to 5m
//	start_timeout = "60s"            # from start to the first good answer, 1s to 1h
//	check_interval = "5s"            # how often the router looks at an instance that runs, 1s to 1h, or "off"
//
//	[switch]
//	grace = "5m"                     # how long the replaced color keeps running, 0s to 168h
//	drain = "30s"                    # how long requests in flight may take after a switch, 0s to 1h
//	stop = "10s"                     # SIGTERM to SIGKILL, 0s to 10m
//	steps = [10, 50]                 # percent of new requests, rising, 1 to 99; with promote = "gradual"
//	dwell = "1m"                     # how long each step lasts, 1s to 24h
//	watch = "5m"                     # how long a new release is compared with the old one, 10s to 24h, or "off"
//	hold = "60s"                     # how long requests may wait for a single writer, 2s to 10m
//
//	[limits]                         # of each instance
//	memory = "512MiB"                # 16MiB to 1TiB; kB, MB, GB are powers of 1000, KiB, MiB, GiB of 1024
//	cpus = 1.5                       # cores, 0.05 to 512
//	pids = 512                       # processes and threads, 8 to 1000000
//
//	[volumes]                        # directories that outlive every release; both colors see the same
//	data = "/data"                   # name and place; at most 10
//
//	[formation]                      # instances of the Procfile's processes beside web, 0 to 10;
//	mailer = 2                       # 0: it runs when somebody types "cron APP run mailer"
//
//	[cron.nightly]                   # a command on a schedule; it runs in the live release only
//	schedule = "30 3 * * *"          # minute, hour, day of month, month, weekday; "@daily"; CRON_TZ=Area/City before it;
//	                                 # "@deploy": when a release has become live; "@first-deploy": the first one only; "@manual": when somebody types "cron APP run nightly"
//	command = "bin/clean --all"      # a line as in a Procfile, or a list of words
//	timeout = "1h"                   # of one run, 1s to 24h
//
//	[router]
//	sticky = true                    # a client stays on its instance (cookie)
//	redirect = true                  # http is redirected to https, for hosts that have a certificate
//	protocol = "h2c"                 # the app speaks HTTP/2 without TLS, not "http/1.1"; "grpc": and is probed for its gRPC health
//
//	[patch]                          # security patches by schedule
//	mode = "auto"                    # "notify" tells of updates and deploys nothing, "off" does not look
//	scope = "all"                    # "security": only when an update comes from a security archive
//	window = "02:00-05:00"           # when a run may begin, by the server's clock
//	layer = true                     # lay updates over the image of a Dockerfile whose base does not have them
//	tell = true                      # a mail for each patch that went live, not for failed ones alone
//
//	[migrate]
//	mark = "split-names"             # change it with the database: releases with another mark can't live with that
//	rollback = "warn"                # "block": a rollback to another mark is refused
type Manifest struct {
	Settings   deploy.Settings
	Dockerfile string            // "" when the file does not say
	Stage      string            // of the Dockerfile, that is run; "": the last one
	Root       string            // directory of the app; "" for the repository's own
	Language   string            // the only row of the table that is asked: "node"; "" when the file does not say
	Main       string            // Go main package, "./cmd/web"; "" when the file does not say
	Args       map[string]string // build arguments

	crons     []declaredCron // of [cron]
	formation map[string]int // instances of processes beside web
}

// parseManifest reads a teal.toml over another one. The error is one line for the
// person who wrote the file.
func parseManifest(data []byte, m Manifest) (Manifest, error) {
	var file manifestFile
	decoder := toml.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&file); err != nil {
		return Manifest{}, manifestError(err)
	}
	if err := m.overlay(file); err != nil {
		return Manifest{}, fmt.Errorf("%s: %w", manifestName, err)
	}
	return m, nil
}

// wrongType is how the decoder says that a value has the wrong type, with Go's words.
var wrongType = regexp.MustCompile(`^cannot decode TOML (\w+) into`)

// manifestError puts the decoder's error into words.
func manifestError(err error) error {
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) && len(unknown.Errors) > 0 {
		first := unknown.Errors[0]
		key := strings.Join(first.Key(), ".")
		line, _ := first.Position()
		if near := nearest(key, manifestKeys); near != "" {
			return fmt.Errorf("%s line %d: there is no key %q; is %q meant?", manifestName, line, deploy.Clean(key, 60), near)
		}
		return fmt.Errorf("%s line %d: there is no key %q", manifestName, line, deploy.Clean(key, 60))
	}
	text := deploy.Clean(strings.TrimPrefix(err.Error(), "toml: "), 200)
	var decode *toml.DecodeError
	if errors.As(err, &decode) {
		line, _ := decode.Position()
		if m := wrongType.FindStringSubmatch(text); m != nil {
			text = fmt.Sprintf("%s cannot be a bare %s", deploy.Clean(strings.Join(decode.Key(), "."), 60), m[1])
		}
		return fmt.Errorf("%s line %d: %s", manifestName, line, text)
	}
	return fmt.Errorf("%s: %s", manifestName, text)
}
