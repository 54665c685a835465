package router

import (
	"net/http"
	"time"
)

// date is the Date field of one second.
type date struct {
	second int64 // of Router.now
	text   string
}

// appendDate appends the time now, by Router.now, as Date fields have it.
func (r *Router) appendDate(b []byte, now int64) []byte {
	second := now / int64(time.Second)
	d := r.date.Load()
	if d == nil || d.second != second {
		d = &date{second, r.born.Add(time.Duration(now)).UTC().Format(http.TimeFormat)}
		r.date.Store(d)
	}
	return append(b, d.text...)
}
