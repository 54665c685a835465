package router

// splice passes the rest of a large body on inside the kernel, if both sides
// are plain sockets; done tells whether it did.
func (x *exchange) splice(*conn, int64) (done bool, err error) { return false, nil }
