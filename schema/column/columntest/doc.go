// Package columntest draws random columns and rows for the tests of the codecs; nothing else imports it.
//
// The rule: every value that a type can hold may come, and NULL at every level.
//
//	fields := columntest.Fields(t, columntest.Options{})
//	rec := columntest.Record(t, fields, 10)
package columntest
