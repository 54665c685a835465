package deploy

// Color is the slot that a release runs in. An app has exactly two; one of
// them is active. The other one is derived with Other, never stored.
type Color string

// The two colors. The zero Color means "none yet": the app has never been promoted.
const (
	Blue  Color = "blue"
	Green Color = "green"
)

// Other returns the opposite color. The other color of "none yet" is Blue, so
// that the first push of an app goes to Blue.
func (c Color) Other() Color {
	if c == Blue {
		return Green
	}
	return Blue
}
