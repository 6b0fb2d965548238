package producer

import "encoding/binary"

// cursor reads the fields of an encoded message one after the other.
type cursor struct {
	rest   []byte
	broken bool // a field was cut off: what was read since is not valid
}

// take returns the next n bytes, or all that are left if there are fewer.
func (c *cursor) take(n uint64) []byte {
	if n > uint64(len(c.rest)) {
		c.broken = true
		n = uint64(len(c.rest))
	}
	b := c.rest[:n:n]
	c.rest = c.rest[n:]
	return b
}

// uvarint reads an unsigned varint.
func (c *cursor) uvarint() uint64 {
	n, length := binary.Uvarint(c.rest)
	c.skip(length)
	return n
}

// varint reads a signed varint.
func (c *cursor) varint() int64 {
	n, length := binary.Varint(c.rest)
	c.skip(length)
	return n
}

// skip passes over a varint of that length, which is not positive if it is cut off or too large.
func (c *cursor) skip(length int) {
	if length <= 0 {
		c.broken = true
		return
	}
	c.rest = c.rest[length:]
}
