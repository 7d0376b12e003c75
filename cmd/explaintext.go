package cmd

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
)

// write tells a life as text.
func (l *life) write(w io.Writer, withS bool) error {
	var b strings.Builder
	var key []string
	for k, v := range l.Key {
		key = append(key, k+" = "+v)
	}
	slices.Sort(key)
	fmt.Fprintf(&b, "%s\n", strings.Join(key, ", "))
	if !l.Found {
		fmt.Fprintf(&b, "\nNo side has a row of it.\n")
	}
	for _, v := range l.Verdicts {
		s := ""
		if withS {
			s = "S " + v.Stream + ", "
		}
		fmt.Fprintf(&b, "\n%s\n  %sB* %s, B %s: %s\n", keyLine(v.Key), s, v.Ideal, v.Batch, v.Verdict)
		if v.Cause+v.Evidence != "" {
			for _, line := range wrap(strings.TrimPrefix(v.Cause+": "+v.Evidence, ": "), 76) {
				fmt.Fprintf(&b, "  %s\n", line)
			}
		}
	}
	if len(l.Arrivals) > 0 {
		fmt.Fprintf(&b, "\nARRIVALS, in the order of the broker's clock\n")
	}
	for _, a := range l.Arrivals {
		fmt.Fprintf(&b, "  %s  %s\n", a.place, strings.ToUpper(a.Fate))
		line := func(name, value string) {
			for i, part := range wrap(value, 58) {
				if i > 0 {
					name = ""
				}
				fmt.Fprintf(&b, "    %-16s %s\n", name, part)
			}
		}
		if a.Reason != "" {
			line("why", a.Reason)
		}
		if a.BrokerTime != "" {
			line("broker time", a.BrokerTime)
		}
		line("event time", cmp.Or(a.EventTime, "none"))
		if a.Newest != "" {
			behind := ""
			switch {
			case a.Behind != "":
				behind = "; " + a.Behind + " behind it"
			case a.Fate != "rejected":
				behind = "; not behind it"
			}
			line("lane's newest", a.Newest+behind)
		}
		var names []string
		for n := range a.Watermarks {
			names = append(names, n)
		}
		slices.Sort(names)
		for _, n := range names {
			line("watermark", n+" "+a.Watermarks[n])
		}
		line("row", keyLine(a.Row))
	}
	if len(l.State) > 0 {
		fmt.Fprintf(&b, "\nSTATE\n")
	}
	for _, s := range l.State {
		until := s.Until
		if until == "" {
			until = "the end of the log"
		}
		fmt.Fprintf(&b, "  %s  in %s, out %s\n", s.Row, orDash(s.From), until)
		for _, line := range wrap(s.Why, 74) {
			fmt.Fprintf(&b, "    %s\n", line)
		}
	}
	for _, result := range []string{"B*", "B"} {
		head := false
		for _, r := range l.Results {
			if r.Result != result {
				continue
			}
			if !head {
				head = true
				fmt.Fprintf(&b, "\nROWS OF %s\n", result)
			}
			for i, line := range wrap(keyLine(r.Row), 76) {
				fmt.Fprintf(&b, "%s%s\n", []string{"  ", "    "}[min(i, 1)], line)
			}
			fmt.Fprintf(&b, "    from %s\n", strings.Join(r.From, " and "))
			for _, k := range r.Lookups {
				switch {
				case !k.Found:
					fmt.Fprintf(&b, "    %s %s: no row\n", k.Table, k.Key)
				case k.Version != "":
					fmt.Fprintf(&b, "    %s %s: version of %s\n", k.Table, k.Key, k.Version)
				default:
					fmt.Fprintf(&b, "    %s %s\n", k.Table, k.Key)
				}
			}
			if r.Why != "" {
				text := r.Why
				if r.Earliest != "" {
					text = "emitted at " + r.Earliest + " at the earliest: " + text
				}
				for _, line := range wrap(text, 74) {
					fmt.Fprintf(&b, "    %s\n", line)
				}
			}
		}
	}
	// What a terminal would obey instead of showing it.
	_, err := io.WriteString(w, strings.Map(func(r rune) rune {
		if r != '\n' && r != '\u200d' && unicode.In(r, unicode.Cc, unicode.Cf) {
			return unicode.ReplacementChar
		}
		return r
	}, b.String()))
	return err
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// keyLine writes an object of JSON as people read it.
func keyLine(key json.RawMessage) string {
	var b strings.Builder
	dec := json.NewDecoder(strings.NewReader(string(key)))
	_, _ = dec.Token()
	for dec.More() {
		name, err := dec.Token()
		var v json.RawMessage
		if err != nil || dec.Decode(&v) != nil {
			return string(key)
		}
		if b.Len() > 0 {
			b.WriteString(" ")
		}
		text := string(v)
		if plain := ""; json.Unmarshal(v, &plain) == nil && text != "null" {
			text = plain
			if text == "" || strings.ContainsAny(text, " =") {
				text = "'" + text + "'"
			}
			text = strings.ReplaceAll(text, " ", "\u00a0")
		}
		fmt.Fprintf(&b, "%s=%s", name, text)
	}
	return b.String()
}
