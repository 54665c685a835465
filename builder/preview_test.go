package builder

import (
	"strings"
	"testing"

	"teal/deploy"
)

func TestPreviewShowsTheDockerfileAndWhy(t *testing.T) {
	b := New(Config{Engine: testEngine(t), Namespace: "preview"})
	p, err := b.Preview(t.Context(), deploy.BuildRequest{Source: files("go.mod", "module x\n\ngo 1.26\n", "main.go", mainGo, "cmd/mail/mail.go", mainGo, "app.json", `{"env": {"NEEDED": {}}, "stack": "x"}`, "Procfile", "web: ./x\nmail: ./mail -v\n"), Defaults: deploy.DefaultSettings()})
	if err != nil {
		t.Fatal(err)
	}
	text := p.Text()
	for _, want := range []string{"# Go 1.26: go.mod found\n#\n", "# programs: mail, x", "# app.json: not used: stack", "# process mail (1): /app/bin/mail -v", "\nFROM teal/go AS build\n"} {
		contains(t, text, want)
	}
	if p.Path != "" || strings.Contains(text, "   | ") || !strings.HasSuffix(text, "CMD [\"/app/bin/x\"]\n") {
		t.Errorf("%+v", p)
	}
	p, err = b.Preview(t.Context(), deploy.BuildRequest{Source: files("teal.toml", "[build]\ndockerfile = \"docker/Dockerfile\"\n", "docker/Dockerfile", "FROM scratch\n"), Defaults: deploy.DefaultSettings()})
	if err != nil || p.Path != "docker/Dockerfile" || p.Dockerfile != "FROM scratch\n" {
		t.Errorf("%+v, %v", p, err)
	}
}
