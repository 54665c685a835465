package deploy

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"net/url"
	"strings"
)

// forms are the ways in which programs write a secret down without meaning to:
// as it is, in lines, and encoded as they show requests, configuration or traces.
// What somebody makes of it on purpose can't be foreseen.
func forms(value string) []string {
	all := append(encodings(value), escapes(value)...)
	if u, err := url.Parse(value); err == nil && u.User != nil { // the password of a database's address
		if password, ok := u.User.Password(); ok {
			all = append(append(all, encodings(password)...), escapes(password)...)
		}
	}
	if !strings.Contains(value, "\n") {
		return all
	}
	for line := range strings.SplitSeq(value, "\n") { // output comes in lines
		line = strings.TrimSpace(line)
		all = append(append(all, line), escapes(line)...)
	}
	return all
}

// escapes are what Clean leaves of a text, and those of JSON, URLs, HTML and a shell's trace.
func escapes(s string) []string {
	query := url.QueryEscape(s)
	component := strings.ReplaceAll(query, "+", "%20")
	marked := strings.NewReplacer("%21", "!", "%27", "'", "%28", "(", "%29", ")", "%2A", "*", "%7E", "~").Replace(component) // JavaScript's
	page := html.EscapeString(s)
	quoted, _ := json.Marshal(s) // a text can't fail
	withHTML := string(quoted[1 : len(quoted)-1])
	plain := strings.NewReplacer(`\u0026`, "&", `\u003c`, "<", `\u003e`, ">").Replace(withHTML)
	return []string{
		s, Clean(s, len(s)), query, component, marked, url.PathEscape(s), withHTML, plain,
		strings.ReplaceAll(s, `'`, `'\''`), strings.ReplaceAll(s, `'`, `\'`), page, strings.NewReplacer("&#34;", "&quot;", "&#39;", "&#x27;").Replace(page),
	}
}

// encodings are base64 (RFC 4648) and hex. In base64 a secret looks different
// where other bytes stand before it ("user:" in a request's header), so of each
// of the three shifts that part is given which the secret alone decides.
func encodings(s string) []string {
	const short = 8 // shorter ones would be found where they are not
	if len(s) < short {
		return nil
	}
	all := []string{hex.EncodeToString([]byte(s)), strings.ToUpper(hex.EncodeToString([]byte(s)))}
	for shift := range 3 {
		encoded := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("\x00", shift) + s))
		whole := encoded[[]int{0, 2, 3}[shift] : (shift+len(s))*8/6]
		all = append(all, whole, strings.NewReplacer("+", "-", "/", "_").Replace(whole))
	}
	for _, width := range []int{64, 76} { // as openssl and base64 fold it
		encoded := base64.StdEncoding.EncodeToString([]byte(s))
		for ; len(encoded) > width; encoded = encoded[width:] {
			all = append(all, encoded[:width])
		}
		if rest := strings.TrimRight(encoded, "="); len(rest) > short {
			all = append(all, rest[:len(rest)-1]) // the last one also tells what comes behind
		}
	}
	return all
}
