package runtime

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"

	"github.com/docker/docker/api/types/filters"

	"teal/deploy"
)

// The labels on containers and networks. They are the only truth that a Docker
// has; a container on which one is missing or makes no sense isn't Teal's.
const (
	labelNamespace = "teal.namespace"
	labelApp       = "teal.app"
	labelColor     = "teal.color"
	labelRelease   = "teal.release"
	labelProcess   = "teal.process" // of a worker; not there on web
	labelIndex     = "teal.index"
	labelAddress   = "teal.address" // the fixed IP address
	labelSpec      = "teal.spec"    // fingerprint of what the container was made from
	labelOnce      = "teal.once"    // on throw-away containers, which have no color and index
)

// badge is what the labels of an instance say.
type badge struct {
	app     deploy.AppName
	color   deploy.Color
	release int
	process string // "" is web
	index   int
	address netip.Addr
	spec    string
}

// labels writes a badge onto a container.
func (d *Docker) labels(b badge) map[string]string {
	all := map[string]string{
		labelNamespace: d.config.Namespace,
		labelApp:       string(b.app),
		labelColor:     string(b.color),
		labelRelease:   strconv.Itoa(b.release),
		labelIndex:     strconv.Itoa(b.index),
		labelAddress:   b.address.String(),
		labelSpec:      b.spec,
	}
	if b.process != "" {
		all[labelProcess] = b.process
	}
	return all
}

// badge reads the labels of a container; false when it is no instance of this
// namespace.
func (d *Docker) badge(labels map[string]string) (badge, bool) {
	app, err := deploy.ParseAppName(labels[labelApp])
	if err != nil || labels[labelNamespace] != d.config.Namespace || labels[labelOnce] != "" {
		return badge{}, false
	}
	b := badge{app: app, color: deploy.Color(labels[labelColor]), spec: labels[labelSpec], process: labels[labelProcess]}
	if b.color != deploy.Blue && b.color != deploy.Green {
		return badge{}, false
	}
	if b.release, err = strconv.Atoi(labels[labelRelease]); err != nil || b.release < 1 {
		return badge{}, false
	}
	if b.index, err = strconv.Atoi(labels[labelIndex]); err != nil || b.index < 1 {
		return badge{}, false
	}
	if b.address, err = netip.ParseAddr(labels[labelAddress]); err != nil {
		return badge{}, false
	}
	return b, true
}

func (b badge) instance(id string) deploy.Instance {
	return deploy.Instance{
		ID: id, App: b.app, Color: b.color, Release: b.release, Process: b.process, Index: b.index,
		Addr: netip.AddrPortFrom(b.address, deploy.Port),
	}
}

func (b badge) String() string {
	return fmt.Sprintf("%s %s %s", b.app, b.color, b.seat())
}

// seat names the instance among those of its app and color: "v14.1", or
// "v14 mailer.1" for one of a worker.
func (b badge) seat() string {
	if b.process == "" {
		return fmt.Sprintf("%s.%d", deploy.ReleaseName(b.release), b.index)
	}
	return fmt.Sprintf("%s %s.%d", deploy.ReleaseName(b.release), b.process, b.index)
}

// containerName is for people who look at the Engine; the labels are what counts.
func (d *Docker) containerName(b badge) string {
	if b.process != "" {
		return fmt.Sprintf("teal-%s-%s-%s-v%d-%s-%d", d.config.Namespace, b.app, b.color, b.release, b.process, b.index)
	}
	return fmt.Sprintf("teal-%s-%s-%s-v%d-%d", d.config.Namespace, b.app, b.color, b.release, b.index)
}

func (d *Docker) networkName(app deploy.AppName) string {
	return fmt.Sprintf("teal-%s-%s", d.config.Namespace, app)
}

// mine selects what carries the namespace and, unless app is "", the app.
func (d *Docker) mine(app deploy.AppName) filters.Args {
	f := filters.NewArgs(filters.Arg("label", labelNamespace+"="+d.config.Namespace))
	if app != "" {
		f.Add("label", labelApp+"="+string(app))
	}
	return f
}

// fingerprint names what a container is made from. It leaves out how Teal makes
// containers: a newer Teal must not remake the ones that serve.
func fingerprint(r deploy.Release, argv []string) string {
	bits, err := json.Marshal(struct {
		Image  string
		Env    map[string]string
		Memory int64
		CPUs   float64
		PIDs   int64
		// Left out when there is none, so that older containers keep their print.
		Argv    []string          `json:",omitempty"`
		Volumes map[string]string `json:",omitempty"`
		Own     map[string]string `json:",omitempty"`
	}{r.Image, r.Env, r.Settings.Memory, r.Settings.CPUs, r.Settings.PIDs, argv, r.Settings.Volumes, r.Settings.Env})
	if err != nil {
		panic(err) // a NaN of cores, which no parser lets through
	}
	sum := sha256.Sum256(bits)
	return hex.EncodeToString(sum[:12])
}
