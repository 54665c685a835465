package router

import (
	"hash/maphash"
	"iter"
	"maps"
)

// index finds entries by name. It is a value: put gives another one, which
// shares with the first all parts but one, so that to point at one of ten
// thousand apps does not copy the other ones.
type index struct {
	parts [indexParts]map[string]*entry
	count int
}

// indexParts is about the square root of the most that there may be.
const indexParts = 128

var indexSeed = maphash.MakeSeed()

func partOf(name string) uint64 { return maphash.String(indexSeed, name) % indexParts }

func (x *index) get(name string) *entry {
	if x.count == 0 {
		return nil
	}
	return x.parts[partOf(name)][name]
}

// put sets what the name stands for; nil: nothing.
func (x *index) put(name string, e *entry) {
	part := &x.parts[partOf(name)]
	_, had := (*part)[name]
	if e == nil && !had {
		return
	}
	next := maps.Clone(*part)
	if next == nil {
		next = map[string]*entry{}
	}
	switch {
	case e == nil:
		delete(next, name)
		x.count--
	case !had:
		x.count++
		fallthrough
	default:
		next[name] = e
	}
	*part = next
}

func (x *index) all() iter.Seq2[string, *entry] {
	return func(yield func(string, *entry) bool) {
		for _, part := range x.parts {
			for name, e := range part {
				if !yield(name, e) {
					return
				}
			}
		}
	}
}
