package commands

import (
	"context"
	"fmt"
	"strings"

	"teal/deploy"
)

var receiptRow = command{
	name: "receipt", usage: "APP [ID]", scope: oneApp, verb: deploy.VerbView, json: true, most: 1,
	short: "the proof of a switch: requests served, failed, times",
	long: "Of the deployment with that number, or of the last one that went live. The counts\n" +
		"are the router's, from the switch to the end of the drain, over both colors.",
	examples: []string{"receipt shop", "receipt shop 17 --json"},
	run:      runReceipt,
}

func runReceipt(ctx context.Context, j *job) error {
	d, err := j.receiptOf(ctx)
	if err != nil {
		return err
	}
	if j.flags.on("json") {
		return j.document(j.deploymentDocument(d))
	}
	r := *d.Receipt
	what := fmt.Sprintf("%s of %s went live on %s %s", deploy.ReleaseName(d.Release), d.App, d.Color, j.ago(d.PromotedAt))
	if r.Replaced != 0 {
		what += ", in place of " + deploy.ReleaseName(r.Replaced)
	}
	j.say("%s (deployment %d, by %s)\n", what, d.ID, deploy.Clean(byWhom(d.By), 40))
	t := j.rows("  image", r.Image)
	if r.Regression != nil {
		t.add("  why", r.Regression.Reason())
		t.add("  "+deploy.ReleaseName(r.Regression.New.Release), r.Regression.New.String())
		t.add("  "+deploy.ReleaseName(r.Regression.Old.Release)+", before", r.Regression.Old.String())
	}
	if r.Held > 0 {
		t.add("  held", fmt.Sprintf("requests waited %.1f s while one took the other's place", r.Held))
	}
	t.add("  requests", fmt.Sprintf("%s answered from the switch to the end of the drain, %s failed", thousands(r.Requests), thousands(r.Failed)))
	t.add("  in flight", fmt.Sprintf("%d on the old color at the switch, %d cut off", r.Drained, r.Cut))
	t.add("  sockets", fmt.Sprintf("%d open on the old color at the switch", r.Sockets))
	t.add("  p99", fmt.Sprintf("%s before, %s after", millis(r.P99Old), millis(r.P99New)))
	t.add("  switch", fmt.Sprintf("%.1f ms from the commit to the router's swap", r.Switch))
	t.add("  times", times(r))
	t.add("  Teal", fmt.Sprintf("%.0f ms of its own, beside build, start and probe", r.Overhead))
	t.end()
	return nil
}

// receiptOf finds the deployment that was asked for, or the newest with a receipt.
func (j *job) receiptOf(ctx context.Context) (deploy.Deployment, error) {
	name := string(j.app.Name)
	if len(j.words) > 0 {
		d, err := j.deploymentOf(ctx, j.words[0])
		if err == nil && d.Receipt == nil {
			err = trouble(ExitNotFound, fmt.Sprintf("deployment %d of %s is %s and has no receipt: there was no switch (yet)", d.ID, name, d.State),
				j.Hint.Command("deployments", name))
		}
		return d, err
	}
	var before deploy.DeploymentID
	for range 20 {
		page, err := j.Store.Deployments(ctx, j.app.Name, before, 100)
		if err != nil {
			return deploy.Deployment{}, err
		}
		for _, d := range page {
			if d.Receipt != nil {
				return d, nil
			}
			before = d.ID
		}
		if len(page) < 100 {
			break
		}
	}
	return deploy.Deployment{}, trouble(ExitNotFound, name+" has no receipt yet: nothing of it went live", "git push teal main")
}

// millis writes a time in milliseconds; there is none when nobody asked for anything.
func millis(ms float64) string {
	if ms <= 0 {
		return "no requests"
	}
	return fmt.Sprintf("%.1f ms", ms)
}

func times(r deploy.Receipt) string {
	var parts []string
	for _, p := range []struct {
		what    string
		seconds float64
	}{{"build", r.Build}, {"start", r.Start}, {"probe", r.Probe}, {"drain", r.Drain}} {
		if p.seconds > 0 {
			parts = append(parts, fmt.Sprintf("%s %.1f s", p.what, p.seconds))
		}
	}
	return strings.Join(parts, ", ")
}
