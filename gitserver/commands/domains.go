package commands

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"teal/deploy"
)

var domainsRow = command{
	name: "domains", usage: "APP [HOST]", short: "the hosts that production serves the app at",
	subs: []command{
		{
			name: "list", usage: "APP", scope: oneApp, verb: deploy.VerbView, json: true,
			short: "the app's hosts", examples: []string{"domains list shop"}, run: runDomainsList,
		},
		{
			name: "add", usage: "APP HOST", scope: oneApp, verb: deploy.VerbDomains, least: 1, most: 1,
			short: "serve the app at another host, at once",
			long: "Point the host's DNS at this server first. *.example.com serves every name of one\n" +
				"label below example.com.",
			examples: []string{"domains add shop shop.example.com"}, run: runDomainsAdd,
		},
		{
			name: "remove", usage: "APP HOST", scope: oneApp, verb: deploy.VerbDomains, least: 1, most: 1,
			short: "serve it there no more, at once", examples: []string{"domains remove shop shop.example.com"}, run: runDomainsRemove,
		},
	},
}

func runDomainsList(_ context.Context, j *job) error {
	link := j.URL(string(j.app.Name))
	hosts := append([]string{}, j.app.Domains...)
	slices.Sort(hosts)
	shown := j.Certificates(j.app.Name)
	if j.flags.on("json") {
		docs := []certificateDocument{}
		for _, c := range shown {
			docs = append(docs, certificateOf(c))
		}
		return j.document(map[string]any{"app": j.app.Name, "url": link, "domains": hosts, "certificates": docs})
	}
	about := map[string]string{}
	for _, c := range shown {
		about[c.Host] = "  " + c.Text(j.Now())
	}
	if link != "" {
		j.say("%s (always)%s", link, about[hostOf(link)])
	}
	for _, h := range hosts {
		j.say("%s%s", deploy.Clean(h, 300), about[h])
	}
	return nil
}

func hostOf(link string) string {
	u, err := url.Parse(link)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

type certificateDocument struct {
	Host     string     `json:"host"`
	Own      bool       `json:"own"`
	Issuer   string     `json:"issuer"`
	NotAfter *time.Time `json:"not_after"` // null: there is none
	Error    string     `json:"error"`
	Since    *time.Time `json:"since"`
	Next     *time.Time `json:"next"`
}

func certificateOf(c deploy.Certificate) certificateDocument {
	return certificateDocument{
		Host: c.Host, Own: c.Own, Issuer: c.Issuer, NotAfter: stamp(c.NotAfter), Error: c.Error, Since: stamp(c.Since), Next: stamp(c.Next),
	}
}

// host reads the host that was typed, and forgives what is copied along with one.
func (j *job) host() (string, error) {
	h := strings.ToLower(strings.TrimSuffix(j.words[0], "."))
	if strings.ContainsAny(h, "/: @") || deploy.Clean(h, 253) != h {
		return "", j.usage("a domain is a host name alone, such as shop.example.com, not %q", deploy.Clean(j.words[0], 80))
	}
	return h, nil
}

func runDomainsAdd(ctx context.Context, j *job) error {
	host, err := j.host()
	if err != nil {
		return err
	}
	if err := j.CheckDomain(host); err != nil {
		return err
	}
	change, cancel := lasting(ctx)
	defer cancel()
	if err := j.Store.AddDomain(change, j.app.Name, host); errors.Is(err, deploy.ErrExists) {
		what := host + " is taken by another app of this server"
		if slices.Contains(j.app.Domains, host) {
			what = fmt.Sprintf("%s has %s already", j.app.Name, host)
		}
		return trouble(ExitBusy, what, j.Hint.Command("domains", "list", string(j.app.Name))).because(err)
	} else if err != nil {
		return err
	}
	if err := j.reroute(change); err != nil {
		return err
	}
	j.say("Production serves %s at %s now.", j.app.Name, host)
	return nil
}

func runDomainsRemove(ctx context.Context, j *job) error {
	host, err := j.host()
	if err != nil {
		return err
	}
	change, cancel := lasting(ctx)
	defer cancel()
	if err := j.Store.RemoveDomain(change, j.app.Name, host); err != nil {
		return because(err, deploy.ErrNotFound, ExitNotFound,
			fmt.Sprintf("%s has no domain %s", j.app.Name, deploy.Clean(host, 80)), j.Hint.Command("domains", "list", string(j.app.Name)))
	}
	if err := j.reroute(change); err != nil {
		return err
	}
	j.say("%s is not served at %s any more.", j.app.Name, host)
	return nil
}

func (j *job) reroute(ctx context.Context) error {
	err := j.Engine.Reroute(ctx, j.app.Name)
	if err == nil {
		return nil
	}
	p := *j.explain(j, err)
	p.what = "the change is stored, but the router does not have it yet: " + p.what
	p.next = "it is taken along by the next deployment: " + j.Hint.Command("redeploy", string(j.app.Name))
	return &p
}
