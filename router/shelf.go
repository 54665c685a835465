package router

import "sync/atomic"

// shelf keeps the idle connections of an instance, without a lock: whoever
// swaps a connection out of its slot owns it. Low slots are used first, so
// that those in high ones get old and are closed when the load falls.
type shelf struct {
	size  int
	slots atomic.Pointer[[]atomic.Pointer[conn]] // made when first needed
	count atomic.Int32
}

// put lays a connection down; false when the shelf is full.
func (s *shelf) put(c *conn) bool {
	slots := s.slots.Load()
	if slots == nil {
		made := make([]atomic.Pointer[conn], s.size)
		s.slots.CompareAndSwap(nil, &made)
		slots = s.slots.Load()
	}
	for i := range *slots {
		slot := &(*slots)[i]
		if slot.Load() == nil && slot.CompareAndSwap(nil, c) {
			s.count.Add(1)
			return true
		}
	}
	return false
}

// take picks a connection up; nil when there is none.
func (s *shelf) take() *conn {
	slots := s.slots.Load()
	if slots == nil || s.count.Load() <= 0 {
		return nil
	}
	for i := range *slots {
		slot := &(*slots)[i]
		if slot.Load() == nil {
			continue
		}
		if c := slot.Swap(nil); c != nil {
			s.count.Add(-1)
			return c
		}
	}
	return nil
}

// each takes every connection in turn, and lays it down again or closes it.
func (s *shelf) each(keep func(*conn) bool) {
	slots := s.slots.Load()
	if slots == nil {
		return
	}
	for i := range *slots {
		c := (*slots)[i].Swap(nil)
		if c == nil {
			continue
		}
		s.count.Add(-1)
		if !keep(c) || !s.put(c) {
			c.close()
		}
	}
}

// clear closes all.
func (s *shelf) clear() { s.each(func(*conn) bool { return false }) }
