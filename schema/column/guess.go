package column

import (
	"github.com/lockstep-data/lockstep/schema"
)

// Guess finds the type that every value of a column of text has. The zero Guess has seen nothing.
type Guess struct {
	seen bool
	not  uint8
}

const (
	notBoolean = 1 << iota
	notBigInt
	notDouble
	notDate
	notTimestamp
)

// Add counts a value. Text that a type could not give back is not of that type: 007, +1, a whole number beyond
// 64 bits, or one beyond 2^53 or with more than 17 digits as DOUBLE.
func (g *Guess) Add(s []byte) {
	g.seen = true
	if g.not&notBoolean == 0 && string(s) != "true" && string(s) != "false" {
		g.not |= notBoolean
	}
	if g.not&(notBigInt|notDouble) != notBigInt|notDouble {
		g.addNumber(s)
	}
	if g.not&notDate == 0 {
		if _, err := ParseDate(s); err != nil {
			g.not |= notDate
		}
	}
	if g.not&notTimestamp == 0 {
		if _, err := ParseTimestamp(s); err != nil {
			g.not |= notTimestamp
		}
	}
}

func (g *Guess) addNumber(s []byte) {
	n, end := ScanNumber(s, 0)
	if end < 0 || end != len(s) {
		g.not |= notBigInt | notDouble
		return
	}
	if _, err := n.Int64(s); err != nil || !n.Plain() || n.Neg() && n.Mant == 0 {
		g.not |= notBigInt
	}
	if _, err := n.Float64(s); err != nil || n.Digits > 17 && !leadingZeros(s, 17) || n.Plain() && n.Mant > 1<<53 {
		g.not |= notDouble
	}
}

// leadingZeros says whether s has at most that many digits from the first that is not 0.
func leadingZeros(s []byte, most int) bool {
	digits := 0
	for _, c := range s {
		if c|0x20 == 'e' {
			break
		}
		if c >= '1' && c <= '9' || c == '0' && digits > 0 {
			digits++
		}
	}
	return digits <= most
}

// Text says that the column has a value that only STRING can be.
func (g *Guess) Text() {
	g.seen = true
	g.not = 0xff
}

// Type is BOOLEAN, BIGINT, DOUBLE, DATE, TIMESTAMP, or else STRING; STRING too if nothing was seen.
func (g *Guess) Type() schema.Type {
	switch {
	case !g.seen:
	case g.not&notBoolean == 0:
		return schema.Type{Kind: schema.Boolean}
	case g.not&notBigInt == 0:
		return schema.Type{Kind: schema.BigInt}
	case g.not&notDouble == 0:
		return schema.Type{Kind: schema.Double}
	case g.not&notDate == 0:
		return schema.Type{Kind: schema.Date}
	case g.not&notTimestamp == 0:
		return schema.Type{Kind: schema.Timestamp, Precision: 6}
	}
	return schema.Type{Kind: schema.String}
}
