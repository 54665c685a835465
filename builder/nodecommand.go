package builder

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

var (
	runsScript = regexp.MustCompile(`^(?:npm|yarn|pnpm|bun)(?: run)? ([A-Za-z0-9:_.-]+)$`)
	runsNpx    = regexp.MustCompile(`(^|[;&|]\s*)((?:[A-Za-z_]\w*=\S*\s+)*)npx\s+(?:(?:-y|--yes|--no|--no-install|-q|--quiet|--offline|--prefer-offline|--)\s+)*([A-Za-z0-9][\w.-]*)(\s|$)`)
)

// resolve makes another line of one that runs a script: "npm start" becomes what
// the script says, as npm is not in the image that runs, and would keep signals
// from the app. What npm runs before and after a script only npm itself does.
func (a *nodeApp) resolve(line string) string {
	line = strings.TrimSpace(line)
	for range 5 { // scripts may name each other
		m := runsScript.FindStringSubmatch(line)
		if m == nil || a.pkg.has("pre"+m[1]) || m[1] != "start" && a.pkg.has("post"+m[1]) || !a.pkg.has(m[1]) {
			break
		}
		line = strings.TrimSpace(a.pkg.Scripts[m[1]])
	}
	return runsNpx.ReplaceAllStringFunc(line, func(part string) string {
		m := runsNpx.FindStringSubmatch(part)
		if !a.brings(m[3]) { // npx fetches it, or knows whose it is
			return part
		}
		return m[1] + m[2] + m[3] + m[4]
	})
}

// argv makes a command of a line that starts the app.
func (a *nodeApp) argv(line string) []string {
	line = a.resolve(line)
	a.wants(line)
	return commandOf(line)
}

// brings tells whether one of the app's packages has the program.
func (a *nodeApp) brings(program string) bool {
	if a.pkg.needs(program) {
		return true
	}
	for name, its := range programsOf {
		if its == program && a.pkg.needs(name) {
			return true
		}
	}
	return false
}

// usesTool finds package managers in a command, and what calls them.
var usesTool = regexp.MustCompile(`(?:^|[\s;&|('"])(?:(npm|npx|yarn|pnpm|pnpx|bunx?|npm-run-all2?|run-[sp]|turbo|lerna)(?:$|[\s;&|)'"])|(npm):)`)

// toolsOf are the managers behind other names; "": the app's own.
var toolsOf = map[string]string{"npx": "npm", "pnpx": "pnpm", "bunx": "bun", "npm-run-all": "npm", "npm-run-all2": "npm", "run-s": "npm", "run-p": "npm", "turbo": "", "lerna": ""}

// wants notes the package managers that a command needs where the app runs, by
// itself or in a script that it runs.
func (a *nodeApp) wants(line string) {
	for _, text := range a.reached(line) {
		for _, m := range usesTool.FindAllStringSubmatch(text, -1) {
			name := m[1] + m[2]
			if of, other := toolsOf[name]; other {
				if name = of; name == "" {
					name = a.manager.name
				}
			}
			if a.tools == nil {
				a.tools = map[string]bool{}
			}
			a.tools[name] = true
		}
	}
}

var runsSeveral = regexp.MustCompile(`\b(run-[sp]|npm-run-all2?|concurrently)\b`)

// reached gives lines, and the scripts of package.json that they run by name.
func (a *nodeApp) reached(lines ...string) []string {
	seen := map[string]bool{}
	for i := 0; i < len(lines); i++ {
		words, several := commandWords.Split(lines[i], -1), runsSeveral.MatchString(lines[i])
		for k, w := range words {
			name, byNpm := strings.CutPrefix(w, "npm:")
			named := several || byNpm || k > 0 && slices.Contains([]string{"run", "npm", "yarn", "pnpm", "bun"}, words[k-1])
			if named && !seen[name] && a.pkg.has(name) {
				seen[name] = true
				lines = append(lines, a.pkg.Scripts["pre"+name], a.pkg.Scripts[name], a.pkg.Scripts["post"+name])
			}
		}
	}
	return lines
}

// sayTools says which managers are in the image, and why.
func (a *nodeApp) sayTools() []string {
	if len(a.tools) == 0 {
		return nil
	}
	return []string{strings.Join(slices.Sorted(maps.Keys(a.tools)), ", ") + " in the image, too: a command runs scripts or packages by it"}
}

// tool gives the manager of the name: the app's own in the app's version.
func (a *nodeApp) tool(name string) nodeManager {
	switch {
	case name == a.manager.name:
		return a.manager
	case name == "yarn":
		return yarnClassic("")
	case name == "pnpm":
		return pnpm("9")
	}
	return bun("", "")
}

// runTools is where the build stage puts managers for the image that runs.
const runTools = "/opt/run"

// makeTools has them there.
func (a *nodeApp) makeTools(d *dockerfile) {
	for _, name := range slices.Sorted(maps.Keys(a.tools)) {
		switch {
		case name == "npm":
		case name != "bun":
			d.add("RUN npm install --global --prefix " + runTools + " " + a.tool(name).source)
		case a.manager.name != "bun":
			d.add("RUN npm install --global " + a.tool(name).source)
		}
	}
}

// copyTools lays them into the image that runs.
func (a *nodeApp) copyTools(d *dockerfile, on string) {
	if a.tools["npm"] {
		d.add("COPY --from="+on+"-build /usr/local/lib/node_modules/npm /usr/local/lib/node_modules/npm",
			"RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx")
	}
	if a.tools["yarn"] || a.tools["pnpm"] {
		d.add("COPY --from=build " + runTools + "/ /usr/local/")
	}
	if a.tools["bun"] {
		d.add("COPY --from=build /usr/local/lib/node_modules/bun/bin/bun.exe /usr/local/bin/bun", "RUN ln -s bun /usr/local/bin/bunx")
	}
}

// runsBerry tells whether Yarn from 2 on is there where the app runs: it wants
// what it wrote down when it installed.
func (a *nodeApp) runsBerry() bool {
	return a.tools["yarn"] && strings.HasPrefix(a.tool("yarn").source, "@yarnpkg/")
}
