package avro

import "fmt"

// skip returns the end of the value of n at i.
func skip(b []byte, i int, n *node, depth int) (int, error) {
	if depth > maxNesting {
		return i, fmt.Errorf("nested deeper than %d", maxNesting)
	}
	size := 0
	switch n.kind {
	case "null":
	case "boolean":
		size = 1
	case "int", "long", "enum":
		_, end, err := varint(b, i)
		return end, err
	case "float":
		size = 4
	case "double":
		size = 8
	case "fixed":
		size = n.size
	case "bytes", "string":
		u, end, err := varint(b, i)
		if err != nil {
			return end, err
		}
		length := unzigzag(u)
		if length < 0 || length > int64(len(b)-end) {
			return end, errLength
		}
		return end + int(length), nil
	case "union":
		u, end, err := varint(b, i)
		if err != nil {
			return end, err
		}
		branch := unzigzag(u)
		if branch < 0 || branch >= int64(len(n.branches)) {
			return end, errBranch
		}
		return skip(b, end, n.branches[branch], depth+1)
	case "record":
		if n.min == 0 {
			return i, nil // however many empty records it is made of
		}
		var err error
		for _, f := range n.fields {
			if i, err = skip(b, i, f.typ, depth+1); err != nil {
				return i, err
			}
		}
		return i, nil
	default:
		return skipBlocks(b, i, n, depth)
	}
	if len(b)-i < size {
		return i, errShort
	}
	return i + size, nil
}

func skipBlocks(b []byte, i int, n *node, depth int) (int, error) {
	tiny := n.kind == "array" && n.items.min == 0
	for {
		u, end, err := varint(b, i)
		if err != nil {
			return end, err
		}
		i = end
		count := unzigzag(u)
		if count == 0 {
			return i, nil
		}
		if count < 0 {
			if u, i, err = varint(b, i); err != nil {
				return i, err
			}
			size := unzigzag(u)
			if size < 0 || size > int64(len(b)-i) {
				return i, errLength
			}
			i += int(size)
			continue
		}
		if tiny {
			continue
		}
		if count > int64(len(b)-i) {
			return i, errLength
		}
		for ; count > 0; count-- {
			if n.kind == "map" {
				if i, err = skip(b, i, stringNode, depth+1); err != nil {
					return i, err
				}
			}
			if i, err = skip(b, i, n.items, depth+1); err != nil {
				return i, err
			}
		}
	}
}

var stringNode = &node{kind: "string", min: 1}
