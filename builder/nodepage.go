package builder

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// pageTool is a bundler or a generator of pages.
type pageTool struct {
	name, out string         // where it puts the files, as a pattern of COPY
	serves    *regexp.Regexp // what a start script of it looks like, which is for development
	many      bool           // it makes a file for each page: unknown paths are not index.html's
}

// pageTools go in this order: some are made of others further down.
var pageTools = []pageTool{
	{"@11ty/eleventy", "_site", regexp.MustCompile(`\beleventy\b`), true},
	{"gatsby", "public", regexp.MustCompile(`\bgatsby (develop|serve|start)\b`), true},
	{"@docusaurus/core", "build", regexp.MustCompile(`\bdocusaurus (start|serve)\b`), true},
	{"astro", "dist", regexp.MustCompile(`\bastro (dev|preview|start)\b`), true},
	{"@sveltejs/adapter-static", "build", regexp.MustCompile(`^(npx )?vite\b`), false},
	{"@angular/cli", "dist/*/browser", regexp.MustCompile(`\bng serve\b`), false},
	{"vite", "dist", regexp.MustCompile(`^(npx )?vite\b`), false},
	{"react-scripts", "build", regexp.MustCompile(`\breact-scripts start\b`), false},
	{"@vue/cli-service", "dist", regexp.MustCompile(`\bvue-cli-service serve\b`), false},
	{"parcel", "dist", regexp.MustCompile(`^(npx )?parcel\b`), false},
	{"webpack", "dist", regexp.MustCompile(`\bwebpack(-dev-server)?( serve)?\b`), false},
	{"esbuild", "dist", regexp.MustCompile(`\besbuild\b.*--serve`), false},
}

// serverFrameworks need a server of their own, whatever bundles their pages.
var serverFrameworks = []string{
	"next", "nuxt", "express", "fastify", "koa", "@hapi/hapi", "@nestjs/core", "@remix-run/node", "@react-router/node",
	"@sveltejs/adapter-node", "@astrojs/node", "@angular/ssr", "hono",
}

// page finds out whether the app is one of pages alone: tools that make files,
// no framework that serves them itself, and nothing to start but the tool's own
// server for development. nil: it is none.
func (a *nodeApp) page() (tool *pageTool, why string) {
	if a.t.web != "" || a.build == "" || slices.ContainsFunc(serverFrameworks, a.pkg.needs) {
		return nil, ""
	}
	start := a.pkg.Scripts["start"]
	for _, tool := range pageTools {
		if !a.pkg.needs(tool.name) || start != "" && !tool.serves.MatchString(start) || start == "" && a.hasServer() {
			continue
		}
		if tool.many {
			return &tool, fmt.Sprintf("pages: %s in package.json, and no server; the built files in %s are served", tool.name, tool.out)
		}
		return &tool, fmt.Sprintf("single-page app: %s in package.json, and no server; the built files in %s are served, unknown paths get index.html", tool.name, tool.out)
	}
	return nil, ""
}

// forTools tells whether package.json is there for tools only, a formatter say,
// beside files that are served as they are: then the app is a static site.
func (a *nodeApp) forTools() bool {
	if a.t.kind != "" || a.t.web != "" || a.pkg.has("start") || a.pkg.has("build") || a.pkg.has("heroku-postbuild") || a.hasServer() {
		return false
	}
	root, _ := a.t.page()
	return root != "" && !slices.ContainsFunc(serverFrameworks, a.pkg.needs)
}

// scriptOfNode tells whether a Python file at the root helps a Node app: nothing
// says which packages it needs, and package.json says how to start, or a server is
// there. A declared web process says which of the two answers, and so does a start
// script; where there is neither, a Python file that serves by itself is the app, and
// what looks like a server of Node may be for browsers.
func (t *tree) scriptOfNode(ctx context.Context, script string) (bool, error) {
	if t.kind == "python" || !t.has("package.json") || len(t.in("requirements")) > 0 || t.hasApt("python3") {
		return false, nil
	}
	if pythonWords.MatchString(t.web) {
		return false, nil
	}
	a, err := readNode(ctx, t, "build")
	if err != nil {
		return false, err
	}
	if nodeWords.MatchString(t.web) {
		return true, nil
	}
	commands := strings.Split(a.pkg.Scripts["start"], "&&")
	if pythonWords.MatchString(commands[len(commands)-1]) { // the last one stays
		return false, nil
	}
	if !a.pkg.has("start") && t.files[script].Size <= maxSmallFile {
		text, err := t.readSmall(ctx, script)
		if err != nil || givenPort.MatchString(text) || portOfTeal.MatchString(text) || serverModules.MatchString(text) {
			return false, err
		}
	}
	page, _ := a.page()
	server := a.hasServer() && firstOf(bundlers, a.pkg.needs) == "" || slices.ContainsFunc(serverFrameworks, a.pkg.needs)
	return a.pkg.has("start") && page == nil || server, nil
}

// serverModules are those of Python itself that serve.
var serverModules = regexp.MustCompile(`\bhttp\.server\b|\bsocketserver\b|\bwsgiref\b`)

// Commands of a web process that is plainly in one of the languages.
var (
	pythonWords = regexp.MustCompile(`(^|[\s/])(python[0-9.]*|gunicorn|uvicorn|hypercorn|daphne|waitress-serve|flask|streamlit|uwsgi|granian)(\s|$)|\.py(\s|$)`)
	nodeWords   = regexp.MustCompile(`(^|[\s/])(node|npm|npx|yarn|pnpm|bunx?)(\s|$)|\.[cm]?js(\s|$)`)
)
