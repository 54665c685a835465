package gitserver

import (
	"fmt"
	"strings"
	"time"

	"teal/deploy"
)

// shownLines is how many of a failure's last log lines the pusher sees.
const shownLines = 20

// Reason is why a deployment did not become live, in one line for git's report:
// "deploy failed: probe answered 500".
func Reason(d deploy.Deployment) string {
	switch {
	case d.State == deploy.Superseded, d.State == deploy.Canceled:
		if strings.HasPrefix(d.Note, string(d.State)) {
			return "deploy failed: " + d.Note // "superseded by anna's push of 3f2a1bc"
		}
		return joinNonEmpty("deploy failed: "+string(d.State), d.Note)
	case d.Failure != nil:
		return "deploy failed: " + d.Failure.Error()
	default:
		return "deploy failed: " + string(d.State)
	}
}

// FailureText is the block that tells why a deployment did not become live, what
// still serves and what to type next. app is the app as it is now; reach is what
// a person types to get here: "ssh -p 2222 teal.example.com".
func FailureText(d deploy.Deployment, app deploy.App, reach string) []string {
	out := []string{"", " ✗ " + strings.TrimPrefix(Reason(d), "deploy failed: ")}
	var hint []string
	next := fmt.Sprintf("fix and push again, or: %s logs %s", reach, d.App)
	if d.Failure != nil {
		if len(d.Failure.Log) > 0 {
			out = append(out, "   last lines of the "+whoWrote(d.Failure.Step)+":")
		}
		for _, line := range d.Failure.Log[max(0, len(d.Failure.Log)-shownLines):] {
			out = append(out, "   | "+cleanLine(line))
		}
		if d.Failure.Hint != "" {
			hint = []string{"   Why: " + cleanLine(d.Failure.Hint)}
		}
	} else if d.State.Ended() {
		next = fmt.Sprintf("%s ps %s shows what runs", reach, d.App)
	}
	out = append(out, hint...)
	return append(out, "   "+serving(app, d.App), "   Next: "+next)
}

func whoWrote(s deploy.Step) string {
	switch s {
	case deploy.StepBuild:
		return "build"
	case deploy.StepRelease:
		return "release command"
	default:
		return "app"
	}
}

func serving(app deploy.App, name deploy.AppName) string {
	if app.Live == 0 {
		return fmt.Sprintf("Nothing serves %s yet.", name)
	}
	return fmt.Sprintf("%s %s still serves %s.", app.Active, deploy.ReleaseName(app.Live), name)
}

// ReceiptText is the block after a promotion: what is live where, and what the
// switch cost.
func ReceiptText(d deploy.Deployment, url string) []string {
	live := fmt.Sprintf(" ✓ %s %s is live on %s", d.App, deploy.ReleaseName(d.Release), d.Color)
	if d.Replaces != 0 {
		live += ", replacing " + deploy.ReleaseName(d.Replaces)
	}
	out := []string{"", live}
	if url != "" {
		out = append(out, "   "+url)
	}
	r := d.Receipt
	if r == nil {
		return out
	}
	var times []string
	if r.Build > 0 {
		times = append(times, "build "+seconds(r.Build))
	}
	times = append(times, "start "+seconds(r.Start), "probe "+seconds(r.Probe), "switch "+milliseconds(r.Switch))
	out = append(out, "   "+strings.Join(times, " · "))
	if r.Replaced == 0 {
		return out
	}
	if d.State == deploy.Promoting || d.State == deploy.Draining {
		return append(out, fmt.Sprintf("   %s on %s is still finishing its requests", deploy.ReleaseName(r.Replaced), d.Color.Other()))
	}
	during := fmt.Sprintf("   during the switch: %s, %d failed", count(int(r.Requests), "request"), r.Failed)
	if r.P99Old > 0 && r.P99New > 0 {
		during += fmt.Sprintf(" · p99 %s before, %s after", milliseconds(r.P99Old), milliseconds(r.P99New))
	}
	drained := fmt.Sprintf("   drained in %s: %d in flight, %d cut · %s open",
		seconds(r.Drain), r.Drained, r.Cut, count(r.Sockets, "socket"))
	return append(out, during, drained)
}

// StagedText is the block after a push with no-promote. preview is the URL of
// the preview; "" when it is not known.
func StagedText(d deploy.Deployment, app deploy.App, preview, reach string) []string {
	out := []string{"", fmt.Sprintf(" ✓ %s %s is staged on %s: it answered its probe and serves the preview only",
		d.App, deploy.ReleaseName(d.Release), d.Color)}
	if preview != "" {
		out = append(out, "   "+preview)
	}
	return append(out, "   "+serving(app, d.App),
		fmt.Sprintf("   Next: %s promote %s (the branch on the server moves then)", reach, d.App))
}

// QueuedText is the block after a push with detach.
func QueuedText(d deploy.Deployment, reach string) []string {
	return []string{
		"", fmt.Sprintf(" deployment %d of %s is queued (the branch on the server moves when it is live)", d.ID, d.App),
		fmt.Sprintf("   Next: %s logs -f %s", reach, d.App),
	}
}

func seconds(s float64) string { return fmt.Sprintf("%.1f s", s) }

func milliseconds(ms float64) string {
	if ms >= 1000 {
		return seconds(ms / float64(time.Second/time.Millisecond))
	}
	return strings.TrimSuffix(fmt.Sprintf("%.1f", ms), ".0") + " ms"
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func joinNonEmpty(a, b string) string {
	if b == "" {
		return a
	}
	return a + ": " + b
}

// cleanLine makes a line of a build or an app safe for a terminal: colors and
// other escape sequences vanish, control characters become "?".
func cleanLine(s string) string {
	if isPlain(s) {
		return s
	}
	return deploy.Clean(dropEscapes(s), 4096)
}

func isPlain(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// dropEscapes removes ECMA-48 control sequences: ESC [ parameters final.
func dropEscapes(s string) string {
	var b strings.Builder
	for {
		i := strings.Index(s, "\x1b[")
		if i < 0 {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(s[:i])
		s = s[i+2:]
		end := strings.IndexFunc(s, func(r rune) bool { return r < ' ' || r > '?' })
		if end < 0 {
			return b.String()
		}
		if s[end] >= '@' && s[end] <= '~' {
			end++
		}
		s = s[end:]
	}
}
