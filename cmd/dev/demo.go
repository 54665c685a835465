package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// demo shows the main job with real parts: stock git over SSH, the Docker
// Engine, HTTP clients, a mail server. It ends with an error when anything is
// not as it should be.
func demo(ctx context.Context, exit bool) (err error) {
	began := time.Now()
	d, err := newStage(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.close()) }()
	for _, act := range []func(context.Context) error{d.firstPush, d.pushUnderLoad, d.brokenPush, d.restartPrevious, d.where} {
		if err := act(ctx); err != nil {
			return fmt.Errorf("%w\nThe daemon's log is in %s", err, d.daemonLog)
		}
	}
	say("Done in %.0f s", time.Since(began).Seconds())
	if exit {
		return nil
	}
	fmt.Println("Everything stays up. Ctrl-C ends it and takes the demo's containers away.")
	<-ctx.Done()
	return nil
}

func (d *stage) firstPush(ctx context.Context) error {
	say("1. First push: examples/hello-go becomes the app \"shop\"")
	if err := d.commitExample(ctx, "hello-go", "v1", "Open the shop"); err != nil {
		return err
	}
	if _, err := d.push(ctx, true); err != nil {
		return err
	}
	return d.serves(ctx, "v1")
}

func (d *stage) pushUnderLoad(ctx context.Context) error {
	say("2. Second push, while 50 connections ask without pause (GET, and POST with a body)")
	load := startLoad(ctx, d.http, d.host, 50)
	defer load.stop()
	if err := d.commitExample(ctx, "hello-go", "v2", "A new window display"); err != nil {
		return err
	}
	if _, err := d.push(ctx, true); err != nil {
		return err
	}
	time.Sleep(time.Second) // some requests more on the new color
	report := load.stop()
	fmt.Printf("\n  %d requests from before the push to after it: %d failed. Answers by version: %s\n", report.total, len(report.failures), report.versions())
	if len(report.failures) > 0 {
		return fmt.Errorf("requests failed: %v", report.failures[0])
	}
	if report.by["v1"] == 0 || report.by["v2"] == 0 {
		return fmt.Errorf("the load did not see both versions: %s", report.versions())
	}
	return d.serves(ctx, "v2")
}

func (d *stage) brokenPush(ctx context.Context) error {
	say("3. A broken push (examples/broken answers 500): refused, with its reason and an alert mail")
	if err := d.commitExample(ctx, "broken", "", "Rewrite the price list"); err != nil {
		return err
	}
	out, err := d.push(ctx, false)
	if err != nil {
		return err
	}
	if !strings.Contains(out, "[remote rejected]") {
		return errors.New("git did not say [remote rejected]")
	}
	say("   The mail that anna@example.org gets")
	mail, err := d.mail(ctx)
	if err != nil {
		return err
	}
	fmt.Println(indent(mail, "  │ "))
	return d.serves(ctx, "v2")
}

func (d *stage) restartPrevious(ctx context.Context) error {
	say("4. restart-previous: v1 still runs, so going back is a switch and nothing else")
	out, err := d.ssh(ctx, "restart-previous", "shop")
	fmt.Println(indent(out, "  "))
	if err != nil {
		return err
	}
	return d.serves(ctx, "v1")
}

// where prints the addresses.
func (d *stage) where(ctx context.Context) error {
	login, err := d.ssh(ctx, "login")
	if err != nil {
		return err
	}
	link := regexp.MustCompile(`https?://\S+`).FindString(login)
	if link == "" {
		return fmt.Errorf("login printed no link: %s", login)
	}
	apps, err := d.ssh(ctx, "ps", "shop")
	if err != nil {
		return err
	}
	say("5. Look around")
	fmt.Println(indent(apps, "  "))
	fmt.Printf("\n  production  http://%s/\n  console     %s\n  commands    %s help\n  push        cd %s && edit main.go && git commit -am change && git push teal main\n",
		d.httpHost(), link, strings.Join(d.sshArgs(), " "), d.work)
	preview, err := d.ssh(ctx, "apps", "--json")
	if err != nil {
		return err
	}
	if m := regexp.MustCompile(`"preview_url": *"([^"]+)"`).FindStringSubmatch(preview); m != nil {
		fmt.Printf("  preview     %s\n", m[1])
	}
	return nil
}

// commitExample puts an example's files into the work tree and commits them.
// version replaces the one in main.go, as a person would edit it.
func (d *stage) commitExample(ctx context.Context, name, version, message string) error {
	entries, err := os.ReadDir(d.work)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() != ".git" {
			if err := os.RemoveAll(filepath.Join(d.work, e.Name())); err != nil {
				return err
			}
		}
	}
	if err := os.CopyFS(d.work, os.DirFS(filepath.Join("examples", name))); err != nil {
		return err
	}
	if version != "" {
		path := filepath.Join(d.work, "main.go")
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		changed := regexp.MustCompile(`const version = "[^"]*"`).ReplaceAll(b, []byte(`const version = "`+version+`"`))
		if err := os.WriteFile(path, changed, 0o644); err != nil {
			return err
		}
	}
	if _, err := d.git(ctx, "add", "-A"); err != nil {
		return err
	}
	_, err = d.git(ctx, "commit", "-q", "-m", message)
	return err
}

// push pushes and shows what the pusher sees. It is an error when git does not
// end as wanted.
func (d *stage) push(ctx context.Context, wantOK bool) (string, error) {
	fmt.Println("  $ git push teal main")
	cmd := d.gitCommand(ctx, "push", "teal", "main")
	out := &echo{prefix: "  "}
	cmd.Stdout, cmd.Stderr = out, out
	err := cmd.Run()
	out.end()
	var exit *exec.ExitError
	switch {
	case wantOK && err != nil:
		return "", fmt.Errorf("git push: %w", err)
	case !wantOK && err == nil:
		return "", errors.New("git push succeeded, but had to be refused")
	case err != nil && !errors.As(err, &exit):
		return "", err
	case err != nil && exit.ExitCode() != 1:
		return "", fmt.Errorf("git push ended with %d, want 1", exit.ExitCode())
	}
	return out.text(), nil
}

// serves checks what production answers.
func (d *stage) serves(ctx context.Context, want string) error {
	got, err := ask(ctx, d.client, d.http, d.host, "/version")
	if err != nil {
		return err
	}
	if got = strings.TrimSpace(got); got != want {
		return fmt.Errorf("production answers %q, want %q", got, want)
	}
	fmt.Printf("\n  production answers: %s\n", got)
	return nil
}
