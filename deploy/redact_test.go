package deploy_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"strings"
	"testing"

	"teal/deploy"
)

const (
	oddSecret  = `Zq8"x%/+&k2 mN7vR4tYw9'pL`
	lineSecret = "-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQ\"EFAASC$\nQzRtV9xK2mNf8Lp3Wd6Yh1Jb5Gs7Tc0E\n-----END KEY-----\n"
)

func TestSecretsAreRedactedHoweverProgramsWriteThem(t *testing.T) {
	redact := deploy.Redactor(map[string]string{"TABS": "QzRt\tV9xK2m\x01Nf8Lp", "TOKEN": oddSecret, "PEM": lineSecret, "DATABASE_URL": "postgres://shop:hunt%2Fer2222@db/x"})
	inJSON, _ := json.Marshal(map[string]string{"token": oddSecret, "pem": lineSecret})
	b64 := base64.StdEncoding.EncodeToString
	folded := b64([]byte(lineSecret))
	for name, text := range map[string]string{
		"as it is":                 "token=" + oddSecret,
		"cleaned first":            deploy.Clean("x QzRt\tV9xK2m\x01Nf8Lp y", 100),
		"JSON":                     string(inJSON),
		"Go":                       fmt.Sprintf("%q", oddSecret),
		"URL, query":               url.QueryEscape(oddSecret),
		"URL, path":                url.PathEscape(oddSecret),
		"URL, percent":             strings.ReplaceAll(url.QueryEscape(oddSecret), "+", "%20"),
		"HTML":                     html.EscapeString(oddSecret),
		"shell trace":              `+ curl '` + strings.ReplaceAll(oddSecret, `'`, `'\''`) + `'`,
		"base64":                   b64([]byte(oddSecret)),
		"base64, echo":             b64([]byte(oddSecret + "\n")),
		"base64, for URLs":         base64.RawURLEncoding.EncodeToString([]byte(oddSecret)),
		"basic authentication":     "Authorization: Basic " + b64([]byte("user:"+oddSecret)),
		"base64, folded":           folded[:76] + "\n" + folded[76:],
		"base64, folded, first":    folded[:64],
		"hex":                      hex.EncodeToString([]byte(oddSecret)),
		"password of an address":   "password authentication failed: hunt/er2222",
		"cut by what shows it":     deploy.Clean(strings.Repeat("w", 100)+oddSecret, 110),
		"cut in two":               "yyy" + oddSecret[:10] + "…",
		"cut in two, the rest":     "…" + oddSecret[10:] + " zzz",
		"cut, base64":              "yyy" + b64([]byte(oddSecret))[:20] + "…",
		"one line of several":      "QzRtV9xK2mNf8Lp3Wd6Yh1Jb5Gs7Tc0E",
		"one line of several, cut": "QzRtV9xK2mNf8Lp3Wd6…",
	} {
		got := redact(text)
		for _, piece := range []string{"Zq8", "mN7v", "N7vR4tY", "WnE4", "N3ZSNHRZ", "5a7138", "hunt", "QzRtV9", "V9xK2m", "MIIEv", "LS0tLS1CRUdJ", "EFAASC", "vR4tYw9"} {
			if strings.Contains(got, piece) {
				t.Errorf("%s: %s is left of it in %s", name, piece, got)
			}
		}
		if !strings.Contains(got, "[redacted]") {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestTextWithoutSecretsIsLeftAsItIs(t *testing.T) {
	redact := deploy.Redactor(map[string]string{"TOKEN": oddSecret, "MODE": "production", "SHORT": "yes", "URL": "https://example.com/a"})
	for _, text := range []string{"Loading… done", "yes, it is", "…", "a…b…c", "", "x%2Fy"} {
		if got := redact(text); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}
