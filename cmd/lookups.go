package cmd

import (
	"context"
	"fmt"
	"strings"

	"github.com/lockstep-data/lockstep/replay"
	"github.com/lockstep-data/lockstep/validate"
)

// lookupTables explains cells of S that come out of a table: S has no row of it, or another version.
type lookupTables struct {
	t      *triangle
	tables map[string]*lookupTable
}

type lookupTable struct {
	in    *replay.TableInput
	byKey map[string][]int
	// text are cells as the judge writes them, by column of the table.
	text map[string][]string
}

func (l *lookupTables) open(name string) *lookupTable {
	if x, ok := l.tables[name]; ok {
		return x
	}
	if l.tables == nil {
		l.tables = map[string]*lookupTable{}
	}
	l.tables[name] = nil
	checked := l.t.trace.plain
	table := checked.Pipeline.Table(name)
	in, err := openTable(context.Background(), l.t.world, table, checked.Catalog.Tables[name], false)
	if err != nil {
		return nil
	}
	keys, err := joinedText(in.Record, checked.Catalog.Tables[name].Key)
	if err != nil {
		return nil
	}
	x := &lookupTable{in: in, byKey: map[string][]int{}, text: map[string][]string{}}
	for i := range keys.Len() {
		if keys.IsValid(i) {
			x.byKey[keys.ValueStr(i)] = append(x.byKey[keys.ValueStr(i)], i)
		}
	}
	l.tables[name] = x
	return x
}

// cell is a cell of the table as the judge writes it.
func (x *lookupTable) cell(column string, row int) string {
	if x.text[column] == nil {
		texts, err := validate.Keys(x.in.Record, []string{column})
		if err != nil {
			return ""
		}
		out := make([]string, len(texts))
		for i, t := range texts {
			_, v, _ := strings.Cut(string(t), "\":")
			out[i] = strings.TrimSuffix(v, "}")
		}
		x.text[column] = out
	}
	return x.text[column][row]
}

// explain says what a look-up has to do with the cell d.Cell: all cells of its table that differ have to agree.
func (l *lookupTables) explain(from []origin, d validate.Difference) validate.Known {
	at, ok := l.t.trace.Columns[d.Cells[d.Cell].Column]
	if !ok || !at.Table || len(from) != 1 || at.Number >= len(from[0].lookups) {
		return validate.Known{}
	}
	look := from[0].lookups[at.Number]
	x := l.open(look.table)
	if x == nil {
		return validate.Known{}
	}
	missing := true
	versions := x.byKey[look.key]
	var fits []int
	for _, row := range versions {
		fit := true
		for _, c := range d.Cells {
			of, ok := l.t.trace.Columns[c.Column]
			if !ok || of.Table != at.Table || of.Number != at.Number {
				continue
			}
			missing = missing && string(c.Left) == "null"
			fit = fit && stableKey(c.Left) == stableKey([]byte(x.cell(of.Column, row)))
		}
		if fit {
			fits = append(fits, row)
		}
	}
	if len(versions) == 0 {
		return validate.Known{}
	}
	name := fmt.Sprintf("%s %s", look.table, look.key)
	switch {
	case missing && look.found:
		return validate.Known{Cause: validate.LookupMissing, Evidence: fmt.Sprintf("S has no row of %s; there is one%s", name, since(look.version))}
	case len(fits) > 0 && x.in.Versions >= 0:
		version, err := joinedText(x.in.Record.NewSlice(int64(fits[0]), int64(fits[0])+1), []string{x.in.Record.ColumnName(x.in.Versions)})
		if err != nil || version.ValueStr(0) == look.version {
			return validate.Known{}
		}
		held := "the version that held is that" + since(look.version)
		if !look.found {
			held = "no version of it held yet"
		}
		return validate.Known{Cause: validate.LookupVersion, Evidence: fmt.Sprintf("S has %s%s; %s", name, since(version.ValueStr(0)), held)}
	}
	return validate.Known{}
}

func since(version string) string {
	if version == "" {
		return ""
	}
	return " of " + version
}
