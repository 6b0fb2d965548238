package simulator

// restyle writes an object's same members in another order and with white space:
// what a service may do from one answer to the next without changing anything.
func restyle(object []byte, turn uint64) []byte {
	members := splitMembers(object)
	if len(members) < 2 {
		return object
	}
	first := int(turn % uint64(len(members)))
	out := append(make([]byte, 0, len(object)+2*len(members)+2), '{')
	for i := range members {
		if i > 0 {
			out = append(out, ',')
		}
		if turn&0x100 != 0 {
			out = append(out, '\n', ' ')
		}
		out = append(out, members[(first+i)%len(members)]...)
	}
	return append(out, '}')
}

// splitMembers cuts a valid object at the commas of its own level.
func splitMembers(object []byte) [][]byte {
	var members [][]byte
	depth, from, quoted := 0, 1, false
	for i := 0; i < len(object); i++ {
		switch c := object[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
			if depth == 0 && i > from {
				members = append(members, object[from:i])
			}
		case c == ',' && depth == 1:
			members = append(members, object[from:i])
			from = i + 1
		}
	}
	return members
}
