package router

import (
	"strconv"
	"strings"
)

// preferred tells which of the forms of a page an Accept field likes best
// (RFC 9110 §12.5.1): "html", "json", or "text" when it names neither. Of
// equals the first counts.
func preferred(accept string) string {
	form, best := "text", 0.0
	for part := range strings.SplitSeq(strings.ToLower(accept), ",") {
		kind, parameters, _ := strings.Cut(part, ";")
		if f, q := formOf(strings.TrimSpace(kind)), qualityOf(parameters); f != "" && q > best {
			form, best = f, q
		}
	}
	return form
}

func formOf(kind string) string {
	switch {
	case kind == "text/html":
		return "html"
	case kind == "application/json", strings.HasSuffix(kind, "+json"):
		return "json"
	}
	return ""
}

// qualityOf gives the q among the parameters of a media range; 1 without one,
// 0 for one that is none.
func qualityOf(parameters string) float64 {
	for p := range strings.SplitSeq(parameters, ";") {
		if value, ok := strings.CutPrefix(strings.TrimSpace(p), "q="); ok {
			q, err := strconv.ParseFloat(value, 64)
			if err != nil || q < 0 || q > 1 {
				return 0
			}
			return q
		}
	}
	return 1
}
