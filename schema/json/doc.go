// Package json reads rows from JSON objects and writes them: messages of a topic, and files with one object a
// line (NDJSON).
//
// The rule: a value keeps its meaning or is refused. Numbers go into BIGINT and DECIMAL digit by digit, never
// through a float; text is valid UTF-8; a key of a column that comes twice is an error. A missing key and null
// are NULL, keys without a column are skipped.
//
//	d := json.NewDecoder(fields)
//	if err := d.Append([]byte(`{"id": 7, "at": "2024-01-31T10:00:00Z"}`)); err != nil {
//		return err // byte 8, field id: ...
//	}
//	rec := d.Flush()
//
// How the types are written (a decoder reads these and the other forms in brackets):
//
//	SMALLINT, INT, BIGINT   a number [in quotes; 1e3]
//	DECIMAL                 a number with all digits of its scale [in quotes; fewer digits]
//	FLOAT, DOUBLE           a number with the fewest digits that tell it apart; "NaN", "Infinity", "-Infinity" [in quotes]
//	BOOLEAN                 true or false [in quotes]
//	STRING                  text [a number, boolean, object or array: its text as it stands there]
//	BYTES                   base64, with padding
//	DATE                    "2024-01-31"
//	TIMESTAMP               "2024-01-31T10:00:00.000000Z" [blank for T; no zone, or an offset; up to 9 digits, cut to 6;
//	                        a number of the column's epoch unit]
//	ARRAY, MAP, ROW         an array, an object, an object
package json
