// Package csv reads tables from CSV files: RFC 4180 with a header, in UTF-8.
//
// The rule: a file says what it says, or is refused with its line. A field with nothing in it is NULL, one with
// quotes and nothing between them is the empty text; a row with more or fewer fields than the header is an
// error; a column is a number only if each of its values is written as one and fits, so 01234 stays text.
//
//	fields, err := csv.Infer(file, "devices.csv") // over the whole file
//	rec, err := csv.Read(again, "devices.csv", fields)
//
// Times, dates, numbers and base64 are written as in JSON (package schema/json). Line ends are LF or CRLF, also
// within quotes, where they are kept; a byte-order mark is dropped; lines without anything are passed over
// unless the file has one column, where they are NULL.
package csv
