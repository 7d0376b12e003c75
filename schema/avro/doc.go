// Package avro reads rows from Avro's binary form and writes them, with a schema from a file or from a
// registry.
//
// The rule: bytes mean what the schema they were written with says. A Decoder compiles each writer's schema
// once into a Plan, a flat program that appends to the wanted columns and passes over the rest; a schema that
// cannot give a wanted column is refused then, by the field's name, and not row by row.
//
//	d := avro.NewDecoder(fields)
//	plan, err := d.Plan(writerSchema)
//	...
//	err = d.Append(plan, value)
//	rec := d.Flush()
//
// How Avro's types come in: int INT, long BIGINT, float FLOAT, double DOUBLE, string, enum and uuid STRING, bytes,
// fixed and duration BYTES, decimal DECIMAL, date DATE, timestamp-* and local-timestamp-* TIMESTAMP (what is finer
// than a microsecond is cut), time-millis and time-micros BIGINT in microseconds of the day, record ROW, array ARRAY,
// map MAP<STRING,..>, null with one other type that type. Other unions are refused.
package avro
