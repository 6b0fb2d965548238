package smartassist

// Everywhere is a stub until merged.
func (e *Error) Everywhere() bool { return e.Kind == Login || e.Kind == Throttled }

var ErrUnsplittable = ErrBrokenJSON

func Unsplittable(rest []byte) Row { return Row{Raw: rest, Err: ErrUnsplittable} }
